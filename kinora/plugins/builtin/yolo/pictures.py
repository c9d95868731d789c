"""What goes into a model: a picture fitted into its input, in the numbers and the order of dimensions that it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.metadata import Facts
from kinora.plugins.forms.detections import Boxes, clip_boxes

DIMENSIONS = 4
COLOURS = 3
DEFAULT_SIDE = 640
"""Pixels: the side of a model's input if neither the model nor the job says it."""
GREY = 114
"""The grey around a picture that these models were trained with."""
MEAN_COLOUR = np.array([0.485, 0.456, 0.406], np.float32)
"""Red, green and blue of ImageNet's pictures on average, 0 to 1."""
SPREAD_OF_COLOUR = np.array([0.229, 0.224, 0.225], np.float32)
"""Their standard deviation."""
TYPES: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
"""ONNX Runtime's names of the numbers that a picture may come in. Fractions go from 0 to 1, whole ones to 255."""


@attrs.frozen
class Letterbox:
    """The fit of a picture into a model's input: scaled as a whole, with grey around it."""

    scale: float
    left: int
    top: int

    def undo(self, boxes: Boxes, width: int, height: int) -> Boxes:
        """Boxes in pixels of the input as boxes in pixels of the picture, cut at its edges."""
        return clip_boxes(self.undo_whole(boxes), width, height)

    def undo_whole(self, boxes: Boxes) -> Boxes:
        """The same, also where they reach beyond the picture."""
        moved: Boxes = (boxes - (self.left, self.top, 0, 0)) / self.scale
        return moved

    def undo_points(self, points: NDArray[Any], width: int, height: int) -> NDArray[Any]:
        """Points, in the last dimension x and y, in pixels of the picture, moved to its edges if they lie outside."""
        moved = (points - (self.left, self.top)) / self.scale
        return np.clip(moved, 0, (width, height))


@attrs.frozen(kw_only=True)
class Input:
    """The picture that a model takes."""

    name: str
    height: int
    width: int
    dtype: type[np.generic] = np.float32
    channels: int = COLOURS
    """3 for red, green and blue, 1 for grey."""
    channels_last: bool = False
    batch: int = 1
    """How many pictures it takes at a time, if it takes one number only. Those that are not used are grey."""
    middle: bool = False
    """True if it gets the middle of a picture, as classifiers do, and not the whole with grey around it."""
    normalized: bool = False
    """True if it was trained with colours that are on average 0, as those of ImageNet's classifiers."""

    def take(self, image: NDArray[np.uint8]) -> tuple[NDArray[Any], Letterbox]:
        """A BGR picture as an array for the model, and how it was fitted in."""
        given, (fitted,) = self.take_all([image], self.batch)
        return given, fitted

    def take_all(self, images: Sequence[NDArray[np.uint8]], batch: int) -> tuple[NDArray[Any], list[Letterbox]]:
        """BGR pictures as an array of ``batch`` of them for the model, and how each was fitted in."""
        fit = fit_middle if self.middle else fit_whole
        canvases, fitted = zip(*[fit(image, self.width, self.height) for image in images], strict=True)
        pixels = [self._pixels(canvas) for canvas in canvases]
        given: NDArray[Any] = np.full((batch, *pixels[0].shape), GREY, np.uint8)
        given[: len(pixels)] = pixels
        if self.dtype is not np.uint8:
            given = self._fractions(given).astype(self.dtype, copy=False)
        return given, list(fitted)

    def _fractions(self, given: NDArray[Any]) -> NDArray[Any]:
        fractions: NDArray[Any] = np.multiply(given, 1 / 255, dtype=np.float32)
        if self.normalized and self.channels == COLOURS:
            shape = (COLOURS,) if self.channels_last else (COLOURS, 1, 1)
            fractions -= np.reshape(MEAN_COLOUR, shape)
            fractions /= np.reshape(SPREAD_OF_COLOUR, shape)
        return fractions

    def _pixels(self, canvas: NDArray[np.uint8]) -> NDArray[Any]:
        code = cv2.COLOR_BGR2RGB if self.channels == COLOURS else cv2.COLOR_BGR2GRAY
        pixels: NDArray[Any] = cv2.cvtColor(canvas, code).reshape(self.height, self.width, self.channels)
        return pixels if self.channels_last else pixels.transpose(2, 0, 1)


