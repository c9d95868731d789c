"""Draws plugins' detections into a picture."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.detections import Detection, as_boxes, clip_boxes, read_detections

COLORS = (  # BGR; neighbours in the list look unlike, and all are bright enough for black text
    (80, 175, 255),
    (120, 220, 90),
    (255, 170, 80),
    (180, 120, 255),
    (60, 225, 235),
    (235, 215, 80),
    (255, 140, 220),
    (140, 200, 200),
)
MAX_LABEL = 40  # characters
FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw(image: NDArray[np.uint8], results: Mapping[str, Any]) -> None:
    """Draw each plugin's detections into ``image``, which is BGR and writable.

    ``results`` is plugin name → result. A track or a class has the same colour in all frames. Where a class has
    tracked detections, its untracked ones are left out: they show the same things.
    """
    height, width = image.shape[:2]
    unit = max(1, round(max(height, width) / 640))
    for detection in visible(results):
        box = clip_boxes(as_boxes([detection.box]), width, height)[0]
        if box[2] > 0 and box[3] > 0:
            _draw_one(image, detection, np.rint(box).astype(int).tolist(), unit)


def visible(results: Mapping[str, Any]) -> list[Detection]:
    """The detections to draw, tracked ones last and so on top."""
    found = [detection for result in results.values() for detection in read_detections(result)]
    tracked = [detection for detection in found if detection.track_id is not None]
    classes = {detection.kind for detection in tracked}
    return [d for d in found if d.track_id is None and d.kind not in classes] + tracked


def label(detection: Detection) -> str:
    """The text beside a box, such as ``person #3 87%``."""
    name = detection.kind[:MAX_LABEL].encode("ascii", "replace").decode()  # OpenCV's fonts have no others
    number = "" if detection.track_id is None else f" #{detection.track_id}"
    return f"{name}{number} {min(1.0, max(0.0, detection.confidence)):.0%}"


def _draw_one(image: NDArray[np.uint8], detection: Detection, box: list[int], unit: int) -> None:
    x, y, width, height = box
    color = _color(detection)
    cv2.rectangle(image, (x, y), (x + width - 1, y + height - 1), color, 2 * unit)
    text, scale = label(detection), 0.45 * unit
    (text_width, text_height), drop = cv2.getTextSize(text, FONT, scale, unit)
    top = max(0, y - text_height - drop - 2 * unit)  # above the box, or inside it at the picture's upper edge
    left = max(0, min(x, image.shape[1] - text_width))
    cv2.rectangle(image, (left, top), (left + text_width, top + text_height + drop), color, cv2.FILLED)
    cv2.putText(image, text, (left, top + text_height), FONT, scale, (0, 0, 0), unit, cv2.LINE_AA)


def _color(detection: Detection) -> tuple[int, int, int]:
    if detection.track_id is not None:
        return COLORS[detection.track_id % len(COLORS)]
    return COLORS[zlib.crc32(detection.kind.encode()) % len(COLORS)]
