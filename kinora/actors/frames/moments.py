"""When a stored frame was."""

from __future__ import annotations

import msgspec

from kinora.actors.frames.live_count import Moment
from kinora.actors.times import arrival_of
from kinora.media.arrival import clock_s


class _Shown(msgspec.Struct):
    """The part of a FrameData that says when it was."""

    timestamp_ms: float = 0.0
    received_at: str | None = None


def moment_of(data: bytes) -> Moment:
    """Return when a frame was shown and when it came: now, if an earlier version has stored it. ``data`` is JSON."""
    frame = msgspec.json.decode(data, type=_Shown)
    return Moment(frame.timestamp_ms, clock_s() if frame.received_at is None else arrival_of(frame.received_at))