def fit_middle(image: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.uint8], Letterbox]:
    """The largest middle part of the picture that has these proportions, at this size; and how it was fitted in."""
    scale = max(width / image.shape[1], height / image.shape[0])
    part = min(image.shape[1], max(1, round(width / scale))), min(image.shape[0], max(1, round(height / scale)))
    left, top = (image.shape[1] - part[0]) // 2, (image.shape[0] - part[1]) // 2
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    middle = cv2.resize(image[top : top + part[1], left : left + part[0]], (width, height), interpolation=how)
    return np.asarray(middle, np.uint8), Letterbox(scale, -round(left * scale), -round(top * scale))


def fit_whole(image: NDArray[np.uint8], width: int, height: int) -> tuple[NDArray[np.uint8], Letterbox]:
    """The picture at this size, proportions kept, in the middle of grey; and how it was fitted in."""
    scale = min(width / image.shape[1], height / image.shape[0])
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    left, top = (width - size[0]) // 2, (height - size[1]) // 2
    canvas = np.full((height, width, 3), GREY, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)
    return canvas, Letterbox(scale, left, top)


def input_of(inputs: Sequence[Any], facts: Facts, side: int) -> Input:
    """The input of a model, told by ONNX Runtime's description (``name``, ``type``, ``shape``).

    ``side`` in pixels is for a model that takes any size; 0 is the size that the model was exported with.

    Raises:
        ValueError: it takes something else than a picture.
    """
    if len(inputs) != 1:
        named = ", ".join(given.name for given in inputs)
        raise ValueError(f"a YOLO takes one picture and nothing else; this model takes {len(inputs)} inputs: {named}")
    (given,) = inputs
    shape = [size if isinstance(size, int) and size > 0 else None for size in given.shape]  # the others: any
    dtype = TYPES.get(given.type)
    order = _order(shape, facts)
    if dtype is None or order is None:
        raise ValueError(
            f"a YOLO takes pictures as 1x3xHxW numbers (or 1x1xHxW, or 1xHxWx3: float, float16, double or uint8); "
            f"this model takes {given.type} {given.shape}"
        )
    channels, channels_last = order
    usual = _usual_size(facts, side)
    height, width = shape[1:3] if channels_last else shape[2:]
    return Input(
        name=given.name,
        height=height or usual[0],
        width=width or usual[1],
        dtype=dtype,
        channels=channels,
        channels_last=channels_last,
        batch=shape[0] or 1,
    )


def takes_any_number(given: Any) -> bool:
    """Whether a model takes any number of pictures at a time, told by ONNX Runtime's description of its input."""
    number = given.shape[0]
    return not (isinstance(number, int) and number > 0)


def _order(shape: Sequence[int | None], facts: Facts) -> tuple[int, bool] | None:
    """The number of channels, and True if they come last; None if there is neither one channel nor three."""
    if len(shape) != DIMENSIONS:
        return None
    wanted = (1, COLOURS)
    if shape[1] in wanted or shape[3] in wanted:
        last = shape[1] not in wanted
        return (shape[3] if last else shape[1]) or COLOURS, last
    channels = facts.channels or COLOURS
    return (channels, False) if shape[1] is None and channels in wanted else None


def _usual_size(facts: Facts, side: int) -> tuple[int, int]:
    """Height and width for a model that takes any, in whole steps of its coarsest grid."""
    height, width = (side, side) if side else facts.size or (DEFAULT_SIDE, DEFAULT_SIDE)
    return -(-height // facts.stride) * facts.stride, -(-width // facts.stride) * facts.stride
