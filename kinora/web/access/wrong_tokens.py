"""Slows down the answers to wrong tokens, for each address by itself; a right token is never slowed down."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import attrs
import structlog
import trio

from kinora.repeats import is_told
from kinora.web.access.rights import WRONG
from kinora.web.problems import Problem
from kinora.web.scopes import client_network, until_stop

FIRST_DELAY_S = 0.25
"""The delay of the first wrong token of an address; each further one has twice the delay of the last."""
LONGEST_DELAY_S = 5.0
FORGET_S = 600.0
"""An address without a wrong token for this long begins anew."""
MAX_ADDRESSES = 4096
"""The most addresses that are remembered; beyond it, the one whose last wrong token is the oldest is forgotten."""
MAX_WAITING = 64
"""The most answers that are held back at once; a further one is 429 at once."""
MAX_WAITING_OF_ONE = 4
"""The same for one address."""
TOO_MANY = Problem(
    429,
    "Too many wrong tokens come from this address: try again in a moment.",
    headers={"retry-after": str(math.ceil(LONGEST_DELAY_S))},
)
log = structlog.get_logger()


@attrs.define(eq=False)
class _Address:
    count: int = 0
    last: float = 0.0
    waiting: int = 0


class WrongTokens:
    """The addresses that have sent wrong tokens, and the delay of each."""

    def __init__(self) -> None:
        self._addresses: OrderedDict[str, _Address] = OrderedDict()
        """In the order of their last wrong token."""
        self._waiting = 0

    async def refusal(self, scope: Mapping[str, Any]) -> Problem:
        """Hold back the answer to the wrong token in this request, and return it; the stop of the server ends that."""
        with (
            until_stop(scope),
            self.waiting(client_network(scope)) as delay_s,
        ):
            if delay_s is None:
                await trio.lowlevel.checkpoint()
                return TOO_MANY
            await trio.sleep(delay_s)
        return WRONG

    @contextmanager
    def waiting(self, network: str) -> Iterator[float | None]:
        """Note a wrong token; the block is the wait for so many seconds. For None it must not wait."""
        known = self._noted(network)
        if known.waiting >= MAX_WAITING_OF_ONE or self._waiting >= MAX_WAITING:
            yield None
            return
        known.waiting += 1
        self._waiting += 1
        try:
            yield min(FIRST_DELAY_S * 2 ** min(known.count - 1, 16), LONGEST_DELAY_S)
        finally:
            known.waiting -= 1
            self._waiting -= 1

    def _noted(self, network: str) -> _Address:
        now = trio.current_time()
        known = self._addresses.pop(network, None) or _Address()
        if now - known.last > FORGET_S:
            known.count = 0
        known.count += 1
        known.last = now
        self._addresses[network] = known
        if len(self._addresses) > MAX_ADDRESSES:
            self._addresses.popitem(last=False)
        if is_told(known.count):  # not each one, as the client chooses how many there are
            log.warning("wrong token", address=network, times=known.count)
        return known
