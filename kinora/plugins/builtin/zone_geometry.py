"""Where points lie: inside a polygon or outside, and on which side of a line."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape (n, 2): x and y in pixels, origin top left."""


class Polygon:
    """A closed polygon; where its sides cross each other, the even-odd rule says what is inside."""

    def __init__(self, corners: Sequence[Sequence[float]]) -> None:
        """Each corner is x and y; there are at least three."""
        self._begin = np.asarray(corners, dtype=np.float64)
        self._end = np.roll(self._begin, -1, axis=0)

    def contains(self, points: Points) -> NDArray[np.bool_]:
        """True for each point that is inside."""
        x, y = points[:, :1], points[:, 1:]
        above = (self._begin[:, 1] > y) != (self._end[:, 1] > y)
        rise = self._end[:, 1] - self._begin[:, 1]
        slope = (self._end[:, 0] - self._begin[:, 0]) / np.where(rise == 0, 1.0, rise)
        left = x < self._begin[:, 0] + (y - self._begin[:, 1]) * slope
        odd: NDArray[np.bool_] = (above & left).sum(axis=1) % 2 == 1
        return odd


class Line:
    """A line from one point to another. A point is on its right, or on its left, as one looks along it."""

    def __init__(self, ends: Sequence[Sequence[float]]) -> None:
        """Each of the two ends is x and y."""
        self._begin, end = np.asarray(ends, dtype=np.float64)
        self._along = end - self._begin
        self._length = max(float(np.hypot(*self._along)), 1e-9)

    def offsets(self, points: Points) -> NDArray[np.float64]:
        """How far each point is from the endless line, in pixels: more than 0 on its right."""
        away = points - self._begin
        right: NDArray[np.float64] = (self._along[0] * away[:, 1] - self._along[1] * away[:, 0]) / self._length
        return right

    def is_crossed(self, before: Sequence[float], after: Sequence[float]) -> bool:
        """True if the straight way between two points on different sides leads between the two ends."""
        first, last = self.offsets(np.array([before, after]))
        share = first / (first - last)
        at = np.asarray(before) + share * (np.asarray(after) - np.asarray(before))
        place = float((at - self._begin) @ self._along) / self._length
        return 0.0 <= place <= self._length
