"""Sends the deliveries of one webhook, one at a time: the first that is due."""

from __future__ import annotations

import heapq
import math
import random
import time
from contextlib import suppress
from itertools import count
from typing import Protocol

import attrs
import structlog
import trio

from kinora.actors.database import Statement
from kinora.actors.store import Store, StoreFailing
from kinora.actors.times import utc_now
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks.delivery_table import DeliveryStatus
from kinora.actors.webhooks.receiver import Answer, Message
from kinora.runtime.actor import ActorGone

log = structlog.get_logger()

RETRY_FOR_S = 3600.0
"""The age of a message at which it is given up once an attempt has failed."""
FIRST_PAUSE_S = 1.0
"""The pause after the first failed attempt of a delivery; each further one is twice as long."""
LONGEST_PAUSE_S = 300.0
"""The pause after many failed attempts."""
PAUSE_SPREAD = 0.2
"""The part of a pause by which it is shorter or longer by chance."""
MAX_WAITING = 5000
"""The most deliveries of one webhook that wait. Beyond it new messages are left out, which is counted and logged."""


class Posts(Protocol):
    """The part of a :class:`~kinora.actors.webhooks.receiver.Receiver` that a sender needs."""

    async def post(self, message: Message, at: int) -> Answer:
        """Post a message, signed for the time ``at``; it ends in bounded time."""


def pause_s(attempts: int, spread: float) -> float:
    """The pause after so many failed attempts; ``spread`` is between -1 and 1."""
    usual = min(FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 30), LONGEST_PAUSE_S)
    return usual * (1 + PAUSE_SPREAD * spread)


@attrs.define
class SenderFigures:
    """What has come of the messages of one webhook since the start of the server."""

    delivered: int = 0
    given_up: int = 0
    left_out: int = 0
    """The messages that were not taken, as too many waited."""
    fault: str = ""
    """What came of the last attempt, if it has failed."""


@attrs.define(eq=False)
class Waiting:
    """A delivery that waits."""

    key: str
    type: str
    born: float
    """When the message came, by Trio's clock."""
    attempts: int = 0


class Sender:
    """Sends the deliveries of one webhook. They are stored before they are held here, so that a restart loses none."""

    def __init__(self, webhook: str, posts: Posts, store: Store) -> None:
        self.figures = SenderFigures()
        self._webhook = webhook
        self._posts = posts
        self._store = store
        self._waiting: dict[str, Waiting] = {}
        """By key; bounded by the callers of :meth:`hold`."""
        self._line: list[tuple[float, int, Waiting]] = []
        """A heap: when each is due."""
        self._order = count()
        self._changed = trio.Event()

    def __len__(self) -> int:
        """The deliveries that wait, one that is under way included."""
        return len(self._waiting)

    def hold(self, waiting: Waiting) -> None:
        """Send a delivery that is stored, from now on; one that is held already stays as it is."""
        if waiting.key not in self._waiting:
            self._waiting[waiting.key] = waiting
            self._put(waiting, trio.current_time())

    async def run(self) -> None:
        """Send what is due, until cancelled. A delivery that is under way then is sent again by the next run."""
        self._line.clear()
        for waiting in self._waiting.values():
            self._put(waiting, trio.current_time())
        while True:
            waiting = await self._next()
            try:
                due = await self._try(waiting)
            except (StoreFailing, ActorGone):
                due = trio.current_time() + pause_s(waiting.attempts + 1, 0)
            if due is None:
                del self._waiting[waiting.key]
            else:
                self._put(waiting, due)

    def _put(self, waiting: Waiting, due: float) -> None:
        heapq.heappush(self._line, (due, next(self._order), waiting))
        self._changed.set()
        self._changed = trio.Event()

    async def _next(self) -> Waiting:
        """Wait until a delivery is due, and take the first one out of the line."""
        while True:
            due = self._line[0][0] if self._line else math.inf
            if due <= trio.current_time():
                return heapq.heappop(self._line)[2]
            with trio.move_on_at(due):
                await self._changed.wait()

    async def _try(self, waiting: Waiting) -> float | None:
        """Post a delivery; return when the next attempt is due, None if there is none."""
        body = await self._store.read(delivery_table.body, self._webhook, waiting.key)
        if body is None:
            return None
        answer = await self._posts.post(Message(waiting.key, waiting.type, body), int(time.time()))
        waiting.attempts += 1
        now = trio.current_time()
        if not answer.accepted and not self.figures.fault:  # once, not for each message that comes while it is away
            log.warning("a receiver does not take messages; they are tried again", **self._about(answer))
        self.figures.fault = "" if answer.accepted else answer.said
        if answer.accepted:
            self.figures.delivered += 1
            await self._end(waiting, "delivered", answer)
            return None
        if now - waiting.born >= RETRY_FOR_S:
            self.figures.given_up += 1
            log.warning("a delivery is given up", delivery=waiting.key, **self._about(answer))
            await self._end(waiting, "given_up", answer)
            return None
        await self._note(delivery_table.note_attempt(self._webhook, waiting.key, utc_now(), answer.said))
        return now + pause_s(waiting.attempts, random.uniform(-1, 1))  # noqa: S311 - no secret

    def _about(self, answer: Answer) -> dict[str, str]:
        return {"webhook": self._webhook, "reason": answer.said}

    async def _end(self, waiting: Waiting, status: DeliveryStatus, answer: Answer) -> None:
        ended = delivery_table.end_delivery(self._webhook, waiting.key, status, utc_now(), answer.said)
        await self._note(ended, delivery_table.forget_old())

    async def _note(self, *statements: Statement) -> None:
        """Store what came of an attempt; after a restart it is tried again if that fails."""
        with suppress(StoreFailing, ActorGone):
            await self._store.change(*statements)
