"""Hands numbered events to many subscribers; the cost of publishing does not depend on their number."""

from __future__ import annotations

import secrets
import sys
import time
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

import attrs
import trio

from kinora.runtime.events.outbox import Event, Overflow
from kinora.runtime.events.replay_log import Lost, ReplayLog

__all__ = ["Batch", "Broadcast", "BroadcastStatistics", "Event", "Filter", "Lost", "Overflow"]

MAX_PENDING = 1_000
"""The most events that wait for the next scheduler pass; at this number ``publish`` itself delivers them."""
HOLD_S = 0.002
"""The longest time for which delivery to many subscribers keeps all other tasks waiting.

A small request needs about ten scheduler passes, and each may find delivery at work. Events that are published
meanwhile are delivered together, so a shorter time costs next to no throughput.
"""
_ENDED = sys.maxsize


@attrs.frozen(eq=False)
class Batch:
    """Events that are offered together; all subscribers with equal filters get the same object."""

    events: tuple[Event, ...]
    data: tuple[bytes, ...]
    """Their encoded form. One object per filter, so that a transport can frame it once for all."""


def batch_of(events: tuple[Event, ...]) -> Batch:
    """These events as one batch."""
    return Batch(events, tuple(event.data for event in events))


class Filter(Protocol):
    """Chooses a subscriber's events; subscribers with equal filters share the work."""

    def __hash__(self) -> int: ...

    def accepts(self, event: Event) -> bool:
        """True if the subscriber wants this event; has no side effects."""


Offer = Callable[[Batch], None]
"""Called with the new events, in order; must return at once and must not raise."""


@attrs.define(eq=False)
class Subscription:
    """One subscriber's place in the stream; made by :meth:`Broadcast.subscribe`."""

    offer: Offer
    wanted: Filter
    position: int
    """The number of events that were offered to it or published before it subscribed."""


@attrs.frozen
class BroadcastStatistics:
    """Figures of a broadcast."""

    published: int
    subscribers: int
    log_messages: int
    log_bytes: int


class Broadcast:
    """Numbers, encodes and keeps events, and offers them to subscribers, once for each scheduler pass.

    ``run`` makes the offers, so a subscriber cannot slow down a publisher.
    """

    def __init__(self, *, clock: Callable[[], float] = trio.current_time, log: ReplayLog | None = None) -> None:
        self.log = ReplayLog(secrets.token_hex(4)) if log is None else log
        """The events that can be replayed."""
        self._clock = clock
        self._groups: dict[Filter, dict[Subscription, None]] = {}
        self._pending: list[Event] = []
        self._handed_on = 0
        """The number of events before the pending ones."""
        self._published = trio.Event()

    @property
    def epoch(self) -> str:
        """The first part of every id; a new one each time the server starts."""
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
        """Make and keep the next event, with the data that ``encode`` returns for its id.

        Subscribers get it in the next scheduler pass.
        """
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
        """Offer data to present subscribers only: it has no number, is not kept, and may be dropped unreported."""
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
        if not self._groups and not self._pending:
            self._handed_on += 1  # there is nobody to offer it to, and so nothing to wake
            return
        self._pending.append(event)
        self._published.set()
        if len(self._pending) >= MAX_PENDING:
            self.deliver()

    def subscribe(self, offer: Offer, wanted: Filter, position: int | None = None) -> Subscription:
        """Offer all events published from now on that the filter accepts, until ``unsubscribe``.

        The events in the log at this moment and those offered later are together every event exactly once. With the
        ``position`` that another subscription has now, those are offered that it is still to be offered.
        """
        subscription = Subscription(offer, wanted, self._end if position is None else position)
        self._groups.setdefault(wanted, {})[subscription] = None
        return subscription

    def resume(self, subscription: Subscription) -> None:
        """Offer all events published from now on to one that had unsubscribed."""
        subscription.position = self._end
        self._groups.setdefault(subscription.wanted, {})[subscription] = None

    @property
    def _end(self) -> int:
        """The number of events so far, those without a number of their own included."""
        return self._handed_on + len(self._pending)

    def unsubscribe(self, subscription: Subscription) -> None:
        """Offer it no more events. A second call does nothing."""
        subscription.position = _ENDED
        group = self._groups.get(subscription.wanted, {})
        group.pop(subscription, None)
        if not group:
            self._groups.pop(subscription.wanted, None)

    def catch_up(self, subscription: Subscription) -> None:
        """Offer this subscriber at once the events that wait for the next scheduler pass."""
        waiting = self._pending[max(0, subscription.position - self._handed_on) :]
        if waiting:
            subscription.position = self._end
            self._offer(subscription, batch_of(tuple(filter(subscription.wanted.accepts, waiting))))

    def replay(self, event_id: str) -> list[Event | Lost]:
        """The events published after the one with this id; see :meth:`ReplayLog.since`."""
        return self.log.since(event_id)

    def forget(self, topic: Hashable) -> None:
        """Stop replaying the events of this topic; subscribers still get those on their way."""
        self.log.forget(topic)

    def deliver(self) -> None:
        """Offer all subscribers at once the events that wait for the next scheduler pass."""
        for _ in self._hand_on():
            pass

    def _hand_on(self) -> Iterator[None]:
        """Offer the pending events to one subscriber after the other, and yield after each.

        Meanwhile events may be published and subscribers may join or leave. A subscriber's position says which events
        it has had, so several of these iterators may be under way.
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
        """Deliver published events until cancelled; with many subscribers, other tasks get their turn in between."""
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
        """The present figures."""
        return BroadcastStatistics(
            published=self.log.last,
            subscribers=sum(map(len, self._groups.values())),
            log_messages=len(self.log),
            log_bytes=self.log.bytes,
        )
