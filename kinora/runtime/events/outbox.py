"""The queue of events for one subscriber, and the choice of those to drop when it is too long."""

from __future__ import annotations

import enum
import heapq
from collections.abc import Hashable

import attrs
import msgspec

MAX_MESSAGES = 1_000
MAX_BYTES = 8 * 2**20


class Overflow(enum.Enum):
    """The treatment of an event if its subscriber is too slow."""

    KEPT = "kept"
    """Never dropped."""
    REPLACED = "replaced"
    """Dropped first, oldest first, if a newer one of the same key replaces it; dropped last of all if none does."""
    LATEST = "latest"
    """Dropped second, oldest first, but never the latest of its key."""


class Event(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """One message to all subscribers, numbered and encoded once."""

    seq: int
    """Grows by one with each published event; an event made for one subscriber repeats the newest."""
    data: bytes
    overflow: Overflow = Overflow.KEPT
    key: Hashable = None
    """Events of the same key replace each other."""
    topic: Hashable = None
    """Its subject; a topic can be forgotten as a whole."""
    source: object = None
    """The object that filters look at."""
    time: float = 0.0
    """The time of publishing, in seconds of the publisher's clock."""
    numbered: bool = True
    """True if it has a number of its own; only then is it reported if it is dropped."""


@attrs.frozen
class Dropped:
    """The events dropped since the last ``take``: ``count`` events numbered from ``first`` to ``last``."""

    first: int
    last: int
    count: int


@attrs.frozen
class Taken:
    """Events in the order of their arrival, and those dropped before them or among them."""

    events: tuple[Event, ...]
    dropped: Dropped | None


class OutboxFull(Exception):
    """Events that must not be dropped fill the outbox: its subscriber must be given up."""


class Outbox:
    """A queue with limits in messages and in bytes that drops the events that are missed least.

    Nothing is dropped before a limit is passed. It is synchronous: its purpose is that no publisher waits for room.
    """

    def __init__(self, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.bytes = 0
        """The size of the waiting events."""
        self._kept = 0
        self._kept_bytes = 0
        """The number and the size of those that are never dropped."""
        self._next = 0
        self._events: dict[int, Event] = {}
        """By number of entry, in the order of arrival; ``seq`` is not unique, for session-only events repeat one."""
        self._newest: dict[Overflow, dict[Hashable, int]] = {Overflow.REPLACED: {}, Overflow.LATEST: {}}
        """Per key the number of its latest entry, in the order of arrival."""
        self._outdated: dict[Overflow, list[int]] = {Overflow.REPLACED: [], Overflow.LATEST: []}
        """Heaps of the numbers of entries that a newer one replaces."""
        self._dropped: Dropped | None = None

    def __len__(self) -> int:
        return len(self._events)

    def put(self, event: Event) -> None:
        """Append an event, and drop events while a limit is passed, at worst the new one itself.

        Raises:
            OutboxFull: no event may be dropped; the new one was not appended.
        """
        number = self._next
        self._next += 1
        self._events[number] = event
        self.bytes += len(event.data)
        if event.overflow is Overflow.KEPT:
            self._kept += 1
            self._kept_bytes += len(event.data)
        else:
            newest = self._newest[event.overflow]
            if (before := newest.pop(event.key, None)) is not None:
                heapq.heappush(self._outdated[event.overflow], before)
            newest[event.key] = number
        while len(self._events) > self.max_messages or self.bytes > self.max_bytes:
            self._drop_one(number)

    def put_all(self, waiting: Taken) -> None:
        """Append the events of another outbox, and report also what that one had dropped.

        Raises:
            OutboxFull: as by ``put``; the events from that one on were not appended.
        """
        self._dropped = _together(self._dropped, waiting.dropped)
        for event in waiting.events:
            self.put(event)

    def waiting(self) -> Taken:
        """All events, and those dropped; both stay."""
        return Taken(tuple(self._events.values()), self._dropped)

    def is_full_with(self, other: Outbox) -> bool:
        """True if the events of both that are never dropped would fill more than this one."""
        messages, size = self._kept + other._kept, self._kept_bytes + other._kept_bytes
        return messages > self.max_messages or size > self.max_bytes

    def take(self, max_bytes: int) -> Taken:
        """Take the oldest events, up to ``max_bytes`` together but at least one if any wait, and report the dropped."""
        size = 0
        taken: dict[int, Event] = {}
        for number, event in self._events.items():
            size += len(event.data)
            if taken and size > max_bytes:
                break
            taken[number] = event
        for number in taken:
            self._remove(number)
        if not self._events:
            self._events.clear()  # an emptied dict keeps its memory until then
        for outdated in self._outdated.values():
            while outdated and outdated[0] not in self._events:
                heapq.heappop(outdated)
        dropped, self._dropped = self._dropped, None
        return Taken(tuple(taken.values()), dropped)

    def _drop_one(self, newcomer: int) -> None:
        number = self._droppable()
        if number is None:
            self._remove(newcomer)
            raise OutboxFull
        event = self._remove(number)
        if event.numbered:
            self._dropped = _together(self._dropped, Dropped(event.seq, event.seq, 1))

    def _droppable(self) -> int | None:
        """The number of the entry that is missed least; None if none may be dropped."""
        for outdated in self._outdated.values():
            if outdated:
                return heapq.heappop(outdated)
        return next(iter(self._newest[Overflow.REPLACED].values()), None)

    def _remove(self, number: int) -> Event:
        event = self._events.pop(number)
        self.bytes -= len(event.data)
        if event.overflow is Overflow.KEPT:
            self._kept -= 1
            self._kept_bytes -= len(event.data)
        elif self._newest[event.overflow].get(event.key) == number:
            del self._newest[event.overflow][event.key]
        return event


def _together(one: Dropped | None, other: Dropped | None) -> Dropped | None:
    """Both as one range."""
    if one is None or other is None:
        return one or other
    return Dropped(min(one.first, other.first), max(one.last, other.last), one.count + other.count)
