"""What zones and lines count: things that came in and went out, by class, and how long they stayed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import msgspec

MAX_CLASSES = 100
"""The classes that a zone or a line counts apart; those that come after them count as ``OTHER``."""
OTHER = "other"


class Dwell(msgspec.Struct, array_like=True):
    """The times that things of one class have stayed in a zone."""

    count: int = 0
    total_ms: float = 0.0
    longest_ms: float = 0.0

    def add(self, dwell_ms: float) -> None:
        """Count one stay."""
        self.count += 1
        self.total_ms += dwell_ms
        self.longest_ms = max(self.longest_ms, dwell_ms)

    def as_json(self) -> dict[str, Any]:
        """The number of stays, and the mean and the longest in milliseconds."""
        mean = self.total_ms / self.count if self.count else 0.0
        return {"count": self.count, "mean_ms": round(mean, 1), "max_ms": round(self.longest_ms, 1)}


class ZoneCounts(msgspec.Struct, array_like=True):
    """The sums of a zone, by class."""

    entered: dict[str, int] = {}
    left: dict[str, int] = {}
    dwell: dict[str, Dwell] = {}

    def enter(self, kind: str) -> None:
        """Count a thing that has come in."""
        _count(self.entered, kind)

    def leave(self, kind: str, dwell_ms: float) -> None:
        """Count a thing that has gone, after so many milliseconds."""
        kind = _count(self.left, kind)
        self.dwell.setdefault(kind, Dwell()).add(dwell_ms)

    def as_json(self, inside: Counter[str]) -> dict[str, Any]:
        """All sums, with those that are inside now."""
        dwell = {kind: sums.as_json() for kind, sums in self.dwell.items()}
        return {"entered": self.entered, "left": self.left, "inside": dict(inside), "dwell": dwell}


class LineCounts(msgspec.Struct, array_like=True):
    """The crossings of a line, by class."""

    into: dict[str, int] = {}
    out: dict[str, int] = {}

    def cross(self, direction: str, kind: str) -> None:
        """Count a thing that has crossed: ``in`` or ``out``."""
        _count(self.into if direction == "in" else self.out, kind)

    def as_json(self) -> dict[str, Any]:
        """Both sums."""
        return {"in": self.into, "out": self.out}


def _count(sums: dict[str, int], kind: str) -> str:
    """Count one more of a class, and return the class that it counts as."""
    if kind not in sums and len(sums) >= MAX_CLASSES:
        kind = OTHER
    sums[kind] = sums.get(kind, 0) + 1
    return kind
