"""Short ways to write the JSON Schemas of the built-in plugins' options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

MAX_NAMES = 2_000
"""The most names in a list: more than the classes of any public detection model."""
MAX_NAME = 200
"""The most characters of a name."""


def options_schema(**options: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of an object with these options and no others."""
    return {"type": "object", "additionalProperties": False, "properties": options}


def number(default: float, low: float, high: float, description: str, *, unit: str = "") -> dict[str, Any]:
    """A number from ``low`` to ``high``, both allowed; ``unit`` is read after it, as "pixels" or "of the picture"."""
    return {
        "type": "number",
        "default": default,
        "minimum": low,
        "maximum": high,
        "description": description,
        **({"unit": unit} if unit else {}),
    }


def integer(default: int, low: int, high: int, description: str, *, unit: str = "") -> dict[str, Any]:
    """A whole number from ``low`` to ``high``, both allowed, with a ``unit`` as in ``number``."""
    return {**number(default, low, high, description, unit=unit), "type": "integer"}


def boolean(default: bool, description: str) -> dict[str, Any]:
    """True or false."""
    return {"type": "boolean", "default": default, "description": description}


def names(description: str) -> dict[str, Any]:
    """A list of names, empty by default."""
    return {
        "type": "array",
        "maxItems": MAX_NAMES,
        "items": {"type": "string", "maxLength": MAX_NAME},
        "uniqueItems": True,  # the last: its check compares all pairs of items that are not text
        "default": [],
        "description": description,
    }
