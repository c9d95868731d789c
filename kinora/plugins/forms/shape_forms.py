"""The forms in which programs give the mask, polygon, key points and turn of a detection, and Kinora's own.

Like :mod:`kinora.plugins.forms.detection_forms`: a form is taken where it can mean one thing only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from kinora.plugins.forms.catalogue import LEAST_CORNERS, Detection, Mask
from kinora.plugins.forms.rle import MAX_MASK_PIXELS, compressed
from kinora.plugins.forms.values import finite, finite_list, in_reach

MAX_POINTS = 10_000
"""The most corners of a polygon, and the most key points of a detection; further ones are left out."""
_KEYS = frozenset({"mask", "polygon", "keypoints", "angle", "attributes"})
_POLYGONS = ("polygon", "segments", "segmentation")
_MASKS = ("mask", "rle", "segmentation")
_SEEN = ("confidence", "score", "conf", "visible", "visibility")
_PAIR, _TRIPLE = 2, 3

_SHAPE_TYPES = {field.name: field.type for field in msgspec.structs.fields(Detection) if field.name in _KEYS}
Settled = dict[str, Any]
Advice = tuple[tuple[str, tuple[str, ...], str], ...]
ADVICE: Advice = (
    ("polygon", ("polygon",), "give [[x, y], …], three corners or more"),
    ("keypoints", ("keypoints",), "give [[x, y, confidence], …]"),
    ("mask", ("mask",), "give an array of bool of the frame's size, or COCO's compressed run-length code of a crop"),
    ("angle", ("angle",), "give a number of degrees"),
)
"""Of each key: what it is told by, and what to give."""


def settled_shapes(entry: Mapping[str, Any]) -> Settled:
    """Those of mask, polygon, keypoints and angle that can be read, in Kinora's form."""
    found = {
        "polygon": _first(_polygon(entry.get(key)) for key in _POLYGONS),
        "keypoints": _keypoints(entry.get("keypoints")),
        "mask": _first(_mask(entry.get(key)) for key in _MASKS),
        "angle": finite(entry.get("angle")),
    }
    return {key: value for key, value in found.items() if value is not None}


def unread_shape(told: Mapping[str, Any]) -> str | None:
    """A sentence about the first shape of a settled detection that cannot be read; None if there is none."""
    for key, names, advice in ADVICE:
        if any(told.get(name) is not None for name in names) and not _is_own(key, told[key]):
            return f"the {key} of a detection cannot be read: {advice}"
    return None


def read_shapes(told: Mapping[str, Any]) -> Settled:
    """The shapes and attributes of a settled detection that can be read, as values of the catalogue's class."""
    if _KEYS.isdisjoint(told):
        return {}
    found = {key: told[key] for key in _KEYS if told.get(key) is not None and _is_own(key, told[key])}
    return {key: msgspec.convert(value, _SHAPE_TYPES[key]) for key, value in found.items()}


def _first(found: Any) -> Any:
    return next((value for value in found if value is not None), None)


def _polygon(value: object) -> list[list[float]] | None:
    points = _points(value)
    corners = [point[:_PAIR] for point in points if point is not None] if points else []
    return corners if len(corners) >= LEAST_CORNERS else None


def _keypoints(value: object) -> list[list[float]] | None:
    """Triples of x, y and confidence; one that cannot be read stays in its place, as a point that was not seen."""
    if (columns := _columns(value)) is not None:
        value = columns
    if not isinstance(value, list) or not value or not all(isinstance(point, list | dict | None) for point in value):
        return None
    points = _points(value)
    if points is None or all(point is None for point in points):
        return None
    return [[0.0, 0.0, 0.0] if point is None else point for point in points]


def _points(value: object) -> list[list[float] | None] | None:
    """Points as triples of x, y and confidence, None for each that cannot be read; None if these are no points."""
    if (columns := _columns(value)) is not None:
        value = columns
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0] if _flat(value[0]) else value
    if isinstance(value, list) and (flat := _flat(value)):
        value = [flat[place : place + _PAIR] for place in range(0, len(flat), _PAIR)]
    return [_point(point) for point in value[:MAX_POINTS]] if isinstance(value, list) else None


def _flat(value: list[Any]) -> list[float] | None:
    """Numbers in a row, x and y in turns."""
    return finite_list(value, len(value)) if len(value) >= _PAIR * LEAST_CORNERS and not len(value) % _PAIR else None


def _columns(value: object) -> list[Any] | None:
    """The points of a dict with a list for each of x, y and perhaps ``visible``."""
    if not isinstance(value, dict) or not isinstance(value.get("x"), list) or not isinstance(value.get("y"), list):
        return None
    seen = next((value[key] for key in _SEEN if isinstance(value.get(key), list)), [1.0] * len(value["x"]))
    return [list(point) for point in zip(value["x"], value["y"], seen, strict=False)]


def _point(value: object) -> list[float] | None:
    if isinstance(value, dict):
        seen = next((value[key] for key in _SEEN if value.get(key) is not None), 1.0)
        value = [value.get("x"), value.get("y"), seen]
    if not isinstance(value, list) or not _PAIR <= len(value) <= _TRIPLE:
        return None
    x, y, seen = finite(value[0]), finite(value[1]), 1.0 if len(value) == _PAIR else finite(value[_PAIR])
    if x is None or y is None or not in_reach(x, y):
        return None
    return [x, y, 1.0 if seen is None else min(1.0, max(0.0, seen))]


def _mask(value: object) -> Settled | None:
    match value:
        case {"x": x, "y": y, "width": width, "height": height, "counts": str(counts)}:
            crop = {"x": x, "y": y, "width": width, "height": height, "counts": counts}
            return crop if _is_mask(crop) else None
        case {"size": [int(height), int(width)], "counts": str() | list() as counts}:
            text = counts if isinstance(counts, str) else _compressed(counts)
            whole = {"x": 0, "y": 0, "width": width, "height": height, "counts": text}
            return whole if _is_mask(whole) else None
        case _:
            return None


def _compressed(counts: list[Any]) -> str | None:
    whole = all(type(run) is int and 0 <= run <= MAX_MASK_PIXELS for run in counts)
    return compressed(np.array(counts, dtype=np.int64)) if whole else None


def _is_mask(value: object) -> bool:
    try:
        msgspec.convert(value, Mask)
    except msgspec.ValidationError:
        return False
    return True


def _is_own(key: str, value: object) -> bool:
    match key:
        case "polygon":
            return _polygon(value) == value
        case "keypoints":
            return _keypoints(value) == value
        case "mask":
            return _is_mask(value)
        case "attributes":
            return isinstance(value, dict)
        case _:
            return not isinstance(value, str) and finite(value) is not None
