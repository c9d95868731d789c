"""Boxes that are turned about their centre, in the forms in which programs give them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from kinora.plugins.forms.values import finite_list

_CORNERS = tuple(f"{axis}{number}" for number in range(1, 5) for axis in "xy")
_LENGTH_OF_XYWHR = 5


def turned_box(entry: Mapping[str, Any]) -> dict[str, float] | None:
    """The box and angle of a detection that gives ``xywhr`` (radians) or four corners; None if it gives neither."""
    if numbers := finite_list(entry.get("xywhr"), _LENGTH_OF_XYWHR):
        return from_centre(*numbers)
    for place in (entry.get("xyxyxyxy"), _named(entry), _named(entry.get("box"))):
        if numbers := finite_list(_in_a_row(place), len(_CORNERS)):
            return from_corners(list(zip(numbers[::2], numbers[1::2], strict=True)))
    return None


def from_centre(x: float, y: float, width: float, height: float, radians: float) -> dict[str, float]:
    """The box and the angle of a box about a centre, turned clockwise by ``radians``."""
    box = {"x": x - width / 2, "y": y - height / 2, "width": width, "height": height}
    return {**box, "angle": round(math.degrees(radians), 3)}


def from_corners(corners: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The box and the angle of four corners in their order round a box."""
    (x0, y0), (x1, y1), (x2, y2), _ = corners
    x, y = (sum(axis) / len(corners) for axis in zip(*corners, strict=True))
    width, height = math.hypot(x1 - x0, y1 - y0), math.hypot(x2 - x1, y2 - y1)
    return from_centre(x, y, width, height, math.atan2(y1 - y0, x1 - x0))


def turned_corners(box: tuple[float, float, float, float], degrees: float) -> list[tuple[float, float]]:
    """The corners of a box, turned clockwise about its centre; the first is the upper left one before the turn."""
    left, top, width, height = box
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = left + width / 2, top + height / 2
    sides = ((-1, -1), (1, -1), (1, 1), (-1, 1))
    steps = [(side * width / 2, other * height / 2) for side, other in sides]
    return [(x + right * cos - down * sin, y + right * sin + down * cos) for right, down in steps]


def _named(entry: object) -> list[Any] | None:
    """The values of ``x1`` to ``y4``."""
    return [entry.get(key) for key in _CORNERS] if isinstance(entry, dict) else None


def _in_a_row(corners: object) -> object:
    """Corners as numbers in a row."""
    if isinstance(corners, list) and all(isinstance(corner, list) for corner in corners):
        return [number for corner in corners for number in corner]
    return corners
