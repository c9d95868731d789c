"""Lines, polygons, points and classes in results, which can be any JSON; the web UI (draw/shapes.ts) reads alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import attrs

from kinora.plugins.forms.detections import LARGEST

Point = tuple[float, float]
LEAST_NUMBERS = 4
"""Two points, written as numbers in a row."""


@attrs.frozen
class Shape:
    """A line of two points or more, or a polygon."""

    points: list[Point]
    closed: bool
    """True of a polygon, which ends where it begins."""
    label: str


@attrs.frozen
class Spot:
    """A point."""

    place: Point
    label: str


@attrs.frozen
class PictureClass:
    """A class of the whole picture."""

    kind: str
    confidence: float | None


def all_shapes(results: Mapping[str, Any]) -> list[Shape]:
    """The ``lines`` and ``polygons`` of results.

    Each is ``[x1, y1, x2, y2, …]``, ``[[x, y], …]``, ``{x1, y1, x2, y2}`` or ``{points: […]}``, and may have a
    ``label`` if it is a dict.
    """
    return [
        Shape(points, closed, _label(entry))
        for result in results.values()
        for key, closed in (("lines", False), ("polygons", True))
        for entry in _list(result, key)
        if (points := _line(entry))
    ]


def all_spots(results: Mapping[str, Any]) -> list[Spot]:
    """The ``keypoints`` and ``points`` of results: ``[x, y]`` or ``{x, y}``, which may have a ``label``."""
    return [
        Spot(point, _label(entry))
        for result in results.values()
        for key in ("keypoints", "points")
        for entry in _list(result, key)
        if (point := _point(entry))
    ]


def all_classes(results: Mapping[str, Any]) -> list[PictureClass]:
    """The ``classes`` of results, in the order of each."""
    entries = [entry for result in results.values() for entry in _list(result, "classes") if isinstance(entry, dict)]
    return [
        PictureClass(kind, confidence if _is_number(confidence := entry.get("confidence")) else None)
        for entry in entries
        if isinstance(kind := entry.get("class"), str)
    ]


def _label(entry: object) -> str:
    label = entry.get("label") if isinstance(entry, dict) else None
    return label if isinstance(label, str) else ""


def _list(value: object, key: str) -> list[Any]:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


def _line(entry: object) -> list[Point] | None:
    match entry:
        case list() if len(entry) >= LEAST_NUMBERS and all(map(_is_number, entry)):
            return list(zip(entry[::2], entry[1::2], strict=False))
        case list():
            return _several(entry)
        case {"points": list(points)}:
            return _several(points)
        case {"x1": x1, "y1": y1, "x2": x2, "y2": y2}:
            return _several([[x1, y1], [x2, y2]])
        case _:
            return None


def _several(entries: Sequence[object]) -> list[Point] | None:
    """The points among these, if there are two at least."""
    points = [point for entry in entries if (point := _point(entry))]
    return points if len(points) > 1 else None


def _point(entry: object) -> Point | None:
    match entry:
        case [x, y, *_] | {"x": x, "y": y} if _is_number(x) and _is_number(y):
            return x, y
        case _:
            return None


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST
