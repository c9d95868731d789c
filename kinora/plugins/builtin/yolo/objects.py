"""What a model finds in a picture, as detections in pixels of that picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.decoding import LIST_DIMENSIONS, Candidates, read_rows, rows_of
from kinora.plugins.builtin.yolo.heads import Head
from kinora.plugins.builtin.yolo.masks import Size, masks_in
from kinora.plugins.builtin.yolo.overlaps import without_overlaps
from kinora.plugins.builtin.yolo.pictures import Input, Letterbox
from kinora.plugins.forms.detections import Boxes, Detection

MAX_DETECTIONS = 300
"""The most objects of a frame; the surest are kept."""
ALWAYS_SEEN = 1.0
"""The confidence of a keypoint for which the model gives none."""
HALF_TURN = 180
"""Degrees after which a box lies as before."""

Part = list[dict[str, Any]]
"""Some keys of each detection."""


@attrs.frozen(kw_only=True, eq=False)
class ObjectReader:
    """Makes detections of what a model gives."""

    head: Head
    size: Size
    """Of the model's input."""
    confidence: float
    """What an object must have at least."""
    iou: float
    label: Callable[[int], str]
    """The name of a class by its number."""

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the outputs that are read, the boxes first."""
        return [self.head.output, *([self.head.maps] if self.head.maps else [])]

    @property
    def remarks(self) -> Sequence[str]:
        """What a user must know: what was guessed, and what is left out."""
        return self.head.remarks

    def prepared(self, given: Input) -> Input:
        """The input as it is: a picture goes in as a whole."""
        return given

    def is_of(self, output: NDArray[Any], number: int) -> bool:
        """Whether the boxes can be those of so many pictures."""
        return output.ndim == LIST_DIMENSIONS or len(output) == number

    def read(self, outputs: Sequence[NDArray[Any]], picture: int, fitted: Letterbox, size: Size) -> Mapping[str, Any]:
        """The objects in one picture of the batch, the surest first; ``size`` is that of the picture."""
        found = read_rows(rows_of(outputs[0], self.head, picture), self.head, self.confidence, self.size)
        if self.head.layout != "end2end":
            found = without_overlaps(found, self.iou)
        height, width = size
        boxes = fitted.undo(found.boxes, width, height)
        inside = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1))[:MAX_DETECTIONS]
        found, boxes = found.take(inside), boxes[inside]
        parts = [self._boxes(found, boxes if found.turned is None else fitted.undo_whole(unturned(found.turned)))]
        if found.turned is not None:
            parts.append([{"angle": angle} for angle in degrees(found.turned)])
        if self.head.keypoints:
            parts.append(self._keypoints(found, fitted, size))
        if self.head.maps:
            maps = np.asarray(outputs[1][picture], np.float32)
            parts.append([*masks_in(boxes, found.further, maps, fitted, self.size)])
        return {"detections": [{k: v for part in told for k, v in part.items()} for told in zip(*parts, strict=True)]}

    def _boxes(self, found: Candidates, boxes: Boxes) -> Part:
        return [
            Detection(x=x, y=y, width=w, height=h, confidence=float(score), kind=self.label(int(number))).as_json()
            for (x, y, w, h), score, number in zip(boxes.tolist(), found.scores, found.classes, strict=True)
        ]

    def _keypoints(self, found: Candidates, fitted: Letterbox, size: Size) -> Part:
        """Each with its confidence; one that lies outside of the picture is told at its edge."""
        points = np.nan_to_num(found.further.reshape(len(found.further), *(self.head.keypoints or (0, 0))))
        places = fitted.undo_points(points[..., :2], size[1], size[0]).round(1)
        sure = np.clip(points[..., 2:].astype(np.float64), 0, 1).round(3)
        if not sure.size:
            sure = np.full((*places.shape[:2], 1), ALWAYS_SEEN)
        return [{"keypoints": told} for told in np.concatenate([places, sure], axis=2).tolist()]


def unturned(turned: NDArray[np.float64]) -> Boxes:
    """The boxes before they are turned about their centres, of centres, sizes and angles."""
    return np.hstack([turned[:, :2] - turned[:, 2:4] / 2, turned[:, 2:4]])


def degrees(turned: NDArray[np.float64]) -> Sequence[float]:
    """The angles, from -90 to below 90 degrees clockwise; a box that is turned by half a turn more lies the same."""
    angles: list[float] = ((np.degrees(turned[:, 4]) + HALF_TURN / 2) % HALF_TURN - HALF_TURN / 2).round(2).tolist()
    return angles
