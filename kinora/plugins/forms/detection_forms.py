"""The forms in which programs give a detection, and Kinora's own, which all readers know.

A form is taken where it can mean one thing only. Of the others it is said once what to give instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinora.plugins.forms.shape_forms import settled_shapes, unread_shape
from kinora.plugins.forms.turned_boxes import turned_box
from kinora.plugins.forms.values import LARGEST as LARGEST  # noqa: PLC0414 - for all that read places in results
from kinora.plugins.forms.values import finite, finite_list, unwrapped

BOX = ("x", "y", "width", "height")
"""In pixels of the source frame; x and y are the top left corner."""
MAX_KEYS = 8
"""The most keys of a detection that a sentence names, each cut to ``MAX_KEY`` characters."""
MAX_KEY = 40
_CONFIDENCES = ("confidence", "conf", "score", "probability", "prob")
_CLASS_NAMES = ("class", "class_name", "label", "name", "category", "category_name", "cls")
_CLASS_NUMBERS = ("class", "class_id", "cls", "label", "category", "category_id")
_TRACKS = ("track_id", "tracker_id")
_FURTHER = frozenset({"tracker_id", "mask", "rle", "segmentation", "segments", "polygon", "keypoints", "angle"})
"""The keys of what is settled beside a box, its confidence, class and track."""
_NUMBERS = (int, float)
_ROUNDED = 0.001
"""A confidence that lies outside 0 to 1 by less comes from rounding."""
_ADVICE = "give x, y, width and height in pixels"

_Box = tuple[float, ...]


def _from_corners(left: float, top: float, right: float, bottom: float) -> _Box:
    return left, top, right - left, bottom - top


def _from_centre(x: float, y: float, width: float, height: float) -> _Box:
    return x - width / 2, y - height / 2, width, height


def _from_corner(x: float, y: float, width: float, height: float) -> _Box:
    return x, y, width, height


_NAMED: Sequence[tuple[Sequence[str], Callable[..., _Box]]] = (
    (BOX, _from_corner),
    (("x", "y", "w", "h"), _from_corner),
    (("left", "top", "width", "height"), _from_corner),
    (("x1", "y1", "x2", "y2"), _from_corners),
    (("x0", "y0", "x1", "y1"), _from_corners),
    (("xmin", "ymin", "xmax", "ymax"), _from_corners),
    (("x_min", "y_min", "x_max", "y_max"), _from_corners),
    (("left", "top", "right", "bottom"), _from_corners),
    (("cx", "cy", "w", "h"), _from_centre),
    (("cx", "cy", "width", "height"), _from_centre),
)
"""Four keys, each with a number."""
_LISTED: Mapping[str, Callable[..., _Box]] = {
    "xyxy": _from_corners,
    "ltrb": _from_corners,
    "ltwh": _from_corner,
    "tlwh": _from_corner,
    "cxcywh": _from_centre,
}
"""A key with four numbers."""
_NESTED = ("box", "bbox", "bounding_box", "rect")
"""A key with a box in one of the forms of ``_NAMED``."""
_AMBIGUOUS = {
    **dict.fromkeys(
        _NESTED, f"may be x1, y1, x2, y2 or x, y, width, height, so it is not read: name it xyxy, or {_ADVICE}"
    ),
    "xywh": f"may begin with the corner or the centre, so it is not read: name it ltwh or cxcywh, or {_ADVICE}",
}
"""A key with four numbers that different programs mean differently."""


class NoBoxError(ValueError):
    """A detection whose box cannot be read; the text is a sentence."""


def settle_detections(result: dict[str, Any]) -> str | None:
    """Give the ``detections`` of a result, which is plain JSON, Kinora's keys beside their own.

    Returns a sentence about the first one of which something cannot be read; None if there is none.
    """
    listed = result.get("detections")
    if listed is None:
        return None
    if not isinstance(listed, list):
        return f"detections must be a list of dicts, not a {type(listed).__name__}"
    fault: str | None = None
    for place, entry in enumerate(listed):
        try:
            listed[place] = told = settled(entry)
            fault = fault or _unread(told)
        except NoBoxError as error:
            fault = fault or str(error)
    return fault


def _unread(told: Mapping[str, Any]) -> str | None:
    """A sentence about what a settled detection says beside its box and cannot be read; None if there is none."""
    confidence: Any = told.get("confidence")
    if type(confidence) in _NUMBERS and not -_ROUNDED <= confidence <= 1 + _ROUNDED:
        return "the confidence of a detection is below 0 or above 1: give a number from 0 to 1"
    if type(confidence) not in _NUMBERS and _says(told, _CONFIDENCES):
        return "the confidence of a detection cannot be read: give a number from 0 to 1"
    if type(told.get("class")) is not str and _says(told, (*_CLASS_NAMES, *_CLASS_NUMBERS)):
        return "the class of a detection cannot be read: give a text or a whole number"
    if type(told.get("track_id")) is not int and _says(told, _TRACKS):
        return "the track_id of a detection cannot be read: give a whole number"
    return unread_shape(told)


def _says(entry: Mapping[str, Any], keys: Sequence[str]) -> bool:
    return any(entry.get(key) is not None for key in keys)


def settled(entry: object) -> dict[str, Any]:
    """A detection with x, y, width and height as numbers, and confidence, class, track_id and shapes if it has any.

    Its other keys stay, as do those that were right.

    Raises:
        NoBoxError: it has no box that can be read.
    """
    if not isinstance(entry, dict):
        raise NoBoxError(f"a detection must be a dict, not a {type(entry).__name__}: {_ADVICE}")
    if _is_settled(entry):
        return entry
    return {**entry, **box_of(entry), **_confidence(entry), **_class(entry), **_track(entry), **settled_shapes(entry)}


def _is_settled(entry: Mapping[str, Any]) -> bool:
    """Whether a detection is in Kinora's own form, as most are: found out fast."""
    return (
        all(type(entry.get(key)) in _NUMBERS and abs(entry[key]) <= LARGEST for key in (*BOX, "confidence"))
        and min(entry["width"], entry["height"]) >= 1
        and type(entry.get("class")) is str
        and type(entry.get("track_id", 0)) is int
        and _FURTHER.isdisjoint(entry)
    )


