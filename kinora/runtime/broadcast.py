"""Numbered events to many subscribers: publishing costs the same however many there are."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

import attrs
import trio

from kinora.runtime.outbox import Event, Overflow
from kinora.runtime.replay_log import Lost, ReplayLog

__all__ = ["Batch", "Broadcast", "BroadcastStatistics", "Event", "Filter", "Lost", "Overflow"]

MAX_PENDING = 1_000
"""Events published in one scheduler pass; beyond that, ``publish`` itself delivers them."""
HOLD_S = 0.01
"""How long handing on to many subscribers may keep all other tasks waiting."""
_ENDED = sys.maxsize


@attrs.frozen(eq=False)
class Batch:
    """Events that are offered together; all subscribers with equal filters get the same object."""

    events: tuple[Event, ...]
    data: tuple[bytes, ...]
    """Their encoded form. One object per filter, so what a transport makes of it can be made once."""


def batch_of(events: tuple[Event, ...]) -> Batch:
    """These events as one batch."""
    return Batch(events, tuple(event.data for event in events))


class Filter(Protocol):
    """Which events a subscriber wants; subscribers with equal filters share the work."""

    def __hash__(self) -> int: ...

    def accepts(self, event: Event) -> bool:
        """Whether this event is wanted; does nothing else."""


Offer = Callable[[Batch], None]
"""Called with what is new, in order; must return at once and must not raise."""


@attrs.define(eq=False)
class Subscription:
    """One subscriber's place in the stream; made by :meth:`Broadcast.subscribe`."""

    offer: Offer
    wanted: Filter
    position: int
    """How many of all events have been offered to it or were before its time."""


@attrs.frozen
class BroadcastStatistics:
    """How much goes through a broadcast."""

    published: int
    subscribers: int
    log_messages: int
    log_bytes: int


class Broadcast:
    """Numbers, encodes and keeps events, and hands them on to subscribers, once for each scheduler pass.

    ``run`` does the handing on, so nothing a subscriber does is felt by the one who publishes.
    """

    def __init__(self, *, clock: Callable[[], float] = trio.current_time, log: ReplayLog | None = None) -> None:
        self.log = ReplayLog(secrets.token_hex(4)) if log is None else log
        """What can be replayed."""
        self._clock = clock
        self._groups: dict[Filter, dict[Subscription, None]] = {}
        self._pending: list[Event] = []
        self._handed_on = 0
        """How many events there were before the pending ones."""
        self._published = trio.Event()

    @property
    def epoch(self) -> str:
        """The first part of every id; another one each time the server starts."""
        return self.log.epoch

    @property
    def last_id(self) -> str:
        """The id of the newest event; ``<epoch>-0`` before the first."""
        return self.log.id_of(self.log.last)

    def publish(
        self,
        encode: Callable[[str], bytes],
        *,
        overflow: Overflow = Overflow.KEPT,
        key: Hashable = None,
        topic: Hashable = None,
        source: object = None,
    ) -> Event:
        """Make the next event of what ``encode`` gives for its id, and keep it; subscribers get it in the next pass."""
        seq = self.log.last + 1
        event = Event(
            seq=seq,
            data=encode(self.log.id_of(seq)),
            overflow=overflow,
            key=key,
            topic=topic,
            source=source,
            time=self._clock(),
        )
        self.log.append(event)
        self._add(event)
        return event

    def show(self, data: bytes, *, key: Hashable, topic: Hashable, source: object) -> None:
        """Offer something to those who are there: it has no number, is not kept, and may be dropped without a word."""
        self._add(
            Event(
                seq=self.log.last,
                data=data,
                overflow=Overflow.REPLACED,
                key=key,
                topic=topic,
                source=source,
                time=self._clock(),
                numbered=False,
            )
        )

    def _add(self, event: Event) -> None:
        self._pending.append(event)
        self._published.set()
        if len(self._pending) >= MAX_PENDING:
            self.deliver()

    def subscribe(self, offer: Offer, wanted: Filter) -> Subscription:
        """Offer everything published from now on that the filter accepts, until ``unsubscribe``.

        What the log holds at this moment and what is offered later are, together, every event exactly once.
        """
        subscription = Subscription(offer, wanted, self._handed_on + len(self._pending))
        self._groups.setdefault(wanted, {})[subscription] = None
        return subscription

    def unsubscribe(self, subscription: Subscription) -> None:
        """Offer it nothing more; does nothing the second time."""
        subscription.position = _ENDED
        group = self._groups.get(subscription.wanted, {})
        group.pop(subscription, None)
        if not group:
            self._groups.pop(subscription.wanted, None)

    def catch_up(self, subscription: Subscription) -> None:
        """Offer now to this subscriber what waits for the end of the scheduler pass."""
        waiting = self._pending[max(0, subscription.position - self._handed_on) :]
        if waiting:
            subscription.position = self._handed_on + len(self._pending)
            self._offer(subscription, batch_of(tuple(filter(subscription.wanted.accepts, waiting))))

    def replay(self, event_id: str) -> list[Event | Lost] | None:
        """What was published after the event with this id; None if no event can have had it."""
        return self.log.since(event_id)

    def forget(self, topic: Hashable) -> None:
        """Replay no event of this topic any more; those who listen still get what is on its way."""
        self.log.forget(topic)

    def deliver(self) -> None:
        """Hand on now to everybody what waits for the end of the scheduler pass."""
        for _ in self._hand_on():
            pass

    def _hand_on(self) -> Iterator[None]:
        """Offer what is pending to one subscriber after the other, whatever else is published, joins or leaves between.

        Each position says what that subscriber has had, so any number of these may be under way.
        """
        begin, events = self._handed_on, tuple(self._pending)
        end = begin + len(events)
        for wanted, group in tuple(self._groups.items()):
            batch = batch_of(tuple(filter(wanted.accepts, events)))
            for subscription in tuple(group):
                if subscription.position == begin:
                    subscription.position = end
                    self._offer(subscription, batch)
                elif subscription.position < end:
                    self.catch_up(subscription)
                yield
        if self._handed_on < end:
            del self._pending[: end - self._handed_on]
            self._handed_on = end

    @staticmethod
    def _offer(subscription: Subscription, batch: Batch) -> None:
        if batch.events:
            subscription.offer(batch)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hand on what is published until cancelled; others get their turn however many subscribers there are."""
        task_status.started()
        while True:
            await self._published.wait()
            self._published = trio.Event()
            breath = time.perf_counter() + HOLD_S
            for _ in self._hand_on():
                if time.perf_counter() > breath:
                    await trio.lowlevel.checkpoint()
                    breath = time.perf_counter() + HOLD_S

    def statistics(self) -> BroadcastStatistics:
        """Figures of this moment."""
        return BroadcastStatistics(
            published=self.log.last,
            subscribers=sum(map(len, self._groups.values())),
            log_messages=len(self.log),
            log_bytes=self.log.bytes,
        )
