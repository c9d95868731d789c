"""Boxes, scores and classes from the numbers that a model gives."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.heads import HEAD_NUMBERS, Head
from kinora.plugins.forms.detections import Boxes

MAX_CANDIDATES = 3_000
"""The most boxes that are compared with each other; more are noise."""
BOX = 4
LIST_DIMENSIONS = 2
"""Of an output (N, 7), which is one list for all pictures; others have a table for each."""
FROM_YOLOV7 = [1, 2, 3, 4, 6, 5]
"""The columns of a YOLOv7 with overlaps removed, in the order of the others."""

Rows = NDArray[np.float32]
"""One row for each box that a model gives, with the numbers of its layout in order."""


@attrs.frozen(eq=False)
class Candidates:
    """Boxes that a model proposes."""

    boxes: Boxes
    """In pixels of the model's input, each with an area."""
    scores: NDArray[np.float32]
    """0 to 1."""
    classes: NDArray[np.intp]
    further: NDArray[np.float32]
    """Shape (n, k): the numbers behind those of the box and the classes."""
    turned: NDArray[np.float64] | None = None
    """Centre, size and angle (radians) of boxes that are turned: ``boxes`` are the upright ones around them."""

    def take(self, chosen: Any) -> Candidates:
        """Some of them, by index or mask."""
        turned = None if self.turned is None else self.turned[chosen]
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen], self.further[chosen], turned)


def rows_of(output: NDArray[Any], head: Head, picture: int = 0) -> Rows:
    """The rows of a picture in an output, by its place in the batch."""
    if output.ndim == LIST_DIMENSIONS:
        return np.asarray(output[output[:, 0] == picture][:, FROM_YOLOV7], dtype=np.float32)
    table = np.asarray(output[picture], dtype=np.float32)
    return table.T if head.columns_first else table


def read_rows(rows: Rows, head: Head, confidence: float, size: tuple[int, int]) -> Candidates:
    """The boxes of at least this confidence, best first; ``size`` is the height and width of the model's input.

    Rows with numbers that are none (NaN), or whose box has no area, are left out.
    """
    scores, classes = scores_of(rows, head)
    sure = np.flatnonzero(scores >= confidence)
    sure = sure[np.argsort(-scores[sure], kind="stable")[:MAX_CANDIDATES]]
    given = rows[sure, :BOX].astype(np.float64)
    if head.of_one:
        given *= (size[1], size[0], size[1], size[0])
    turned = np.column_stack([given, rows[sure, -1]]) if head.turned else None
    if turned is not None:
        given = _upright(turned)
    boxes = _from_corners(given) if head.corners else _from_centres(given)
    with_area = np.isfinite(boxes).all(axis=1) & (boxes[:, 2:] > 0).all(axis=1)
    further = rows[sure, head.numbers : head.numbers + head.further]
    found = Candidates(boxes, np.minimum(scores[sure], 1.0), classes[sure].astype(np.intp), further, turned)
    return found.take(with_area)


def scores_of(rows: Rows, head: Head) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """The confidence and the class of each row; a confidence that is not a number stays so."""
    first = HEAD_NUMBERS[head.layout]
    if head.layout == "end2end":
        return np.where(np.isfinite(rows[:, 5]), rows[:, 4], np.nan), rows[:, 5]
    of_classes = rows[:, first : None if head.classes is None else first + head.classes]
    best = of_classes.argmax(axis=1)
    scores = of_classes[np.arange(len(rows)), best]
    return scores * rows[:, BOX] if head.layout == "yolov5" else scores, best


def _from_corners(given: Boxes) -> Boxes:
    return np.hstack([given[:, :2], given[:, 2:] - given[:, :2]])


def _from_centres(given: Boxes) -> Boxes:
    return np.hstack([given[:, :2] - given[:, 2:] / 2, given[:, 2:]])


def _upright(turned: NDArray[np.float64]) -> Boxes:
    """Centre and size of the smallest upright boxes around turned ones."""
    width, height = turned[:, 2], turned[:, 3]
    cos, sin = np.abs(np.cos(turned[:, 4])), np.abs(np.sin(turned[:, 4]))
    return np.column_stack([turned[:, :2], width * cos + height * sin, width * sin + height * cos])
