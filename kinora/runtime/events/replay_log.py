"""The newest events, kept for subscribers that come back and ask for those that they missed."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Hashable
from itertools import islice
from typing import Literal

import attrs

from kinora.runtime.events.outbox import Event

MAX_MESSAGES = 20_000
MAX_BYTES = 32 * 2**20

ID_PATTERN = re.compile(r"([0-9a-z]{1,32})-(\d{1,18})", re.ASCII)
UNKNOWN_ID = "unknown-0"
"""Stands for an id that no event can have had: it is of no epoch."""


@attrs.frozen
class Lost:
    """A range of events, both ends included, of which some cannot be replayed any more."""

    first: str
    last: str
    reason: Literal["expired", "restarted", "deleted"]
    topic: Hashable = None
    """The topic of the lost events, if they have one in common; the range's other events are still there."""


class ReplayLog:
    """The newest events of one epoch, up to a number and a size in bytes; beyond that the oldest are removed.

    An event's id is ``<epoch>-<seq>``. Events of a forgotten topic keep their place but are never replayed again.
    """

    def __init__(self, epoch: str, max_messages: int = MAX_MESSAGES, max_bytes: int = MAX_BYTES) -> None:
        self.epoch = epoch
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.bytes = 0
        """The size of the kept events."""
        self.last = 0
        """The number of the newest event."""
        self._events: deque[Event] = deque()
        self._forgotten: dict[Hashable, int] = {}
        """Per topic the number up to which its events are forgotten, in increasing order."""

    def __len__(self) -> int:
        return len(self._events)

    def id_of(self, seq: int) -> str:
        """The id of the event with this number."""
        return f"{self.epoch}-{seq}"

    def append(self, event: Event) -> None:
        """Keep the next event, whose number is one more than the last one's."""
        self._events.append(event)
        self.last = event.seq
        self.bytes += len(event.data)
        while len(self._events) > self.max_messages or self.bytes > self.max_bytes:
            self.bytes -= len(self._events.popleft().data)
        while self._forgotten and next(iter(self._forgotten.values())) < self._first:
            del self._forgotten[next(iter(self._forgotten))]

    def possible(self, event_id: str) -> str:
        """Return ``event_id`` if an event of this or another epoch can have had it, else ``UNKNOWN_ID``."""
        match = ID_PATTERN.fullmatch(event_id)
        if match is None or (match[1] == self.epoch and int(match[2]) > self.last):
            return UNKNOWN_ID
        return event_id

    def since(self, event_id: str) -> list[Event | Lost]:
        """All events after the one with this id, in order; a lost range stands where it begins.

        All are lost after an id of another epoch, and after one that no event can have had.
        """
        epoch, _, number = self.possible(event_id).partition("-")
        if epoch != self.epoch:
            return [Lost(f"{epoch}-{int(number) + 1}", self.id_of(self.last), "restarted")]
        return self._after(int(number))

    def forget(self, topic: Hashable) -> None:
        """Stop replaying the events that this topic has so far; one lost range stands for them."""
        self._forgotten.pop(topic, None)
        self._forgotten[topic] = self.last

    @property
    def _first(self) -> int:
        """The number of the oldest kept event."""
        return self.last - len(self._events) + 1

    def _after(self, seq: int) -> list[Event | Lost]:
        missed = list(islice(self._events, max(0, seq + 1 - self._first), None))
        found: list[Event | Lost] = []
        if seq + 1 < self._first:
            found.append(Lost(self.id_of(seq + 1), self.id_of(self._first - 1), "expired"))
        forgotten = self._forgotten
        ends = {event.topic: event.seq for event in missed if event.seq <= forgotten.get(event.topic, 0)}
        for event in missed:
            if event.seq > forgotten.get(event.topic, 0):
                found.append(event)
            elif (end := ends.pop(event.topic, None)) is not None:
                found.append(Lost(self.id_of(event.seq), self.id_of(end), "deleted", event.topic))
        return found
