"""What goes through a job's pipeline: a frame's place in the ring, and what the stages have found on it so far."""

from __future__ import annotations

import attrs
import msgspec
import trio

from kinora.actors.models import FrameData, frame_id

STAGE_QUEUE_FRAMES = 1
"""Frames that wait in front of a stage. When it is full the stage before waits, and so back to the decoder."""


@attrs.define(kw_only=True)
class FrameTicket:
    """One frame on its way; whoever has received it is the only one to touch it."""

    slot: int
    index: int
    timestamp_ms: float
    width: int
    height: int
    pictured: bool = False
    """Whether a picture of it is being made for those who watch."""
    results: dict[str, bytes] = attrs.field(factory=dict)
    """Plugin → its result as JSON text."""
    queued_at: float = attrs.field(factory=trio.current_time)
    """When it was put in front of the stage it waits for, on Trio's clock."""

    @property
    def frame_id(self) -> str:
        """The frame's public name."""
        return frame_id(self.index)

    def frame_data(self) -> FrameData:
        """What the job says of this frame."""
        return FrameData(
            frame_id=self.frame_id,
            index=self.index,
            timestamp_ms=round(self.timestamp_ms, 1),
            width=self.width,
            height=self.height,
            results={plugin: msgspec.Raw(data) for plugin, data in self.results.items()},
        )
