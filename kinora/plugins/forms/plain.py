"""Turns the values that programs keep things in into those that JSON has: text, numbers, lists and dicts.

Numbers of numpy, arrays, dataclasses, enums, sets, times, paths and their like. Their contents are left as they are.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
import math
import uuid
from collections import deque
from collections.abc import ItemsView, KeysView, Mapping, ValuesView
from collections.abc import Set as AbstractSet
from pathlib import PurePath
from typing import Any

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

MAX_ARRAY_ELEMENTS = 10_000
"""The most elements of an array, a tensor or a range; a larger one is no plain value."""
_SIXTY_FOUR_BITS = 2**63
_NO_SECONDS = (np.dtype("m8[Y]"), np.dtype("m8[M]"))  # years and months have no certain length
_LISTS = (deque, KeysView, ValuesView, ItemsView)


class NotPlainError(ValueError):
    """A value that JSON cannot express; the text continues a sentence that begins with its place."""


def enum_value(value: object) -> Any:
    """The value of a member of an enum; None for anything else."""
    return value.value if isinstance(value, enum.Enum) else None


def as_text(value: object) -> str | None:
    """The text that stands for a time, a path or a UUID; None for anything else."""
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value) if isinstance(value, PurePath | uuid.UUID) else None


def as_number(value: object) -> float | None:
    """The number of a decimal, or the seconds of a duration; None for anything else."""
    if isinstance(value, dt.timedelta):
        return value.total_seconds()
    if not isinstance(value, decimal.Decimal):
        return None
    number = math.nan if value.is_nan() else float(value)
    return int(value) if number.is_integer() and abs(number) < _SIXTY_FOUR_BITS else number


def as_record(value: object) -> Mapping[Any, Any] | None:
    """The names and values of a record, such as a dataclass; None for anything else."""
    if isinstance(value, type):
        return None
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    kind: Any = type(value)
    if attrs.has(kind):
        return {field.name: getattr(value, field.name) for field in attrs.fields(kind)}
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.asdict(value)
    dump = getattr(value, "model_dump", None)  # of pydantic
    dumped = dump() if callable(dump) else None
    return dumped if isinstance(dumped, Mapping) else None


def as_list(value: object) -> list[Any] | None:
    """The items of a deque, a view of a dict, a range or a set, which is sorted if it can be; None for anything else.

    Raises:
        NotPlainError: it is a range that is too long.
    """
    if isinstance(value, AbstractSet) and not isinstance(value, _LISTS):
        return _sorted(value)
    if isinstance(value, range):
        _check_size(len(value), "a range")
    return list(value) if isinstance(value, (range, *_LISTS)) else None


def array_items(value: np.generic | NDArray[Any]) -> Any:
    """The number, text or nested lists of an array; times as ISO 8601, durations in seconds.

    Raises:
        NotPlainError: it is too large, or JSON has no word for its elements.
    """
    _check_size(value.size, "an array")
    match value.dtype.kind:
        case "f":
            # tolist() leaves a long double as it is: Python has no such number.
            return value.astype(np.float64).tolist()
        case "b" | "i" | "u" | "U" | "O":
            return value.tolist()
        case "M":
            texts = np.datetime_as_string(np.asarray(value)).astype(object)
            return np.where(np.isnat(value), np.array(math.nan, object), texts).tolist()
        case "m" if value.dtype.newbyteorder("=") not in _NO_SECONDS:
            return (np.asarray(value) / np.timedelta64(1, "s")).tolist()
    raise NotPlainError(f"is an array of {value.dtype}, which JSON cannot express; use an array of numbers")


def tensor_items(value: object) -> Any:
    """What ``tolist`` gives of a tensor or a series of another library; None for anything else.

    Raises:
        NotPlainError: it is too large.
    """
    tolist, shape = getattr(value, "tolist", None), getattr(value, "shape", None)
    if isinstance(value, type | memoryview) or not callable(tolist) or not isinstance(shape, tuple):
        return None
    _check_size(math.prod(shape), "an array")
    return tolist()


def key_text(key: object) -> str | None:
    """The text of a key as Python's json writes it, and of times, paths and UUIDs; None for anything else."""
    if type(key) is str:
        return key
    if isinstance(key, enum.Enum) and not isinstance(key, str):
        return key_text(key.value)
    if isinstance(key, np.generic) and not isinstance(key, str):
        return key_text(key.item())
    if isinstance(key, str):
        return str.__str__(key)  # the base class's own: a subclass may override its text
    if key is None or isinstance(key, bool):
        return {None: "null", True: "true", False: "false"}[key]
    if isinstance(key, int):
        return int.__repr__(key)
    if isinstance(key, float):
        return float.__repr__(key)
    return as_text(key)


def _sorted(items: AbstractSet[Any]) -> list[Any]:
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def _check_size(size: int, kind: str) -> None:
    if size > MAX_ARRAY_ELEMENTS:
        raise NotPlainError(f"is {kind} of {size} elements; at most {MAX_ARRAY_ELEMENTS} are allowed")
