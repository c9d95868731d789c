"""Each thing once: of boxes that overlap, the best one is kept."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.decoding import Candidates


def without_overlaps(found: Candidates, iou: float) -> Candidates:
    """Of boxes of one class that overlap by more than ``iou``, the best one. Turned boxes are compared as they lie."""
    if not len(found.boxes):
        return found
    if found.turned is not None:
        return found.take(_kept_turned(found, found.turned, iou))
    kept = cv2.dnn.NMSBoxesBatched(
        found.boxes.tolist(), found.scores.tolist(), found.classes.tolist(), score_threshold=0.0, nms_threshold=iou
    )
    return found.take(np.asarray(kept, dtype=np.intp))


def _kept_turned(found: Candidates, turned: NDArray[np.float64], iou: float) -> list[int]:
    """The indices of those kept, best first."""
    kept: list[int] = []
    for number in np.unique(found.classes):
        own = np.flatnonzero(found.classes == number)
        boxes = [((x, y), (w, h), np.degrees(angle)) for x, y, w, h, angle in turned[own].tolist()]
        chosen = cv2.dnn.NMSBoxesRotated(boxes, found.scores[own].tolist(), score_threshold=0.0, nms_threshold=iou)
        kept += own[np.asarray(chosen, dtype=np.intp)].tolist()
    return sorted(kept, key=lambda index: -found.scores[index])
