"""Sends the deliveries of one webhook, one at a time: the first that is due."""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Sequence
from itertools import count
from typing import Protocol

import attrs
import structlog
import trio

from kinora.actors.store.store import Store, StoreFailing
from kinora.actors.times import utc_now
from kinora.actors.webhooks import delivery_table
from kinora.actors.webhooks.back_off import FIRST_PAUSE_S, BackOff, pause_s
from kinora.actors.webhooks.delivery_table import DeliveryStatus
from kinora.actors.webhooks.outcome import Answer
from kinora.actors.webhooks.receiver import Message
from kinora.actors.webhooks.storing import store_surely
from kinora.runtime.actor import ActorGone

log = structlog.get_logger()

RETRY_FOR_S = 3600.0
"""The age of a message at which it is given up once an attempt has failed."""
MAX_WAITING = 5000
"""The most deliveries of one webhook that wait. Beyond it new messages are left out, which is counted and logged."""
FORGET_EVERY = 100
"""The deliveries that end between two times that old ones are forgotten: to find them takes long while many wait."""


class Posts(Protocol):
    """The part of a :class:`~kinora.actors.webhooks.receiver.Receiver` that a sender needs."""

    async def post(self, message: Message, at: int) -> Answer:
        """Post a message, signed for the time ``at``; it ends in bounded time."""


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


@attrs.frozen(order=True)
class _Turn:
    """The place of a delivery in the line."""

    due: float
    number: int
    """Grows with each turn: of two that are due at the same time the older one is first."""
    waiting: Waiting = attrs.field(order=False)


class Sender:
    """Sends the deliveries of one webhook. They are stored before they are held here, so that a restart loses none.

    Each delivery has pauses of its own, so that one that is always refused holds up no other. While the receiver is
    away all wait for it together.
    """

    def __init__(self, webhook: str, posts: Posts, store: Store) -> None:
        self.figures = SenderFigures()
        self._webhook = webhook
        self._posts = posts
        self._store = store
        self._back_off = BackOff()
        self._waiting: dict[str, Waiting] = {}
        """By key; bounded by the callers of :meth:`hold`."""
        self._line: list[_Turn] = []
        """A heap; may have turns of deliveries that were given up."""
        self._numbers = count()
        self._remembered = 0
        """The deliveries that have ended since old ones were forgotten."""
        self._changed = trio.Event()

    def __len__(self) -> int:
        """The deliveries that wait, one that is under way included."""
        return len(self._waiting)

    def oldest_born(self, now: float) -> float:
        """When the oldest message that waits came, by Trio's clock; ``now`` if none waits."""
        return min((waiting.born for waiting in self._waiting.values()), default=now)

    def hold(self, waiting: Waiting) -> None:
        """Send a delivery that is stored, from now on; one that is held already stays as it is."""
        if waiting.key not in self._waiting:
            self._waiting[waiting.key] = waiting
            self._back_off.hurry()
            self._line_up(waiting, trio.current_time())

    async def run(self) -> None:
        """Send what is due, until cancelled. A delivery that is under way then is sent again by the next run."""
        while True:
            waiting = await self._first()
            try:
                due = await self._send(waiting)
            except (StoreFailing, ActorGone):  # the message cannot be read now
                await trio.sleep(FIRST_PAUSE_S)
                continue
            heapq.heappop(self._line)
            if due is not None:
                self._line_up(waiting, due)

    def _line_up(self, waiting: Waiting, due: float) -> None:
        heapq.heappush(self._line, _Turn(due, next(self._numbers), waiting))
        self._changed.set()
        self._changed = trio.Event()

    async def _first(self) -> Waiting:
        """Wait until a delivery is due, and return the first one; it stays the first, as what comes is due later."""
        while True:
            while self._line and self._line[0].waiting.key not in self._waiting:
                heapq.heappop(self._line)
            due = max(self._line[0].due, self._back_off.until) if self._line else math.inf
            if due <= trio.current_time():
                return self._line[0].waiting
            with trio.move_on_at(due):
                await self._changed.wait()

    async def _send(self, waiting: Waiting) -> float | None:
        """Post a delivery; return when it is due again, None if it has ended."""
        body = await self._store.read(delivery_table.body, self._webhook, waiting.key)
        if body is None:
            del self._waiting[waiting.key]
            return None
        answer = await self._posts.post(Message(waiting.key, waiting.type, body), int(time.time()))
        now, spread = trio.current_time(), random.uniform(-1, 1)  # noqa: S311 - no secret
        waiting.attempts += 1
        self._back_off.note(now, spread, away=answer.away)
        ended = [waiting] if answer.accepted else self._too_old(waiting, answer, now)
        self._tell(answer, ended)
        await self._store_outcome(waiting, answer, ended)
        for one in ended:
            del self._waiting[one.key]
        return None if waiting in ended else now + pause_s(waiting.attempts, spread)

    def _too_old(self, tried: Waiting, answer: Answer, now: float) -> list[Waiting]:
        """The deliveries to give up after this one has failed: each that is too old if the receiver is away."""
        found = self._waiting.values() if answer.away else [tried]
        return [one for one in found if now - one.born >= RETRY_FOR_S]

    def _tell(self, answer: Answer, ended: Sequence[Waiting]) -> None:
        """Count the deliveries that have ended with this answer, and log what the operator may want to mend."""
        about = {"webhook": self._webhook, "reason": answer.said}
        if not answer.accepted and not self.figures.fault:  # once, not for each message that comes while it is away
            log.warning("a receiver does not take messages; they are tried again", **about)
        self.figures.fault = "" if answer.accepted else answer.said
        if answer.accepted:
            self.figures.delivered += 1
        elif ended:
            self.figures.given_up += len(ended)
            log.warning("deliveries are given up", number=len(ended), first=ended[0].key, **about)

    async def _store_outcome(self, tried: Waiting, answer: Answer, ended: Sequence[Waiting]) -> None:
        """Store what came of an attempt. Until that is on disk nothing else is sent: it would be sent twice."""
        status: DeliveryStatus = "delivered" if answer.accepted else "given_up"
        statements = [delivery_table.note_attempt(self._webhook, tried.key, utc_now(), answer.said)]
        statements += [delivery_table.end_delivery(self._webhook, one.key, status, answer.said) for one in ended]
        self._remembered += len(ended)
        if self._remembered >= FORGET_EVERY:
            self._remembered = 0
            statements.append(delivery_table.forget_old())
        await store_surely(self._store, *statements)
