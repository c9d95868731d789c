"""The tickets that pass through a job's pipeline: a frame's slot in the ring, and the results of the stages so far."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Protocol, Self

import attrs
import msgspec
import trio

from kinora.actors.found_events import FoundEvent, found_event
from kinora.actors.frames.job_ring import JobRing
from kinora.actors.models import FrameData, frame_id
from kinora.actors.times import arrival_text
from kinora.plugins.protocol import MAX_EVENTS, Event


class _WithDetections(msgspec.Struct):
    """The part of a result that is counted."""

    detections: list[msgspec.Raw] = []


_detections_in = msgspec.json.Decoder(_WithDetections).decode


@attrs.define(kw_only=True)
class FrameTicket:
    """One frame in the pipeline; only the stage that has received it uses it."""

    ring: JobRing
    """The ring that holds the frame; the next frame may be in another one."""
    slot: int
    index: int
    number: int = 0
    """Its place among the frames that the job processes, from 0, over all its pauses and servers."""
    timestamp_ms: float
    width: int
    height: int
    file: str | None = None
    """The name of its file, if the source is a folder."""
    received_s: float | None = None
    """When it came from its camera, by :func:`~kinora.media.arrival.clock_s`; None if the source is not live."""
    skipped: int = 0
    """The number of frames just before it that the decoder left out: of a live source, those it had no slot for."""
    decode_s: float = 0.0
    """The processor time of its decoder."""
    pictured: bool = False
    """True if a picture of it is being made for clients."""
    results: dict[str, bytes] = attrs.field(factory=dict)
    """Plugin → its result as JSON text."""
    errors: dict[str, str] = attrs.field(factory=dict)
    """Plugin → why it failed on the frame."""
    stored: Mapping[str, bytes] | None = None
    """The results of all plugins if an earlier pipeline has stored the frame; None for a new frame.

    It only passes so that plugins that remember see it again; what they say of it is not told.
    """
    marked: bool = False
    """True if each plugin's state after it is stored with it."""
    states: dict[str, bytes] = attrs.field(factory=dict)
    """Plugin → its state after this frame, if it is marked."""
    side_results: dict[str, bytes] = attrs.field(factory=dict)
    """Those of plugins at the side, which no other plugin sees: they may come at any time."""
    events: list[FoundEvent] = attrs.field(factory=list)
    """What its plugins say has happened on it, in the order of the stages."""
    is_done: bool = False
    """True once the frame has passed all stages: a result that comes later is not in its data."""
    queued_at: float = attrs.field(factory=trio.current_time)
    """The time since which it has waited for its stage, on Trio's clock."""

    @property
    def frame_id(self) -> str:
        """The name of the frame for clients."""
        return frame_id(self.index)

    @property
    def found(self) -> int:
        """The detections on the frame: those of the plugin that has the most, as others may have found the same."""
        return max(map(_count_detections, self._all_results.values()), default=0)

    def is_turn_of(self, every: int) -> bool:
        """Return whether a stage that works on every Nth frame works on this one."""
        return self.number % every == 0

    def add_event(self, plugin: str, event: Event) -> None:
        """Add an event of a plugin. One beyond ``MAX_EVENTS`` of it is left out: its process has warned of that."""
        if sum(earlier.plugin == plugin for earlier in self.events) < MAX_EVENTS:
            found = found_event(plugin, event)
            self.events.append(attrs.evolve(found, index=self.index, timestamp_ms=round(self.timestamp_ms, 1)))

    def forget_events(self, plugin: str) -> None:
        """Remove the events of a plugin, which is to process the frame again, or whose work on it does not count."""
        if self.events:
            self.events = [event for event in self.events if event.plugin != plugin]

    def share(self) -> None:
        """Add a user of the frame, who must release it as well."""
        self.ring.share(self.slot)

    def release(self) -> None:
        """Release one use of the frame; after the last one its slot is free."""
        self.ring.release(self.slot)

    def frame_data(self) -> FrameData:
        """Return the frame and its results as clients see them."""
        return FrameData(
            frame_id=self.frame_id,
            index=self.index,
            timestamp_ms=round(self.timestamp_ms, 1),
            width=self.width,
            height=self.height,
            file=self.file or msgspec.UNSET,
            received_at=msgspec.UNSET if self.received_s is None else arrival_text(self.received_s),
            results={plugin: msgspec.Raw(data) for plugin, data in self._all_results.items()},
            errors=self.errors or msgspec.UNSET,
        )

    @property
    def _all_results(self) -> dict[str, bytes]:
        return self.results | self.side_results if self.side_results else self.results


class Inbox(Protocol):
    """The receiving end of a channel of tickets, as a stage uses it; it is closed at the end of its block."""

    async def receive(self) -> FrameTicket:
        """Wait for the next ticket."""

    def receive_nowait(self) -> FrameTicket:
        """Return the next ticket if one waits."""

    def statistics(self) -> trio.MemoryChannelStatistics:
        """Say how many tickets wait."""

    def close(self) -> None:
        """Take no more."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def __aiter__(self) -> Self: ...

    async def __anext__(self) -> FrameTicket: ...


def _count_detections(result: bytes) -> int:
    """The number of entries in a result's ``detections``; 0 if it has no such list."""
    try:
        return len(_detections_in(result).detections)
    except msgspec.MsgspecError:
        return 0
