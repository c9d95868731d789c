"""Counts durations by their length, cheaply enough to do so for every frame in every stage."""

from __future__ import annotations

import math
from bisect import bisect_left
from itertools import accumulate

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""The upper bounds of the buckets, each included; the last bucket has no bound."""


class Histogram:
    """The durations so far: how many went into each bucket of ``SECONDS``, and their sum in seconds."""

    __slots__ = ("_counts", "sum")

    def __init__(self) -> None:
        self.sum = 0.0
        self._counts = [0] * (len(SECONDS) + 1)

    def add(self, seconds: float) -> None:
        """Count one duration. One that is negative or not finite, as a plugin's process may claim, counts as 0."""
        if not 0.0 <= seconds < math.inf:
            seconds = 0.0
        self._counts[bisect_left(SECONDS, seconds)] += 1
        self.sum += seconds

    def include(self, other: Histogram) -> None:
        """Count all durations of another one as well."""
        self._counts = [own + others for own, others in zip(self._counts, other._counts, strict=True)]
        self.sum += other.sum

    @property
    def count(self) -> int:
        """The number of durations."""
        return sum(self._counts)

    def cumulative(self) -> list[int]:
        """The number of durations up to each bound, and at last of all of them."""
        return list(accumulate(self._counts))
