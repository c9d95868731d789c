"""Webhooks: hears what jobs tell, stores what is to be posted, and has it sent."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Self

import attrs
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.errors import Busy, FieldError, InvalidRequest, NotFound
from kinora.actors.messages import Payload, RealtimeMessage
from kinora.actors.overheard import Overheard
from kinora.actors.store.store import Change, Store, StoreFailing
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks.cooldown import Cooldown
from kinora.actors.webhooks.delivery_table import Delivery, DeliveryFilter, NewDelivery
from kinora.actors.webhooks.occurrences import id_of, occurrence_of
from kinora.actors.webhooks.receiver import ATTEMPT_S, Receiver
from kinora.actors.webhooks.sender import MAX_WAITING, Sender, SenderFigures, Waiting
from kinora.actors.webhooks.storing import store_surely
from kinora.actors.webhooks.trial import Tested, trial_message
from kinora.actors.webhooks.webhook import Occurrence, Webhook
from kinora.nearest import no_such
from kinora.repeats import is_told
from kinora.runtime.actor import ActorGone

log = structlog.get_logger()
TAKEN_OUT = "the webhook was taken out of the settings"


@attrs.define(eq=False)
class _Hook:
    """A webhook at work."""

    name: str
    webhook: Webhook
    receiver: Receiver
    sender: Sender
    cooldown: Cooldown
    tested: trio.Lock = attrs.field(factory=trio.Lock)
    """Held while it is tested."""
    unsaved: int = 0
    """Its deliveries that are not on disk yet."""

    @classmethod
    def make(cls, name: str, webhook: Webhook, store: Store) -> Self:
        receiver = Receiver(webhook)
        return cls(name, webhook, receiver, Sender(name, receiver, store), Cooldown(webhook.cooldown_s))

    @property
    def waiting(self) -> int:
        return self.unsaved + len(self.sender)


@attrs.define(eq=False)
class _Unsaved:
    """A delivery that is not on disk yet."""

    hook: _Hook
    new: NewDelivery
    born: float
    """When the message came, by Trio's clock."""
    change: Change


@attrs.frozen(kw_only=True)
class WebhookState:
    """The state of a webhook."""

    name: str
    waiting: int
    oldest_s: float
    """The age of the oldest delivery that waits; 0 if none does."""
    figures: SenderFigures


