"""Turns the masks of detections from arrays of pixels into run-length codes, before a result becomes JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms import plain
from kinora.plugins.forms.detection_forms import BOX, NoBoxError, box_of
from kinora.plugins.forms.rle import mask_of

Size = tuple[int, int]
"""Height and width of a frame, in pixels."""
_OWN = "mask"
_MASKS = (_OWN, "segmentation", "rle")
_MASK_KEYS = frozenset(_MASKS)
_TWO = 2
_INSIDE = 0.5
_BOX_NUMBERS = 8
"""The most numbers of a box: its four corners."""


def with_plain_masks(result: object, size: Size) -> tuple[object, str | None]:
    """The result with run-length codes in place of arrays, and a sentence about the first mask that is of another size.

    An array has the size of the frame or that of its box, which then says where it is; numbers are true from 0.5 on.
    """
    listed = result.get("detections") if isinstance(result, Mapping) else None
    if not isinstance(result, Mapping) or not isinstance(listed, list | tuple):
        return result, None
    faults: list[str] = []
    settled = [_with_plain_mask(entry, size, faults) for entry in listed]
    changed = any(new is not old for new, old in zip(settled, listed, strict=True))
    return {**result, "detections": settled} if changed else result, faults[0] if faults else None


def _with_plain_mask(entry: object, size: Size, faults: list[str]) -> object:
    if isinstance(entry, dict) and _MASK_KEYS.isdisjoint(entry):
        return entry  # as most are: found out fast
    told = entry if isinstance(entry, Mapping) else plain.as_record(entry)
    key = None if told is None else next((key for key in _MASKS if told.get(key) is not None), None)
    if told is None or key is None:
        return entry
    if isinstance(code := told[key], Mapping):
        return {**told, key: _with_text(code)} if isinstance(code.get("counts"), bytes) else entry
    array = _array(told[key])
    if array is None or (key != _OWN and _corner(array.shape, told, size) is None):
        return entry  # under another key it may be a polygon
    return {**told, key: None} | _as_code(array, told, size, faults)


def _with_text(code: Mapping[Any, Any]) -> dict[Any, Any]:
    """A run-length code of pycocotools, which has bytes, with text."""
    return {**code, "counts": code["counts"].decode("ascii", "replace")}


def _as_code(array: NDArray[Any], told: Mapping[Any, Any], size: Size, faults: list[str]) -> dict[str, Any]:
    """The key ``mask``; nothing if no pixel is inside, or if the pixels' place is unknown, which is a fault."""
    corner = _corner(array.shape, told, size)
    if corner is None:
        (height, width), (high, wide) = array.shape, size
        given = f"the mask of a detection is of {width}x{height} pixels"
        faults.append(f"{given}: give one of the frame, {wide}x{high}, or of its box")
        return {}
    mask = mask_of(array if array.dtype.kind == "b" else array >= _INSIDE, *corner)
    return {} if mask is None else {"mask": msgspec.structs.asdict(mask)}


def _array(value: object) -> NDArray[Any] | None:
    """The array of an array or a tensor, if it has two dimensions of numbers; None for anything else."""
    if not hasattr(value, "__array__") or isinstance(value, type):
        return None
    for method in ("detach", "cpu"):  # a tensor's, which may be on a GPU
        value = getattr(value, method)() if hasattr(value, method) else value
    array = np.asarray(value)
    array = array[0] if array.ndim > _TWO and array.shape[0] == 1 else array
    return array if array.ndim == _TWO and array.dtype.kind in "biuf" and array.size else None


def _corner(shape: tuple[int, ...], told: Mapping[Any, Any], size: Size) -> tuple[int, int] | None:
    """Where the upper left pixel of an array of this shape is in the frame; None if that cannot be known."""
    if shape == size:
        return 0, 0
    beside = {key: _plain_corners(value) for key, value in told.items() if key not in _MASK_KEYS}
    try:
        box = box_of(beside)
    except NoBoxError:
        return None
    x, y, width, height = (round(box[key]) for key in BOX)
    return (x, y) if shape == (height, width) else None


def _plain_corners(value: object) -> object:
    """A small array of numpy or a tuple as a list; anything else as it is."""
    if isinstance(value, np.ndarray | np.generic) and value.size <= _BOX_NUMBERS:
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value
