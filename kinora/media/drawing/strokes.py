"""Lines, points and light fillings on a picture."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing.colors import Color
from kinora.media.drawing.shapes import Point

Picture = NDArray[np.uint8]
"""HxWx3, BGR."""
POINT_RADIUS = 3


def stroke(image: Picture, points: Sequence[Point], color: Color, unit: int, *, closed: bool) -> None:
    """Draw a line along these points."""
    cv2.polylines(image, [_corners(points)], isClosed=closed, color=color, thickness=2 * unit, lineType=cv2.LINE_AA)


def dot(image: Picture, point: Point, color: Color, unit: int) -> None:
    """Draw a point."""
    x, y = point
    cv2.circle(image, (round(x), round(y)), POINT_RADIUS * unit, color, cv2.FILLED, cv2.LINE_AA)


def fill(image: Picture, points: Sequence[Point], color: Color, share: float) -> None:
    """Fill a polygon with a ``share`` of the colour, 0 to 1, so that the picture is seen through it."""
    height, width = image.shape[:2]
    corners = _corners(points)
    left, top = np.clip(corners.min(axis=0), 0, (width, height)).tolist()
    right, bottom = np.clip(corners.max(axis=0) + 1, 0, (width, height)).tolist()
    if left < right and top < bottom:
        inside = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillPoly(inside, [corners - (left, top)], 1)
        tint(image[top:bottom, left:right], inside.astype(bool), color, share)


def tint(part: Picture, inside: NDArray[np.bool_], color: Color, share: float) -> None:
    """Mix a ``share`` of the colour into those pixels of a part of a picture."""
    mixed = part[inside] * np.float32(1 - share) + np.array(color, np.float32) * np.float32(share)
    part[inside] = np.rint(mixed).astype(np.uint8)


def _corners(points: Sequence[Point]) -> NDArray[np.int32]:
    return np.rint(np.array(points, dtype=np.float64).reshape(-1, 2)).astype(np.int32)
