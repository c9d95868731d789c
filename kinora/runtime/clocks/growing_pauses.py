"""Pauses between attempts at the same thing, each twice as long as the one before."""

from __future__ import annotations

import random
from collections.abc import Callable

JITTER = 0.2
"""The share by which a pause is longer or shorter at random, so that many do not try at the same moments."""


class GrowingPauses:
    """The length of each pause, in seconds; no clock, no waiting."""

    def __init__(
        self, first_s: float, longest_s: float, spread: Callable[[float, float], float] = random.uniform
    ) -> None:
        self._first_s = first_s
        self._longest_s = longest_s
        self._spread = spread
        self._next_s = first_s

    def next_s(self) -> float:
        """Return the length of the next pause."""
        pause = self._next_s
        self._next_s = min(2 * pause, self._longest_s)
        return pause * self._spread(1 - JITTER, 1 + JITTER)

    def reset(self) -> None:
        """Begin with the shortest one again, after an attempt has succeeded."""
        self._next_s = self._first_s