class Webhooks:
    """Has the messages of jobs posted to the receivers that want them. No job waits for any of them.

    A delivery is in the same transaction of the store as what its job stores after it, or an earlier one; it is sent
    once it is on disk.
    """

    def __init__(self, wanted: Mapping[str, Webhook], store: Store) -> None:
        self._store = store
        self._hooks = {name: _Hook.make(name, webhook, store) for name, webhook in wanted.items()}
        self._unsaved: deque[_Unsaved] = deque()
        """Bounded by ``MAX_WAITING`` for each webhook."""
        self._work = trio.lowlevel.ParkingLot()

    def audience_of(self, standing: str | None, audience: Audience) -> Audience:
        """The audience of a job, which is the standing job of that name or none; its messages are heard here too."""
        hooks = [hook for hook in self._hooks.values() if hook.webhook.wants_job(standing)]
        return Overheard(audience, partial(self._hear, hooks)) if hooks else audience

    def states(self) -> list[WebhookState]:
        """The state of each webhook, in the order of the settings."""
        return [
            WebhookState(
                name=hook.name, waiting=hook.waiting, oldest_s=self._oldest_s(hook), figures=hook.sender.figures
            )
            for hook in self._hooks.values()
        ]

    def _oldest_s(self, hook: _Hook) -> float:
        now = trio.current_time()
        unsaved = next((unsaved.born for unsaved in self._unsaved if unsaved.hook is hook), now)
        return now - min(unsaved, hook.sender.oldest_born(now))

    async def deliveries(self, chosen: DeliveryFilter, *, before: int | None, limit: int) -> list[Delivery]:
        """Return a page of deliveries without their bodies, the newest first: those numbered below ``before``.

        Raises:
            InvalidRequest: the settings have no such webhook, and nothing is kept of an earlier one of this name.
        """
        found = await self._store.read(delivery_table.deliveries, chosen, before, limit)
        if not found and chosen.webhook is not None and chosen.webhook not in self._hooks:
            await self._require_known(chosen.webhook)
        return found

    async def _require_known(self, name: str) -> None:
        known = dict.fromkeys([*self._hooks, *await self._store.read(delivery_table.webhooks)])
        if name not in known:
            error = FieldError("webhook", no_such("webhook", name, known))
            raise InvalidRequest("A parameter in the query string is not valid.", [error])

    async def test(self, name: str) -> Tested:
        """Post a message that tests a webhook, and return what came of it. It is neither stored nor posted again.

        Raises:
            NotFound: there is no webhook of this name.
            Busy: it is being tested already.
        """
        hook = self._hooks.get(name)
        if hook is None:
            raise NotFound(f"{no_such('webhook', name, self._hooks, place='kinora.toml')}.")
        if hook.tested.locked():
            raise Busy(f"The webhook {name} is being tested already: try again.", math.ceil(ATTEMPT_S))
        async with hook.tested:
            message, began = trial_message(name), trio.current_time()
            answer = await hook.receiver.post(message, int(time.time()))
        return Tested(message.id, answer, round((trio.current_time() - began) * 1000, 1))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what an earlier server has left, report ready, and send until cancelled."""
        left = await self._store.read(delivery_table.waiting)
        for delivery in left:
            await trio.lowlevel.checkpoint()  # there may be thousands
            self._take_up(delivery)
        async with trio.open_nursery() as nursery:
            task_status.started()
            nursery.start_soon(self._save)
            nursery.start_soon(self._clear, {delivery.webhook for delivery in left} - self._hooks.keys())
            for hook in self._hooks.values():
                nursery.start_soon(hook.sender.run)

    async def _clear(self, gone: Collection[str]) -> None:
        """Give up all that waits for webhooks that the settings no longer have, and forget what is old."""
        given_up = (delivery_table.give_up_all(webhook, TAKEN_OUT) for webhook in gone)
        await store_surely(self._store, *given_up, delivery_table.forget_old())

    def _take_up(self, delivery: Delivery) -> None:
        hook = self._hooks.get(delivery.webhook)
        if hook is None:
            return
        age_s = (datetime.now(UTC) - datetime.fromisoformat(delivery.created_at)).total_seconds()
        born = trio.current_time() - max(0.0, age_s)
        hook.sender.hold(Waiting(delivery.key, delivery.type, born, delivery.attempts))

    def _hear(self, hooks: Sequence[_Hook], payload: Payload) -> None:
        """Store a delivery of the message for each webhook that wants it. Never waits."""
        what, job_id = occurrence_of(payload), payload.job_id
        if what is None or job_id is None:
            return
        wanting = [hook for hook in hooks if self._takes(hook, job_id, what)]
        if not wanting:
            return
        message, key = RealtimeMessage(payload), id_of(payload)
        body = message.encode(key)
        for hook in wanting:
            new = NewDelivery(
                webhook=hook.name,
                key=key,
                job_id=job_id,
                type=what.type,
                kind=what.kind,
                event=what.event,
                created_at=message.timestamp,
                body=body,
            )
            change = self._store.change_soon(delivery_table.add_delivery(new))
            self._unsaved.append(_Unsaved(hook, new, trio.current_time(), change))
            hook.unsaved += 1
        self._work.unpark_all()

    def _takes(self, hook: _Hook, job_id: str, what: Occurrence) -> bool:
        if not hook.webhook.wants(what):
            return False
        if hook.waiting >= MAX_WAITING:
            self._leave_out(hook)
            return False
        return hook.cooldown.lets_through(job_id, what, trio.current_time())

    def _leave_out(self, hook: _Hook) -> None:
        hook.sender.figures.left_out += 1
        if is_told(left_out := hook.sender.figures.left_out):
            about = {"webhook": hook.name, "left_out": left_out, "waiting": MAX_WAITING}
            log.error("messages for a webhook are left out, as too many wait", **about)

    async def _save(self) -> None:
        """Wait for each delivery to be on disk, try again those that failed, and hand them on to be sent."""
        while True:
            while not self._unsaved:
                await self._work.park()
            first = self._unsaved[0]
            try:
                await first.change.wait()
            except (StoreFailing, ActorGone):
                await self._store.wait_writable()
                self._store_again()
                continue
            self._unsaved.popleft()
            first.hook.unsaved -= 1
            first.hook.sender.hold(Waiting(first.new.key, first.new.type, first.born))

    def _store_again(self) -> None:
        """Store what could not be stored, all in one transaction."""
        for unsaved in self._unsaved:
            if unsaved.change.fault is not None:
                unsaved.change = self._store.change_soon(delivery_table.add_delivery(unsaved.new))
