"""The times at which the pictures of a video are shown."""

from __future__ import annotations

import time


class Clock:
    """Turns a stream's timestamps into milliseconds since its first picture; they never decrease."""

    def __init__(self, first_pts: int | None, ms_per_tick: float, frame_ms: float) -> None:
        self._zero = first_pts
        self._ms_per_tick = ms_per_tick
        self._frame_ms = frame_ms
        self._last: float | None = None
        self._shift = 0.0

    def read(self, pts: int | None) -> float:
        """The next picture's time; if its timestamp is missing or jumps back, one frame after the last."""
        follows = 0.0 if self._last is None else self._last + self._frame_ms
        if self._zero is None:
            self._zero = pts
        if pts is None or self._zero is None:
            time = follows
        else:
            time = (pts - self._zero) * self._ms_per_tick + self._shift
            if time < (self._last or 0.0):
                self._shift += follows - time
                time = follows
        self._last = time
        return round(time, 3)


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
