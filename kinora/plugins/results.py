"""Turns a plugin's result into JSON text, or says in a sentence why it cannot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec
import numpy as np

MAX_ARRAY_ELEMENTS = 10_000
MAX_DEPTH = 32
MAX_RESULT_BYTES = 4 * 2**20


class BadResult(ValueError):
    """A result that JSON cannot express; the text says what and where."""


@attrs.frozen
class Encoded:
    """A result as JSON text."""

    data: bytes
    nulled: str | None
    """The path of the first number that was NaN or infinite and became null; None if there was none."""


def encode_result(value: object) -> Encoded | None:
    """The JSON text of a result; None for None.

    numpy numbers and arrays of up to ``MAX_ARRAY_ELEMENTS`` are turned into JSON, NaN and infinity into null.

    Raises:
        BadResult: it is not a mapping, holds a value that JSON cannot express, is nested too deeply (or in itself), or
            is too large.
    """
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise BadResult(f"a result must be a dict or None, not {type(value).__name__}")
    cleaner = _Cleaner()
    data = msgspec.json.encode(cleaner.clean(value, "", 0))
    if len(data) > MAX_RESULT_BYTES:
        raise BadResult(f"the result is {len(data)} bytes of JSON; at most {MAX_RESULT_BYTES} are allowed")
    return Encoded(data, cleaner.nulled)


class _Cleaner:
    def __init__(self) -> None:
        self.nulled: str | None = None

    def clean(self, value: Any, path: str, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        # Use the base class's own method: a subclass (an Enum, say) may override its text or number.
        if isinstance(value, float):
            return self._float(float.__float__(value), path)
        if isinstance(value, int):
            return _integer(int.__int__(value), path)
        if isinstance(value, str):
            return _text(str.__str__(value), path)
        if depth > MAX_DEPTH:
            raise BadResult(f"{path[:80]}… is nested too deeply (or contains itself)")
        if isinstance(value, np.generic | np.ndarray):
            return self._array(value, path, depth)
        if isinstance(value, Mapping):
            return {
                (name := _key(key, path)): self.clean(item, f"{path}.{name}" if path else name, depth + 1)
                for key, item in value.items()
            }
        if isinstance(value, list | tuple):
            return [self.clean(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
        place, kind = path or "the result", type(value).__name__
        raise BadResult(f"{place} has type {kind}, which JSON cannot express; use numbers, text, lists or dicts")

    def _float(self, value: float, path: str) -> float | None:
        if math.isfinite(value):
            return value
        if self.nulled is None:
            self.nulled = path
        return None

    def _array(self, value: np.generic | np.ndarray[Any, Any], path: str, depth: int) -> Any:
        if value.size > MAX_ARRAY_ELEMENTS:
            raise BadResult(f"{path} is an array of {value.size} elements; at most {MAX_ARRAY_ELEMENTS} are allowed")
        if value.dtype.kind not in "biuf":
            raise BadResult(f"{path} is an array of {value.dtype}, which JSON cannot express; use an array of numbers")
        # tolist() leaves a long double as it is: Python has no such number.
        plain = value.astype(np.float64) if value.dtype.kind == "f" else value
        return self.clean(plain.tolist(), path, depth + 1)


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise BadResult(f"{path or 'the result'} has a key of type {type(key).__name__}; keys must be text")
    return _text(str.__str__(key), path)


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise BadResult(f"{path or 'the result'} holds text that is not valid Unicode") from None
    return value


def _integer(value: int, path: str) -> int:
    if not -(2**63) <= value < 2**64:
        raise BadResult(f"{path} is an integer of more than 64 bits")
    return value
