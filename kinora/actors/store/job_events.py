"""JobEvents: numbers the events of a job, and says which of them it keeps."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import msgspec

from kinora.actors.found_events import FoundEvent
from kinora.actors.messages import EventPayload
from kinora.actors.models import frame_id

MAX_JOB_EVENTS = 100_000
"""The events that a job keeps. With further ones the oldest go, which a warning says; all are told as they happen."""
REMOVED_EVENTS = 1_000
"""The events that go at a time: a job has so many more than it keeps, at most."""


@attrs.frozen
class StoredEvent:
    """An event as it is stored."""

    number: int
    plugin: str
    kind: str
    data: bytes
    """The EventPayload as JSON text."""

    def suits(self, kind: str | None, plugin: str | None) -> bool:
        """Return whether it is of this kind and plugin; None stands for any."""
        return kind in {None, self.kind} and plugin in {None, self.plugin}


class JobEvents:
    """Numbers events from 1 on, in the order in which the job takes them.

    The events of frames are numbered in the order of the frames, and of the plugins in the job. So a job that goes on
    after its last stored frame gives the events of the next ones the same numbers as before.
    """

    def __init__(self, job_id: str, newest: int = 0) -> None:
        """``newest`` is the number of the last event that is stored."""
        self._job_id = job_id
        self.newest = newest
        """The number of the last event so far."""

    def numbered(self, found: Sequence[FoundEvent]) -> list[EventPayload]:
        """Return the messages for the next events. Changes nothing."""
        return [self._payload(number, event) for number, event in enumerate(found, self.newest + 1)]

    def note(self, events: Sequence[EventPayload]) -> bool:
        """Note that these events are accepted by the store; return whether older ones go for them."""
        if events:
            self.newest = events[-1].number
        return any(removed_with(event.number) > 0 for event in events)

    def _payload(self, number: int, event: FoundEvent) -> EventPayload:
        return EventPayload(
            job_id=self._job_id,
            number=number,
            plugin=event.plugin,
            kind=event.kind,
            message=event.message,
            data=msgspec.Raw(event.data),
            frame_id=None if event.index is None else frame_id(event.index),
            index=event.index,
            timestamp_ms=event.timestamp_ms,
        )


def removed_with(number: int) -> int:
    """Return the number of the last event that goes when the event with this number is stored; 0 if none does."""
    return max(0, number - MAX_JOB_EVENTS) if number % REMOVED_EVENTS == 0 else 0


def to_store(events: Sequence[EventPayload]) -> list[StoredEvent]:
    """Return what is stored of events."""
    return [StoredEvent(event.number, event.plugin, event.kind, msgspec.json.encode(event)) for event in events]
