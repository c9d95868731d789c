"""The clock by which pictures of live sources are said to have come. Light to import: both ends of a decoder use it."""

from __future__ import annotations

from kinora.runtime.clocks.boot_clock import boot_s

MOST_HELD = 64
"""The most packets whose pictures a decoder holds back. Of more, the oldest count as coming when they are decoded."""


def clock_s() -> float:
    """Seconds of a clock that all processes of the machine share; it is never set, and goes on in a suspended one."""
    return boot_s()


class Arrivals:
    """Remembers when packets came until their pictures are decoded, which may be in another order."""

    def __init__(self) -> None:
        self._came: dict[int, float] = {}

    def note(self, timestamp: int | None, came_s: float) -> None:
        """Note when the packet with this timestamp came."""
        if timestamp is not None:
            self._came[timestamp] = came_s
            if len(self._came) > MOST_HELD:
                del self._came[next(iter(self._came))]

    def take(self, timestamp: int | None) -> float:
        """Return when the packet of a decoded picture came; now if that is not known."""
        came_s = None if timestamp is None else self._came.pop(timestamp, None)
        return clock_s() if came_s is None else came_s
