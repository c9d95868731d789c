"""Says when a receiver that is away is tried again: more and more seldom."""

from __future__ import annotations

import math

FIRST_PAUSE_S = 1.0
"""The pause after the first failed attempt; each further one is twice as long."""
LONGEST_PAUSE_S = 300.0
"""The pause after many failed attempts."""
PAUSE_SPREAD = 0.2
"""The part of a pause by which it is shorter or longer by chance."""


def pause_s(failures: int, spread: float) -> float:
    """The pause after so many failed attempts in a row; ``spread`` is between -1 and 1."""
    usual = min(FIRST_PAUSE_S * 2.0 ** min(failures - 1, 30), LONGEST_PAUSE_S)
    return usual * (1 + PAUSE_SPREAD * spread)


class BackOff:
    """The pauses of one receiver. While it is away it is asked with one delivery at a time, not flooded with all."""

    def __init__(self) -> None:
        self.until = -math.inf
        """Nothing is sent before this time."""
        self._failures = 0
        self._tried = -math.inf

    def note(self, now: float, spread: float, *, away: bool) -> None:
        """Note that an attempt has ended, and whether the receiver was away; ``spread`` as in :func:`pause_s`."""
        self._tried = now
        self._failures = self._failures + 1 if away else 0
        self.until = now + pause_s(self._failures, spread) if away else now

    def hurry(self) -> None:
        """Let the receiver be asked ``FIRST_PAUSE_S`` after the last attempt: a new message must not wait for long."""
        self.until = min(self.until, self._tried + FIRST_PAUSE_S)
