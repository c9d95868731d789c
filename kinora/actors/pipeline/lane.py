"""Lane: one of the pipelines that share the segments of a file, and what it has told before its turn."""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from collections.abc import Iterator, Sequence

import trio

from kinora.actors.messages import FramePayload
from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    AnyPipeline,
    CommandQueue,
    Event,
    FrameDone,
    LastEvent,
)
from kinora.media.messages import Span

HELD_BYTES = 32 * 2**20
"""The most bytes of results that all lanes of a job hold until their turn comes. A lane that has its share of them
waits, back to its decoder; the one whose turn it is never waits."""
_BESIDE_BYTES = 500
"""What a held event needs beside its result, about."""

OfFrame = FramePayload | FrameDone


class Lane:
    """Runs one pipeline, and holds what it tells of each segment until that is taken."""

    def __init__(self, pipeline: AnyPipeline, spans: Sequence[Span], share_bytes: int) -> None:
        """``spans`` are the segments that the pipeline reads; ``share_bytes`` is what it may hold."""
        self.commands = CommandQueue()
        self.seen = pipeline.state()
        """The newest state of the pipeline."""
        self.ended: LastEvent | None = None
        """The pipeline's last event, once it has come."""
        self._pipeline = pipeline
        self._starts = [start for start, _ in spans]
        self._share_bytes = share_bytes
        self._bytes = 0
        self._held: list[deque[OfFrame]] = [deque() for _ in spans]
        self.has_turn = False
        """True while its segment is the one whose frames are told; see :meth:`set_turn`."""
        self._given_up = False
        self._changed = trio.Event()
        self._tell, self.events = trio.open_memory_channel[Event](EVENTS_WAITING)

    async def run(self) -> None:
        """Run the pipeline; what it tells comes out of :attr:`events`, which end with it."""
        await self._pipeline.run(self._tell, self.commands)

    async def hold(self, event: OfFrame) -> None:
        """Hold an event of a frame; wait while the lane holds its share, unless it has its turn."""
        while self._bytes >= self._share_bytes and not (self.has_turn or self._given_up):
            await self.wait_changed()
        if not self._given_up:
            self._held[self._segment_of(event.index)].append(event)
            self._bytes += _bytes_of(event)
            self._note_change()

    def take(self, segment: int) -> Iterator[OfFrame]:
        """Yield what is held of a segment, by its number among those of this lane, and hold it no longer."""
        held = self._held[segment]
        while held:
            event = held.popleft()
            self._bytes -= _bytes_of(event)
            yield event
        self._note_change()

    def set_turn(self, *, has_turn: bool) -> None:
        """Let the lane go on without waiting while what it tells is taken at once, or wait again."""
        self.has_turn = has_turn
        self._note_change()

    def end(self, ended: LastEvent) -> None:
        """Note the pipeline's last event."""
        self.ended = ended
        self._note_change()

    def give_up(self) -> None:
        """Hold nothing any more: what it tells of frames is dropped."""
        self._given_up = True
        self._note_change()

    async def wait_changed(self) -> None:
        """Wait until it holds more, has another turn, or has ended."""
        await self._changed.wait()

    def _segment_of(self, index: int) -> int:
        return max(0, bisect_right(self._starts, index) - 1)

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _bytes_of(event: OfFrame) -> int:
    size = len(event.data) + _BESIDE_BYTES
    if isinstance(event, FrameDone):
        size += sum(_BESIDE_BYTES + len(found.data) for found in event.events)
    return size
