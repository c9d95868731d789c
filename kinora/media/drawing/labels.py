"""The texts on a picture: labels of detections and shapes, and the classes of the whole picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

from kinora.media.drawing.colors import Color, color_of_class
from kinora.media.drawing.lettering import lettering
from kinora.media.drawing.shapes import PictureClass, Point
from kinora.media.drawing.strokes import Picture
from kinora.plugins.forms.detections import Detection

LETTERS = np.array((32, 18, 11))
"""BGR of labels' text."""
MAX_LABEL = 40
"""The most characters of a class, of a text that was read, and of the label of a shape."""
MAX_CLASSES = 5
"""The most classes of the whole picture that are drawn."""
LABEL_HEIGHT, LABEL_MARGIN, LETTER_SIZE = 18, 5, 12
"""Of labels in a picture 640 pixels wide."""
CORNER, GAP = 8, 2
"""The distance of classes from the picture's corner, and from each other, in such a picture."""


def label(detection: Detection) -> str:
    """The text beside a box, such as ``person #3 87%``."""
    number = "" if detection.track_id is None else f" #{detection.track_id}"
    said = "" if detection.text is None else f" “{detection.text[:MAX_LABEL]}”"
    return f"{detection.kind[:MAX_LABEL]}{number}{said} {_share(detection.confidence)}"


def draw_shape_label(image: Picture, text: str, points: Sequence[Point], color: Color, unit: int) -> None:
    """Draw the label of a line, a polygon or a point above it."""
    height, width = image.shape[:2]
    left, top = (min(axis) for axis in zip(*points, strict=True))
    corner = round(min(max(left, 0), width)), round(min(max(top, 0), height))
    draw_label(image, text[:MAX_LABEL], corner, color, unit)


def draw_classes(image: Picture, classes: Sequence[PictureClass], unit: int) -> None:
    """Draw the classes of the whole picture below each other in its upper left corner."""
    for place, found in enumerate(classes[:MAX_CLASSES]):
        share = "" if found.confidence is None else f" {_share(found.confidence)}"
        bottom = CORNER + LABEL_HEIGHT + place * (LABEL_HEIGHT + GAP)
        corner = CORNER * unit + 1, bottom * unit + 1
        draw_label(image, f"{found.kind[:MAX_LABEL]}{share}", corner, color_of_class(found.kind), unit)


def draw_label(image: Picture, text: str, corner: tuple[int, int], color: Color, unit: int) -> None:
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


def _share(confidence: float) -> str:
    return f"{min(1.0, max(0.0, confidence)):.0%}"


@cache
def _inks(color: Color) -> Picture:
    """Shape (256, 3): the colour of a pixel of a label by how much of it a letter covers."""
    covered = np.linspace(0, 1, 256)[:, None]
    return np.rint(np.array(color) * (1 - covered) + LETTERS * covered).astype(np.uint8)
