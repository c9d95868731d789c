"""Draws a detection: its mask, its outline and its pose."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from kinora.media.drawing.colors import Color
from kinora.media.drawing.shapes import Point
from kinora.media.drawing.strokes import Picture, dot, fill, stroke, tint
from kinora.media.messages import Skeleton
from kinora.plugins.forms.catalogue import LEAST_CORNERS, LEAST_SEEN, Mask
from kinora.plugins.forms.detections import Detection, as_boxes, clip_boxes
from kinora.plugins.forms.rle import pixels_of
from kinora.plugins.forms.turned_boxes import turned_corners

MASK_SHARE, FILL_SHARE = 0.4, 0.2
"""How much of the colour is mixed into the pixels of a mask, and into those within a polygon or a turned box."""


def draw_outline(image: Picture, found: Detection, box: Sequence[int], color: Color, unit: int) -> None:
    """Draw a detection's mask, and its polygon or else its box, which is turned if it has an angle.

    ``box`` is the part of the plain box that is in the picture.
    """
    if found.mask is not None:
        _tint_mask(image, found.mask, color)
    if corners := corners_of(found):
        fill(image, corners, color, FILL_SHARE)
        stroke(image, corners, color, unit, closed=True)
    else:
        x, y, width, height = box
        cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), color, 2 * unit)


def draw_pose(image: Picture, found: Detection, skeleton: Skeleton, color: Color, unit: int) -> None:
    """Draw the key points that are seen, and the lines of the skeleton between them."""
    points = [None if not seen or seen < LEAST_SEEN else (x, y) for x, y, seen in found.keypoints or ()]
    for first, second in skeleton:
        ends = [points[number] for number in (first, second) if number < len(points)]
        seen_ends = [end for end in ends if end is not None]
        if len(seen_ends) > 1:
            stroke(image, seen_ends, color, unit, closed=False)
    for point in points:
        if point is not None:
            dot(image, point, color, unit)


def corners_of(found: Detection) -> list[Point] | None:
    """The corners of the polygon, or else of the turned box; None of a plain box."""
    if found.polygon is not None and len(found.polygon) >= LEAST_CORNERS:
        return list(found.polygon)
    return turned_corners(found.box, found.angle) if found.angle else None


def _tint_mask(image: Picture, mask: Mask, color: Color) -> None:
    """Mix the colour into the mask's pixels that are in the picture; a code that is not valid has none."""
    try:
        pixels = pixels_of(mask)
    except ValueError:
        return
    height, width = image.shape[:2]
    left, top, wide, high = clip_boxes(as_boxes([(mask.x, mask.y, mask.width, mask.height)]), width, height)[0].astype(
        int
    )
    inside = pixels[top - mask.y : top - mask.y + high, left - mask.x : left - mask.x + wide]
    tint(image[top : top + high, left : left + wide], np.asarray(inside), color, MASK_SHARE)
