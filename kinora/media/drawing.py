"""Draws plugins' results into a picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.lettering import lettering
from kinora.media.shapes import all_lines, all_points
from kinora.plugins.detections import Detection, as_boxes, clip_boxes, read_detections

Picture = NDArray[np.uint8]
"""HxWx3, BGR."""
Color = tuple[int, int, int]
"""BGR."""
COLORS: tuple[Color, ...] = (  # BGR; neighbours in the list look unlike, and all are bright enough for black text
    (80, 175, 255),
    (120, 220, 90),
    (255, 170, 80),
    (180, 120, 255),
    (60, 225, 235),
    (235, 215, 80),
    (255, 140, 220),
    (140, 200, 200),
)
LINES = (252, 250, 248)
"""BGR of lines and points."""
LETTERS = np.array((32, 18, 11))
"""BGR of labels' text."""
MAX_LABEL = 40  # characters
LABEL_HEIGHT, LABEL_MARGIN, LETTER_SIZE = 18, 5, 12
"""Of labels in a picture 640 pixels wide."""
POINT_RADIUS = 3


def draw(image: Picture, results: Mapping[str, Any]) -> None:
    """Draw each plugin's results into ``image``, which is BGR and writable, as the web UI does: boxes, lines, points.

    ``results`` is plugin name → result. A track or a class has the same colour in all frames, and in the UI. Where a
    class has tracked detections, its untracked ones are left out: they show the same things.
    """
    height, width = image.shape[:2]
    unit = max(1, round(max(height, width) / 640))
    found = [(detection, box) for detection in visible(results) if (box := _inside(detection, width, height))]
    for detection, (x, y, w, h) in found:
        cv2.rectangle(image, (x, y), (x + w - 1, y + h - 1), color_of(detection), 2 * unit)
    _draw_shapes(image, results, unit)
    for detection, (x, y, _w, _h) in found:
        _draw_label(image, label(detection), (x, y), color_of(detection), unit)


def _inside(detection: Detection, width: int, height: int) -> list[int] | None:
    """The part of the box that is in the picture, in whole pixels; None if there is none."""
    box = clip_boxes(as_boxes([detection.box]), width, height)[0]
    return np.rint(box).astype(int).tolist() if box[2] > 0 and box[3] > 0 else None


def _draw_shapes(image: Picture, results: Mapping[str, Any], unit: int) -> None:
    for line in all_lines(results):
        corners = np.rint(np.array(line)).astype(np.int32)
        cv2.polylines(image, [corners], isClosed=False, color=LINES, thickness=2 * unit, lineType=cv2.LINE_AA)
    for x, y in all_points(results):
        cv2.circle(image, (round(x), round(y)), POINT_RADIUS * unit, LINES, cv2.FILLED, cv2.LINE_AA)


def visible(results: Mapping[str, Any]) -> list[Detection]:
    """The detections to draw, tracked ones last and so on top."""
    found = [detection for result in results.values() for detection in read_detections(result)]
    tracked = [detection for detection in found if detection.track_id is not None]
    classes = {detection.kind for detection in tracked}
    return [d for d in found if d.track_id is None and d.kind not in classes] + tracked


def label(detection: Detection) -> str:
    """The text beside a box, such as ``person #3 87%``."""
    number = "" if detection.track_id is None else f" #{detection.track_id}"
    return f"{detection.kind[:MAX_LABEL]}{number} {min(1.0, max(0.0, detection.confidence)):.0%}"


def _draw_label(image: Picture, text: str, corner: tuple[int, int], color: Color, unit: int) -> None:
    """Draw a label above the box with this corner, or inside it at the picture's upper edge."""
    name, space, share = text.rpartition(" ")  # apart, as both come again and again, though seldom together
    letters = np.hstack([lettering(part, LETTER_SIZE * unit) for part in (name, space + share)])
    height, width = LABEL_HEIGHT * unit, letters.shape[1] + 2 * LABEL_MARGIN * unit
    left = max(0, min(corner[0] - 1, image.shape[1] - width))
    top = max(0, corner[1] - height - 1)
    cv2.rectangle(image, (left, top), (left + width - 1, top + height - 1), color, cv2.FILLED)
    below, right = top + (height - letters.shape[0]) // 2, left + LABEL_MARGIN * unit
    place = image[below : below + letters.shape[0], right : right + letters.shape[1]]
    np.take(_inks(color), letters[: place.shape[0], : place.shape[1]], axis=0, out=place, mode="clip")


@cache
def _inks(color: Color) -> Picture:
    """Shape (256, 3): the colour of a pixel of a label by how much of it a letter covers."""
    covered = np.linspace(0, 1, 256)[:, None]
    return np.rint(np.array(color) * (1 - covered) + LETTERS * covered).astype(np.uint8)


def color_of(detection: Detection) -> Color:
    """The colour of a track, or of a class without one, in BGR; the same as in the web UI."""
    number = _hash(detection.kind) if detection.track_id is None else detection.track_id
    return COLORS[abs(number) % len(COLORS)]


def _hash(text: str) -> int:
    """The hash of draw/colors.ts, which counts in 32 bits with a sign over units of UTF-16."""
    units = np.frombuffer(text.encode("utf-16-le", "surrogatepass"), "<u2")
    value = 7
    for unit in units.tolist():
        value = (value * 31 + unit) & 0xFFFFFFFF
    return value - 2**32 if value >= 2**31 else value
