"""The access units between the thread that reads a camera and the one that decodes them."""

from __future__ import annotations

import threading
import time
from collections import deque

import attrs

from kinora.media.rtsp.units import Unit

BEHIND_S = 0.25
"""The age of the oldest unit from which on all before a key frame that comes are let go, if only the newest counts."""
MAX_BYTES = 64 * 2**20
"""The bytes that wait; beyond it all are let go, and those that come up to a key frame."""
MAX_UNITS = 2048
"""The number that wait; beyond it the same."""


@attrs.frozen
class _Waiting:
    unit: Unit
    came_at: float


class Backlog:
    """Holds units until they are decoded, so that the camera is always read. A slow decoder loses some, and no order.

    What is let go begins and ends at key frames, so what is decoded is whole.
    """

    def __init__(self) -> None:
        self._waiting = deque[_Waiting]()
        self._bytes = 0
        self._let_go = 0
        """Units since the last that was taken."""
        self._waits_for_key = False
        self._only_newest = False
        self._end: Exception | None = None
        self._changed = threading.Condition()

    def let_go_old(self) -> None:
        """Keep what is decoded near the present from now on: pictures between are not missed."""
        with self._changed:
            self._only_newest = True

    def put(self, unit: Unit) -> None:
        """Add a unit."""
        now = time.monotonic()
        with self._changed:
            if self._waits_for_key and not unit.is_key:
                self._let_go += 1
                return
            self._waits_for_key = False
            self._waiting.append(_Waiting(unit, now))
            self._bytes += len(unit.data)
            if self._only_newest and unit.is_key and now - self._waiting[0].came_at > BEHIND_S:
                self._drop(len(self._waiting) - 1)
            elif self._bytes > MAX_BYTES or len(self._waiting) > MAX_UNITS:
                self._drop(len(self._waiting))
                self._waits_for_key = True
            self._changed.notify_all()

    def end(self, error: Exception) -> None:
        """Have ``error`` raised behind the last unit; the first call counts."""
        with self._changed:
            self._end = self._end or error
            self._changed.notify_all()

    def take(self, deadline: float) -> tuple[Unit, int] | None:
        """Wait for the next unit, and return it with the number of those let go before it; None after ``deadline``.

        Raises:
            Exception: the one given to :meth:`end`.
        """
        with self._changed:
            while not self._waiting:
                if self._end is not None:
                    raise self._end
                if not self._changed.wait(deadline - time.monotonic()):
                    return None
            let_go, self._let_go = self._let_go, 0
            unit = self._waiting.popleft().unit
            self._bytes -= len(unit.data)
            return (attrs.evolve(unit, after_gap=True) if let_go else unit), let_go

    def _drop(self, count: int) -> None:
        for _ in range(count):
            self._bytes -= len(self._waiting.popleft().unit.data)
        self._let_go += count
