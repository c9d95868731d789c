"""The clients: each orders a job, sees it through and orders the next."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

import attrs
import trio

from benchmarks.agent_chaos.kinds import KINDS, KindOrder
from benchmarks.chaos.load import ENDED, TRUE_REFUSALS, Load
from kinora.client import ClientError, Submitted

JOBS = 6
"""The jobs that are kept going at once."""
AGAIN_S = 0.5
UNDISTURBED_S = 300.0


@attrs.define
class Clients:
    """They order by keys, so an order is repeated until it is taken, and there is one job for it."""

    load: Load
    undisturbed: dict[str, str] = attrs.field(factory=dict)
    """Kind → the label of the order whose job ran before any fault."""

    async def run_undisturbed(self) -> None:
        """Run a job of each kind to its end: what all others are compared with."""
        for kind in KINDS:
            order = self._order(kind)
            self.undisturbed[kind] = order.label
            with trio.fail_after(UNDISTURBED_S):
                await self._see_through(order)

    async def run(self, seed: int) -> None:
        """Keep the jobs going until cancelled."""
        async with trio.open_nursery() as nursery:
            for number in range(JOBS):
                nursery.start_soon(self._order_on, Random(f"{seed} client {number}"))  # noqa: S311 - a seed is wanted

    async def _order_on(self, random: Random) -> None:
        while True:
            await self._see_through(self._order(random.choice(list(KINDS))))

    def _order(self, kind: str) -> KindOrder:
        orders, told = self.load.book.orders, KINDS[kind]
        label = f"order-{len(orders)}"
        order = KindOrder(label, told.source, told.uploaded, f"key-{label}", kind=kind)
        orders.append(order)
        return order

    async def _see_through(self, order: KindOrder) -> None:
        """Send an order until it is acknowledged, then wait for the end of its job."""
        while not await self._send(order):  # noqa: ASYNC110 - it is a client that asks
            await trio.sleep(AGAIN_S)
        while not await self._all_ended(order.job_ids):  # noqa: ASYNC110 - it is a client that asks
            await trio.sleep(AGAIN_S)

    async def _send(self, order: KindOrder) -> bool:
        book = self.load.book
        try:
            order.job_ids.add((await self._answered(order)).job_id)
        except ClientError as error:
            book.refusals[str(error.status or "no answer")] += 1
            if error.status is not None and error.status not in TRUE_REFUSALS:
                book.complain(f"{order.label} on {order.source} was refused: {error.status} {error}, expected 202")
            return False
        return True

    async def _answered(self, order: KindOrder) -> Submitted:
        if order.uploaded:
            path = self.load.uploads / order.source
            return await self.load.api.upload(path, order.request, idempotency_key=order.key)
        return await self.load.api.submit(order.request, idempotency_key=order.key)

    async def _all_ended(self, job_ids: Iterable[str]) -> bool:
        try:
            states = [await self.load.api.extended(job_id, limit=0) for job_id in job_ids]
        except ClientError:
            return False
        return all(state["status"] in ENDED for state in states)
