"""Detections: boxes with a class, as plugins give them in their results, and the arithmetic of boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeGuard

import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms.catalogue import Detection as Detection  # noqa: PLC0414 - with the reading of them
from kinora.plugins.forms.detection_forms import BOX, NoBoxError, settled
from kinora.plugins.forms.detection_forms import LARGEST as LARGEST  # noqa: PLC0414 - for all that read places in results
from kinora.plugins.forms.shape_forms import read_shapes

Boxes = NDArray[np.float64]
"""Shape (n, 4): x, y, width, height in pixels, origin top left."""

UNKNOWN = "object"
"""The class of a detection that has none."""
MAX_MASKED_PIXELS = 2**28
"""The most pixels of the masks of a result, crops counted; of further detections the masks are not read."""


def read_detections(result: object) -> list[Detection]:
    """The entries of a result's ``detections`` that have a box which can be read; all others are skipped."""
    listed = result.get("detections") if isinstance(result, dict) else None
    found = (_read(entry) for entry in listed) if isinstance(listed, list) else ()
    return _within_bounds([detection for detection in found if detection is not None])


def _within_bounds(found: list[Detection]) -> list[Detection]:
    """The same detections, without the masks that follow when ``MAX_MASKED_PIXELS`` are reached."""
    room = MAX_MASKED_PIXELS
    for place, detection in enumerate(found):
        if detection.mask is not None:
            room -= detection.mask.width * detection.mask.height
            if room < 0:
                found[place] = msgspec.structs.replace(detection, mask=None)
    return found


def _read(entry: object) -> Detection | None:
    try:
        told = settled(entry)
    except NoBoxError:
        return None
    if not all(_is_number(told[key]) for key in BOX):
        return None
    x, y, width, height = (float(told[key]) for key in BOX)
    confidence, kind, track_id, text = (told.get(key) for key in ("confidence", "class", "track_id", "text"))
    return Detection(
        x=x,
        y=y,
        width=width,
        height=height,
        confidence=float(confidence) if _is_number(confidence) else 1.0,
        kind=kind if isinstance(kind, str) else UNKNOWN,
        track_id=track_id if type(track_id) is int else None,
        text=text if isinstance(text, str) else None,
        **read_shapes(told),
    )


def _is_number(value: Any) -> TypeGuard[float]:
    # NaN, and numbers far beyond any picture, would break the arithmetic of boxes.
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def as_boxes(boxes: Sequence[Sequence[float]]) -> Boxes:
    """These boxes as one array, of shape (0, 4) if there are none."""
    return np.asarray(boxes, dtype=np.float64).reshape(-1, 4)


def clip_boxes(boxes: Boxes, width: int, height: int) -> Boxes:
    """The parts of the boxes that lie within a picture of this size, in pixels."""
    low = np.clip(boxes[:, :2], 0, (width, height))
    high = np.clip(boxes[:, :2] + boxes[:, 2:], 0, (width, height))
    return np.hstack([low, high - low])


def intersections(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b)): the area that each box of ``a`` shares with each of ``b``."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    common: NDArray[np.float64] = np.clip(high - low, 0, None).prod(axis=2)
    return common


def areas(boxes: Boxes) -> NDArray[np.float64]:
    """Shape (n,): width times height."""
    product: NDArray[np.float64] = boxes[:, 2] * boxes[:, 3]
    return product


def iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b)): intersection over union, 0 to 1."""
    common = intersections(a, b)
    union = areas(a)[:, None] + areas(b)[None] - common
    return common / np.maximum(union, 1e-9)


def nesting(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b)): the share of the smaller box that lies in the other one, 0 to 1."""
    smaller = np.minimum(areas(a)[:, None], areas(b)[None])
    return intersections(a, b) / np.maximum(smaller, 1e-9)
