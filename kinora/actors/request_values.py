"""Readers: what is taken as the value of one field of a request. Each stands in the metadata of its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

READER = "reader"
"""The key of a field's metadata under which its reader stands."""
DEVICE_PATTERN = re.compile(r"auto|cpu|gpu|cuda:(0|[1-9][0-9]?)")

Reader = Callable[[Any, Any], Any]
"""A structure hook of cattrs: takes decoded JSON and the field's type, and gives the field's value."""


class Refused(Exception):
    """A value cannot stand in its field; ``str()`` of the error says what can."""


def read_by(reader: Reader) -> dict[str, Reader]:
    """The metadata of a field that is read by ``reader``."""
    return {READER: reader}


def integer(lowest: int, highest: int) -> Reader:
    """Take a whole number from ``lowest`` to ``highest``."""

    def read(value: Any, _type: Any) -> int:
        # bool is an int to Python, and 1.0 equals 1; neither is what was asked for.
        if type(value) is not int or not lowest <= value <= highest:
            raise Refused(f"must be a whole number from {lowest:,} to {highest:,}")
        return value

    return read


def text(longest: int) -> Reader:
    """Take text that is not blank."""

    def read(value: Any, _type: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise Refused(f"must be text of 1 to {longest:,} characters")
        return value

    return read


def one_of(*words: str) -> Reader:
    """Take one of these words."""

    def read(value: Any, _type: Any) -> str:
        if value not in words:
            raise Refused(f"must be {' or '.join(words)}")
        return str(value)

    return read


def optional(reader: Reader) -> Reader:
    """Take null besides."""
    return lambda value, type_: None if value is None else reader(value, type_)


def device(value: Any, _type: Any) -> str:
    """Take the name of a device as clients ask for it."""
    if not isinstance(value, str) or not DEVICE_PATTERN.fullmatch(value):
        raise Refused("must be auto, cpu, gpu or cuda:N, such as cuda:0")
    return value


def mapping(value: Any, _type: Any) -> Mapping[str, Any]:
    """Take any object."""
    if not isinstance(value, dict):
        raise Refused("must be an object")
    return value
