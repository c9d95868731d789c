"""Input and output of YOLO detection models, independent of the library that runs them."""

from __future__ import annotations

from typing import Any, Literal

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.detections import Boxes, clip_boxes

Layout = Literal["yolov5", "yolov8", "end2end"]
GREY = 114
"""The grey around a picture that these models were trained with."""
MAX_CANDIDATES = 3_000
"""The most boxes that are compared with each other; more are noise."""
MAX_DETECTIONS = 300
_BOX = 4
_END2END = 6
"""x1, y1, x2, y2, confidence, class."""


@attrs.frozen
class Letterbox:
    """The fit of a picture into a model's input: scaled as a whole, with grey around it."""

    scale: float
    left: int
    top: int

    def undo(self, boxes: Boxes, width: int, height: int) -> Boxes:
        """Boxes in pixels of the input as boxes in pixels of the picture, cut at its edges."""
        moved = (boxes - (self.left, self.top, 0, 0)) / self.scale
        return clip_boxes(moved, width, height)


@attrs.frozen(eq=False)
class Candidates:
    """Boxes that a model proposes."""

    boxes: Boxes
    """In pixels of the model's input."""
    scores: NDArray[np.float32]
    classes: NDArray[np.intp]

    def take(self, chosen: Any) -> Candidates:
        """Some of them, by index or mask."""
        return Candidates(self.boxes[chosen], self.scores[chosen], self.classes[chosen])


def letterbox(image: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.float32], Letterbox]:
    """A BGR picture as a model's input (1x3xHxW, RGB, 0 to 1), and how it was fitted in."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    blob = cv2.dnn.blobFromImage(canvas, scalefactor=1 / 255, swapRB=True)
    return blob.astype(np.float32, copy=False), Letterbox(scale, left, top)


def layout_of(shape: tuple[int, ...]) -> Layout:
    """The layout of a model's output, told by its shape.

    (1, 84, N) is ``yolov8`` (and v9, v11): box centre and size, a score per class. (1, N, 85) is ``yolov5`` (and v7):
    the same with an objectness score before the classes'. (1, N, 6) is ``end2end``: corners, score and class, with
    overlaps already removed; a ``yolov5`` with one class has the same shape.

    Raises:
        ValueError: the shape is none of them.
    """
    if len(shape) != 3 or shape[0] != 1 or min(shape[1:]) <= _BOX:  # noqa: PLR2004 - the number of dimensions
        raise ValueError(f"a YOLO gives (1, 84, N), (1, N, 85) or (1, N, 6); the output of this model is {shape}")
    if shape[2] == _END2END:
        return "end2end"
    return "yolov8" if shape[1] < shape[2] else "yolov5"


def read_output(output: NDArray[Any], layout: Layout, confidence: float, classes: int | None) -> Candidates:
    """The boxes of at least this confidence, best first.

    ``classes`` is the number of classes, if known: columns after theirs (masks, keypoints) are left out.
    """
    table = output[0].astype(np.float32, copy=False)
    if layout == "end2end":
        corners = table[:, :_BOX]
        boxes = np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
        found = Candidates(boxes.astype(np.float64), table[:, 4], table[:, 5].astype(np.intp))
    else:
        found = _from_grid(table.T if table.shape[0] < table.shape[1] else table, layout, classes)
    sure = found.take(found.scores >= confidence)
    return sure.take(np.argsort(-sure.scores, kind="stable")[:MAX_CANDIDATES])


def _from_grid(table: NDArray[np.float32], layout: Layout, classes: int | None) -> Candidates:
    """One row for each place of the grid: centre, size, then scores."""
    first = _BOX + (layout == "yolov5")
    scores = table[:, first : None if classes is None else first + classes]
    best = scores.argmax(axis=1)
    score = scores[np.arange(len(scores)), best]
    if layout == "yolov5":
        score = score * table[:, _BOX]
    size = table[:, 2:_BOX]
    boxes = np.hstack([table[:, :2] - size / 2, size]).astype(np.float64)
    return Candidates(boxes, score, best)


def without_overlaps(found: Candidates, iou: float) -> Candidates:
    """Of boxes of one class that overlap by more than ``iou``, the best one."""
    if not len(found.boxes):
        return found
    kept = cv2.dnn.NMSBoxesBatched(
        found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), score_threshold=0.0, nms_threshold=iou
    )
    return found.take(np.asarray(kept, dtype=np.intp))
