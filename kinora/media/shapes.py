"""The lines and points in plugins' results, which can be any JSON. The web UI reads them alike (draw/detections.ts)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeGuard

from kinora.plugins.detections import LARGEST

Point = tuple[float, float]
LEAST_NUMBERS = 4
"""Two points, written as numbers in a row."""


def all_lines(results: Mapping[str, Any]) -> list[list[Point]]:
    """Polylines of two points or more; a polygon ends where it begins.

    ``lines`` of a result has ``[x1, y1, x2, y2, …]``, ``[[x, y], …]``, ``{x1, y1, x2, y2}`` or ``{points: […]}``;
    ``polygons`` the same.
    """
    listed = [line for result in results.values() for entry in _list(result, "lines") if (line := _line(entry))]
    polygons = [line for result in results.values() for entry in _list(result, "polygons") if (line := _line(entry))]
    return [*listed, *([*polygon, polygon[0]] for polygon in polygons)]


def all_points(results: Mapping[str, Any]) -> list[Point]:
    """The ``keypoints`` of results and of their detections, and the ``points`` of results: ``[x, y]`` or ``{x, y}``."""
    return [point for result in results.values() for entry in _points_of(result) if (point := _point(entry))]


def _points_of(result: object) -> Iterator[object]:
    yield from _list(result, "keypoints")
    yield from _list(result, "points")
    for detection in _list(result, "detections"):
        yield from _list(detection, "keypoints")


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
