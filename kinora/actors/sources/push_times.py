"""The times of pushed pictures: those that their sender gives, or else those of their arrival."""

from __future__ import annotations

MAX_US = 2**62
"""Times are kept below this: it is 146,000 years."""


class PushTimes:
    """Puts pictures in their place in time, in microseconds on the server's clock, which never decreases.

    A sender's clock begins where it may; it counts from the arrival of its first picture. One that is set back goes on
    at the time of the picture before.
    """

    def __init__(self) -> None:
        self._last = 0
        self._shift: int | None = None

    def begin_anew(self) -> None:
        """Take up the clock of another sender."""
        self._shift = None

    def place(self, given_us: int | None, now_us: int) -> int:
        """Return the time of a picture that comes ``now_us``; ``given_us`` is its sender's time, if that gives one."""
        clock = now_us if given_us is None else given_us
        if self._shift is None:
            self._shift = max(now_us, self._last) - clock
        if clock + self._shift < self._last:
            self._shift = self._last - clock
        self._last = min(clock + self._shift, MAX_US)
        return self._last
