"""Which frames of a job are marked: the states of its plugins are stored with these."""

from __future__ import annotations

MARK_EVERY_S = 5.0
"""The time between two marked frames: after a restart the plugins that remember see the frames of this time again."""
STORED_BYTES_S = 2**20
"""The bytes of states that a job may store each second: larger states are stored less often, and as large as ever."""


class Marks:
    """Marks the first frame, and then one after each interval. A plain decision, without a clock of its own."""

    def __init__(self) -> None:
        self._marked_at: float | None = None
        self._every_s = MARK_EVERY_S

    def due(self, now: float) -> bool:
        """Return whether a frame that comes now, in seconds, is to be marked; if so, it counts as marked."""
        if self._marked_at is not None and now - self._marked_at < self._every_s:
            return False
        self._marked_at = now
        return True

    def note_stored(self, size: int) -> None:
        """Note how many bytes the states of a marked frame have."""
        self._every_s = max(MARK_EVERY_S, size / STORED_BYTES_S)
