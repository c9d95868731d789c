"""Reads the results of supervision and ultralytics, which are recognised by their classes' names, without an import."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from kinora.plugins.forms.turned_boxes import from_centre, from_corners

_NAMES, _CORNERS = "class_name", "xyxyxyxy"
"""Keys of the ``data`` of supervision's detections."""
_Found = dict[str, Any]


def with_plain_library_results(result: object) -> object:
    """A result of supervision or ultralytics, or one that has such in ``detections``, as a mapping; others as they are.

    An ultralytics model returns a list, of one Results for a picture: that is read as well.
    """
    if (read := _reader_of(result)) is not None:
        return read(result)
    if isinstance(result, list) and len(result) == 1 and (read := _reader_of(result[0])) is not None:
        return read(result[0])
    inner = result.get("detections") if isinstance(result, Mapping) else None
    plain = inner if inner is None else with_plain_library_results(inner)
    return {**result, **plain} if isinstance(result, Mapping) and isinstance(plain, Mapping) else result


def _reader_of(value: object) -> Callable[[Any], _Found] | None:
    for kind in type(value).__mro__:
        library = kind.__module__.partition(".")[0]
        if reader := _READERS.get((library, kind.__name__)):
            return reader
    return None


def _of_supervision(found: Any) -> _Found:
    """The result of a ``supervision.Detections``."""
    return {"detections": [_supervised(found, row) for row in range(len(found.xyxy))]}


def _supervised(found: Any, row: int) -> _Found:
    data = found.data or {}
    number = _item(found.class_id, row)
    told = {
        **(from_corners(_list(data[_CORNERS][row])) if _CORNERS in data else _box(*_list(found.xyxy[row]))),
        "confidence": _item(found.confidence, row),
        "class": str(data[_NAMES][row]) if _NAMES in data else number,
        "class_id": number if _NAMES in data else None,
        "track_id": _item(found.tracker_id, row),
        "mask": None if found.mask is None else found.mask[row],
        "attributes": dict(_attributes(data, row)) or None,
    }
    return _said(told)


def _attributes(data: Mapping[str, Any], row: int) -> Iterator[tuple[str, Any]]:
    """What else is known of a detection, but for arrays."""
    for key, values in data.items():
        if key not in {_NAMES, _CORNERS} and not np.ndim(value := values[row]):
            yield key, value


def _of_ultralytics(found: Any) -> _Found:
    """The result of an ultralytics ``Results``: a picture's classes, or its detections."""
    if found.probs is not None:
        return {"classes": _classes(found)}
    turned = found.obb is not None
    boxes = found.obb if turned else found.boxes
    if boxes is None:
        return {"detections": []}
    places = [from_centre(*row) for row in _list(boxes.xywhr)] if turned else [_box(*row) for row in _list(boxes.xyxy)]
    columns = _columns(found, boxes)
    rows = ({key: column[row] for key, column in columns.items() if column is not None} for row in range(len(places)))
    return {"detections": [place | row for place, row in zip(places, rows, strict=True)]}


def _classes(found: Any) -> list[_Found]:
    rows = zip(found.probs.top5, _list(found.probs.top5conf), strict=True)
    return [{"class": _name(found.names, number), "confidence": confidence} for number, confidence in rows]


def _columns(found: Any, boxes: Any) -> dict[str, list[Any] | None]:
    """What detections have beside their places, a list of each, which comes from a GPU at once."""
    numbers = [int(number) for number in _list(boxes.cls)]
    return {
        "confidence": _list(boxes.conf),
        "class": [_name(found.names, number) for number in numbers],
        "class_id": numbers,
        "track_id": _list(boxes.id),
        "polygon": None if found.masks is None else [_list(outline) for outline in found.masks.xy],
        "keypoints": None if found.keypoints is None else _keypoints(found.keypoints),
    }


def _keypoints(found: Any) -> list[list[list[float]]]:
    """Triples; without confidences, a point in the corner is one that was not seen."""
    places = _list(found.xy)
    seen = [[float(any(point)) for point in points] for points in places] if found.conf is None else _list(found.conf)
    return [
        [[*point, conf] for point, conf in zip(points, confs, strict=True)]
        for points, confs in zip(places, seen, strict=True)
    ]


def _box(left: float, top: float, right: float, bottom: float) -> _Found:
    return {"x": left, "y": top, "width": right - left, "height": bottom - top}


def _name(names: Mapping[int, str] | Sequence[str], number: int) -> str:
    """The name of a class; its number where it has none."""
    try:
        return str(names[number])
    except LookupError:
        return str(number)


def _item(values: Any, row: int) -> Any:
    """The plain number in a row of an array or a tensor; None if there is none."""
    return None if values is None else _list(values[row])


def _list(values: Any) -> Any:
    """The plain numbers of an array, a tensor or a number."""
    return values.tolist() if hasattr(values, "tolist") else values


def _said(told: _Found) -> _Found:
    return {key: value for key, value in told.items() if value is not None}


_READERS: Mapping[tuple[str, str], Callable[[Any], _Found]] = {
    ("supervision", "Detections"): _of_supervision,
    ("ultralytics", "Results"): _of_ultralytics,
}
"""By the library and the class."""
