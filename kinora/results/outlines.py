"""The outlines of detections as polygons, for formats that have no masks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from kinora.plugins.forms.catalogue import LEAST_CORNERS, Detection, Pair
from kinora.plugins.forms.rle import Pixels, pixels_of
from kinora.plugins.forms.turned_boxes import turned_corners

MAX_EDGES = 2**17
"""The most edges of pixels of an outline that is followed; a finer mask has none."""


def outline_of(found: Detection) -> Sequence[Pair] | None:
    """The polygon of a detection, or the outline of its mask; None if it has neither, or one that is not valid."""
    if found.polygon is not None and len(found.polygon) >= LEAST_CORNERS:
        return found.polygon
    if found.mask is None:
        return None
    try:
        contour = contour_of(pixels_of(found.mask))
    except ValueError:
        return None
    return [(found.mask.x + x, found.mask.y + y) for x, y in contour] if contour else None


def turned_outline_of(found: Detection) -> Sequence[Pair] | None:
    """The corners of a detection's turned box; None of one without an angle."""
    return None if found.angle is None else turned_corners(found.box, found.angle)


def area_of(points: Sequence[Pair]) -> float:
    """The area of a polygon; below 0 if it goes round counter-clockwise as it is seen."""
    x, y = np.array(points, dtype=np.float64).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y) / 2)


def contour_of(pixels: Pixels) -> list[tuple[int, int]]:
    """The outline of the largest part of a mask, along the edges of its pixels.

    It is empty for a mask without a pixel, and for one with more than ``MAX_EDGES`` edges.
    """
    return max(_loops(pixels), key=area_of, default=[])


def _loops(pixels: Pixels) -> list[list[tuple[int, int]]]:
    """All outlines: clockwise round what is inside, counter-clockwise round its holes."""
    ways = _edges(pixels)
    loops = []
    while ways:
        start = place = next(iter(ways))
        loop = []
        while True:
            loop.append(place)
            onward = ways[place].pop()
            if not ways[place]:
                del ways[place]
            if onward == start:
                break
            place = onward
        loops.append(_corners(loop))
    return loops


def _edges(pixels: Pixels) -> dict[tuple[int, int], list[tuple[int, int]]]:
    """Where each edge between inside and outside leads from its beginning, with the inside on its right."""
    padded = np.pad(pixels, 1)
    inside = padded[1:-1, 1:-1]
    sides = [
        (np.nonzero(inside & ~padded[:-2, 1:-1]), (0, 0), (1, 0)),
        (np.nonzero(inside & ~padded[1:-1, 2:]), (1, 0), (1, 1)),
        (np.nonzero(inside & ~padded[2:, 1:-1]), (1, 1), (0, 1)),
        (np.nonzero(inside & ~padded[1:-1, :-2]), (0, 1), (0, 0)),
    ]
    if sum(len(rows) for (rows, _columns), _begin, _end in sides) > MAX_EDGES:
        return {}
    ways: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
    for (rows, columns), begin, end in sides:
        for x, y in zip(columns.tolist(), rows.tolist(), strict=True):
            ways[x + begin[0], y + begin[1]].append((x + end[0], y + end[1]))
    return ways


def _corners(loop: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The points at which a loop turns."""
    around = zip([loop[-1], *loop[:-1]], loop, [*loop[1:], loop[0]], strict=True)
    return [here for before, here, after in around if (before[0] == here[0]) != (here[0] == after[0])]
