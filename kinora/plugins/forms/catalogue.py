"""The catalogue of what a result of a frame may say: each class defines a form of JSON, and its schema.

All places are in pixels of the source frame, from its top left corner; they may lie outside of it. A result may have
further keys, which are kept, but neither drawn nor exported.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

MAX_RESULT_BYTES = 4 * 2**20
"""The size of the largest result, as JSON; server and worker refuse larger ones."""
MAX_EVENT_KIND, MAX_EVENT_MESSAGE = 64, 1_000
"""The most characters of an event's kind and of its message."""
LEAST_CORNERS = 3
"""The fewest corners of a polygon."""
LEAST_SEEN = 0.25
"""A key point with a lower confidence counts as unseen: it is not drawn, and exports say so."""

Pair = tuple[float, float]
"""x and y."""
Keypoint = tuple[float, float, float | None]
"""x, y and the confidence, 0 to 1: a point of confidence 0 was not seen."""
_Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
_Size = Annotated[int, msgspec.Meta(ge=1)]


class Mask(msgspec.Struct, frozen=True, kw_only=True):
    """The pixels of a thing, as a crop of the frame."""

    x: int
    """The left edge of the crop, in whole pixels of the frame."""
    y: int
    """The upper edge of the crop."""
    width: _Size
    """The width of the crop."""
    height: _Size
    """The height of the crop."""
    counts: str
    """COCO's compressed run-length code of the crop, column by column, as pycocotools gives it."""


class Detection(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something found in a frame, by its box."""

    x: float
    """The left edge of the box."""
    y: float
    """The upper edge of the box."""
    width: float
    """The width of the box."""
    height: float
    """The height of the box."""
    confidence: _Share
    """0 to 1."""
    kind: str = msgspec.field(name="class")
    """The class, such as ``person``; its key in JSON is ``class``."""
    track_id: int | None = None
    """The same number in each frame for one thing."""
    mask: Mask | None = None
    """The thing's pixels."""
    polygon: tuple[Pair, ...] | None = None
    """The thing's outline, three corners or more; it ends where it begins."""
    keypoints: tuple[Keypoint, ...] | None = None
    """Points of the thing in the order of the plugin's ``skeleton``, each with its confidence."""
    angle: float | None = None
    """Degrees by which the box is turned clockwise about its centre; its other numbers are those before the turn."""
    text: str | None = None
    """The text that is written there."""
    attributes: dict[str, Any] | None = None
    """What else is known of the thing, such as its colour."""

    @property
    def box(self) -> tuple[float, float, float, float]:
        """x, y, width and height."""
        return self.x, self.y, self.width, self.height

    def as_json(self) -> dict[str, Any]:
        """The JSON form: places rounded to 0.1 pixel, and of the optional keys those that are set."""
        rounded: dict[str, Any] = {
            "x": _tenth(self.x),
            "y": _tenth(self.y),
            "width": _tenth(self.width),
            "height": _tenth(self.height),
            "confidence": _thousandth(self.confidence),
            "class": self.kind,
        }
        if self.track_id is not None:
            rounded["track_id"] = self.track_id
        return rounded | self._further()

    def _further(self) -> dict[str, Any]:
        """The JSON form of what goes beyond a box with a class."""
        told = {
            "mask": None if self.mask is None else msgspec.structs.asdict(self.mask),
            "polygon": None if self.polygon is None else [[_tenth(x), _tenth(y)] for x, y in self.polygon],
            "keypoints": None if self.keypoints is None else [_rounded(point) for point in self.keypoints],
            "angle": None if self.angle is None else round(float(self.angle), 2),
            "text": self.text,
            "attributes": self.attributes,
        }
        return {key: value for key, value in told.items() if value is not None}


class PictureClass(msgspec.Struct, frozen=True, kw_only=True):
    """A class of the whole picture."""

    kind: str = msgspec.field(name="class")
    """Its name; the key in JSON is ``class``."""
    confidence: _Share
    """0 to 1."""


class Shape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line or a polygon on the picture, such as a zone."""

    points: tuple[Pair, ...]
    """Its corners, two of a line or three of a polygon at least; a polygon ends where it begins."""
    label: str = ""
    """What is written beside it."""


class Point(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A point on the picture."""

    x: float
    """From the left."""
    y: float
    """From above."""
    label: str = ""
    """What is written beside it."""


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened in this frame, which is also told as a message of its own."""

    kind: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_EVENT_KIND)]
    """A word to choose events by, such as ``entered``."""
    message: Annotated[str, msgspec.Meta(max_length=MAX_EVENT_MESSAGE)] = ""
    """A sentence for people."""
    data: Any = None
    """Further facts for programs."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a plugin says of a frame."""

    detections: tuple[Detection, ...] = ()
    """The things that were found."""
    classes: tuple[PictureClass, ...] = ()
    """The classes of the whole picture, the surest first."""
    metrics: dict[str, float | None] = {}
    """Numbers by their names, which are shown over time; null where there is none."""
    lines: tuple[Shape, ...] = ()
    """Lines to draw on the picture."""
    polygons: tuple[Shape, ...] = ()
    """Polygons to draw on the picture, filled lightly."""
    points: tuple[Point, ...] = ()
    """Points to draw on the picture."""
    events: tuple[Event, ...] = ()
    """What happened in this frame."""


CATALOGUE: Mapping[str, type[msgspec.Struct]] = {
    "result": Result,
    "detection": Detection,
    "mask": Mask,
    "class": PictureClass,
    "shape": Shape,
    "point": Point,
    "event": Event,
}
"""The forms by the names of their schemas."""


def _tenth(value: float) -> float:
    return round(float(value), 1)


def _thousandth(value: float) -> float:
    return round(float(value), 3)


def _rounded(point: Keypoint) -> list[float | None]:
    x, y, confidence = point
    return [_tenth(x), _tenth(y), None if confidence is None else _thousandth(confidence)]