def box_of(entry: Mapping[str, Any]) -> dict[str, float]:
    """The x, y, width and height of a detection, which is plain JSON; of a turned box the angle, too.

    Raises:
        NoBoxError: it has no box that can be read.
    """
    turned = turned_box(entry)
    box = _read_box(entry) if turned is None else tuple(turned[key] for key in BOX)
    if box is None:
        keys = ", ".join(key[:MAX_KEY] for key in list(entry)[:MAX_KEYS])
        raise NoBoxError(f"a detection has no box that can be read: {_ADVICE}, beside its {keys or 'nothing'}")
    x, y, width, height = box
    if max(map(abs, box)) > LARGEST:
        raise NoBoxError(f"the box of a detection lies beyond {LARGEST:,.0f} pixels: {_ADVICE}")
    if width < 0 or height < 0:
        raise NoBoxError("the box of a detection has its right or lower edge before the left or upper one")
    if 0 <= x <= 1 and 0 <= y <= 1 and 0 < width < 1 and 0 < height < 1:
        raise NoBoxError(f"the box of a detection is smaller than a pixel: {_ADVICE}, not in shares of the frame")
    return dict(zip(BOX, box, strict=True)) if turned is None else turned


def _read_box(entry: Mapping[str, Any]) -> _Box | None:
    """The box of the first form that fits; None if none does.

    Raises:
        NoBoxError: the one that fits has several meanings.
    """
    for keys, form in _NAMED:
        if numbers := finite_list([entry.get(key) for key in keys], len(BOX)):
            return form(*numbers)
    for key, form in _LISTED.items():
        if numbers := finite_list(unwrapped(entry.get(key)), len(BOX)):
            return form(*numbers)
    for key, fault in _AMBIGUOUS.items():
        if isinstance(inner := unwrapped(entry.get(key)), dict):
            return _read_box({name: value for name, value in inner.items() if name not in _NESTED})
        if finite_list(inner, len(BOX)):
            raise NoBoxError(f"{key} of a detection {fault}")
    return None


def _confidence(entry: Mapping[str, Any]) -> dict[str, float]:
    found = (finite(entry.get(key)) for key in _CONFIDENCES)
    confidence = next((number for number in found if number is not None), None)
    return {} if confidence is None else {"confidence": confidence}


def _class(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The class by its name, else by its number; beside a name, a number in ``class`` becomes the ``class_id``."""
    names = (entry.get(key) for key in _CLASS_NAMES)
    name = next((name for name in names if isinstance(name, str)), None)
    if name is None:
        number = _first_whole(entry, _CLASS_NUMBERS)
        return {} if number is None else {"class": str(number)}
    if entry.get("class") == name:
        return {}
    number = _first_whole(entry, ("class_id", "class"))
    return {"class": name} if number is None else {"class": name, "class_id": number}


def _track(entry: Mapping[str, Any]) -> dict[str, int]:
    number = _first_whole(entry, _TRACKS)
    return {} if number is None else {"track_id": number}


def _first_whole(entry: Mapping[str, Any], keys: Sequence[str]) -> int | None:
    """The first whole number at one of these keys; None if there is none."""
    numbers = (finite(entry.get(key)) for key in keys)
    return next((int(number) for number in numbers if number is not None and float(number).is_integer()), None)
