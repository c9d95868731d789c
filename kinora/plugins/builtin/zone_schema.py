"""The options of ``zones`` in which places are drawn by hand: a form finds them by their ``format``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_SHAPES = 50
"""The most zones, and the most lines."""
MAX_CORNERS = 100
"""The most corners of a zone."""
MAX_NAME = 60
"""The most characters of a zone's or a line's name."""
LARGEST = 100_000
"""The largest coordinate, in pixels."""

_POINT = {
    "type": "array",
    "items": {"type": "number", "minimum": -LARGEST, "maximum": LARGEST},
    "minItems": 2,
    "maxItems": 2,
}


def _points(kind: str, least: int, most: int, description: str) -> dict[str, Any]:
    return {
        "type": "array",
        "format": kind,
        "items": _POINT,
        "minItems": least,
        "maxItems": most,
        "description": description,
    }


def _shapes(shape: str, points: Mapping[str, Any], description: str) -> dict[str, Any]:
    name = {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_NAME,
        "pattern": "^[^:]*$",  # a colon stands between a name and what is counted, as in "door: person"
        "description": "The name in counts and events, without a colon, and no other zone's or line's.",
    }
    return {
        "type": "array",
        "maxItems": MAX_SHAPES,
        "items": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name", shape],
            "properties": {"name": name, shape: points},
        },
        "default": [],
        "description": description,
    }


ZONES = _shapes(
    "polygon",
    _points("polygon", 3, MAX_CORNERS, "The corners, [x, y] each, in pixels of the source's frames."),
    "Zones in which things are counted, each a polygon with a name.",
)
LINES = _shapes(
    "line",
    _points(
        "line",
        2,
        2,
        "The two ends, [x, y] each, in pixels. A crossing to its right, as one looks along it, counts as in.",
    ),
    "Lines that things cross, each from one point to another with a name.",
)
ANCHOR = {
    "type": "string",
    "enum": ["bottom", "center"],
    "default": "bottom",
    "description": "Where a thing is: the middle of its box's lower side, as of people's feet, or the box's centre.",
}
