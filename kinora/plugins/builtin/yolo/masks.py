"""The masks of things: sums of maps that a model gives for the whole picture, one weight for each map and thing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.pictures import Letterbox
from kinora.plugins.forms.detections import Boxes
from kinora.plugins.forms.rle import run_lengths

Maps = NDArray[np.float32]
"""Shape (k, height, width): maps of a model's whole input, in a few pixels' steps."""
Size = tuple[int, int]
"""Height and width in pixels."""


def masks_in(
    boxes: Boxes, weights: NDArray[np.float32], maps: Maps, fitted: Letterbox, size: Size
) -> Iterator[dict[str, Any]]:
    """The ``mask`` of the thing in each box; nothing where no pixel is its own.

    ``boxes`` lie within the picture; ``weights`` has a row for each; ``size`` is that of the model's input.
    """
    places = maps.shape[1:]
    with np.errstate(all="ignore"):
        sums = (weights @ maps.reshape(len(maps), -1)).reshape(-1, *places)
    steps = np.array([places[1] / size[1], places[0] / size[0]])  # of a pixel of the input in places of the maps
    for box, summed in zip(boxes, sums, strict=True):
        corner = np.floor(box[:2])
        width, height = np.maximum(np.ceil(box[:2] + box[2:] - corner), 1).astype(int).tolist()
        first = ((corner + 0.5) * fitted.scale + (fitted.left, fitted.top)) * steps - 0.5
        pixels = _enlarged(summed, first, steps * fitted.scale, (width, height)) > 0
        yield _mask(int(corner[0]), int(corner[1]), pixels)


def _enlarged(
    summed: NDArray[np.float32], first: NDArray[Any], step: NDArray[Any], shape: tuple[int, int]
) -> NDArray[np.float32]:
    """``summed`` at ``shape`` (width, height) places: the first is ``first``, the others follow at ``step``."""
    moved = np.array([[step[0], 0, first[0]], [0, step[1], first[1]]])
    how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(summed, moved, shape, flags=how, borderMode=cv2.BORDER_REPLICATE))


def _mask(left: int, top: int, pixels: NDArray[np.bool_]) -> dict[str, Any]:
    if not pixels.any():
        return {}
    height, width = pixels.shape
    return {"mask": {"x": left, "y": top, "width": width, "height": height, "counts": run_lengths(pixels)}}
