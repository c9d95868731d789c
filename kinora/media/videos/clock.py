"""The times at which the pictures of a video are shown."""

from __future__ import annotations

import time

JUMP_MS = 10_000.0
"""A stream whose timestamps go on by this much more than the time that has passed had its clock set anew."""
SET_BACK_MS = 100.0
"""A stream that is stored in order, and steps back by more than this, had its clock set anew, as FFmpeg has it."""


class Clock:
    """Turns a stream's timestamps into milliseconds since its first picture; they never decrease."""

    def __init__(self, first_pts: int | None, ms_per_tick: float, frame_ms: float, *, may_jump: bool = False) -> None:
        """``may_jump``: the clock may be set anew to a later time in the middle of the stream."""
        self._zero = first_pts
        self._ms_per_tick = ms_per_tick
        self._frame_ms = frame_ms
        self._may_jump = may_jump
        self.was_set_anew = False
        """True once the clock was set anew: a stated length does not count in it."""
        self._last: float | None = None
        self._last_dts: int | None = None
        self._last_s: float | None = None
        """When the last picture was read; None if that is not told."""
        self._fell = False
        """True if the clock was set back for pictures that are yet to be shown."""
        self._shift = 0.0

    def read(self, pts: int | None, dts: int | None = None, *, now_s: float | None = None) -> float:
        """The next picture's time; if its timestamp is missing or its clock was set anew, one frame after the last.

        ``dts`` is the time at which it is decoded, which only falls where the clock was set back: without it, each
        step back counts as that. ``now_s`` is when it is read, of a live stream: between two pictures of a slow camera
        the clock may step on by as much as has passed.
        """
        passed_ms = 0.0 if now_s is None or self._last_s is None else (now_s - self._last_s) * 1000
        self._last_s = now_s
        follows = 0.0 if self._last is None else self._last + self._frame_ms
        if self._zero is None:
            self._zero = pts
        if pts is None or self._zero is None:
            time = follows
        else:
            time = (pts - self._zero) * self._ms_per_tick + self._shift
            if self._set_anew(time, dts, passed_ms):
                self.was_set_anew = True
                self._shift += follows - time
                time = follows
        self._last = time = max(time, self._last or 0.0)
        return round(time, 3)

    def _set_anew(self, time: float, dts: int | None, passed_ms: float) -> bool:
        knows_dts = dts is not None and self._last_dts is not None
        if dts is not None and self._last_dts is not None:
            self._fell |= (dts - self._last_dts) * self._ms_per_tick < -SET_BACK_MS
        self._last_dts = dts
        step = time - (self._last or 0.0)
        if step >= 0:
            return self._may_jump and self._last is not None and step > passed_ms + JUMP_MS
        fell, self._fell = self._fell, False
        return fell or not knows_dts


class ArrivalClock:
    """Times pictures without timestamps, such as a camera's: milliseconds since the first one arrived."""

    def __init__(self) -> None:
        self._zero: float | None = None

    def read(self, _pts: int | None) -> float:
        """The time of the picture that has just arrived."""
        now = time.monotonic()
        if self._zero is None:
            self._zero = now
        return round((now - self._zero) * 1000, 3)
