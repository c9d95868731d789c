"""Turns a plugin's result into JSON text, or says in a sentence why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import msgspec
import numpy as np

from kinora.plugins.forms import plain
from kinora.plugins.forms.catalogue import MAX_RESULT_BYTES as MAX_RESULT_BYTES  # noqa: PLC0414 - the limits in one place
from kinora.plugins.forms.detection_forms import settle_detections
from kinora.plugins.forms.library_results import with_plain_library_results
from kinora.plugins.forms.mask_arrays import Size, with_plain_masks
from kinora.plugins.forms.plain import MAX_ARRAY_ELEMENTS as MAX_ARRAY_ELEMENTS  # noqa: PLC0414 - the limits in one place
from kinora.plugins.forms.plain import NotPlainError

MAX_DEPTH = 32
MAX_PLACE = 500  # characters of a path in a sentence


class BadResult(ValueError):
    """A result that JSON cannot express at all; the text says what and where."""


@attrs.frozen
class Encoded:
    """A result as JSON text."""

    data: bytes
    nulled: str | None = None
    """The path of the first number that was NaN or infinite and became null; None if there was none."""
    lost: str | None = None
    """A sentence about the first value that JSON cannot express; None if there was none."""

    misread: str | None = None
    """A sentence about the first detection that cannot be read; None if there was none."""
    of_frame: bool = False
    """True if it is the result of a frame, whose events count."""

    @property
    def fault(self) -> str | None:
        """What is wrong with the result, in a sentence; None if nothing."""
        nulled = None if self.nulled is None else f"{self.nulled[:MAX_PLACE]} is NaN or infinite and became null"
        return "; ".join(fault for fault in (self.lost, nulled, self.misread) if fault is not None) or None


def encode_frame_result(value: object, size: Size) -> Encoded | None:
    """The JSON text of a frame's result, as :func:`encode_result` says, with its detections in Kinora's form.

    ``size`` is the frame's height and width.
    """
    if value is None:
        return None
    cleaner = _Cleaner()
    told, misplaced = with_plain_masks(with_plain_library_results(value), size)
    cleaned = cleaner.mapping(told)
    misread = settle_detections(cleaned)
    encoded = cleaner.encoded(cleaned)
    return attrs.evolve(encoded, misread=misplaced or misread, of_frame=True)


def encode_result(value: object) -> Encoded | None:
    """The JSON text of a result; None for None.

    What programs keep things in is turned into JSON by ``plain``. In place of a value that JSON cannot express there is
    null; the entry of such a key is left out.

    Raises:
        BadResult: it is not a mapping, is nested too deeply (or in itself), or is too large.
    """
    if value is None:
        return None
    cleaner = _Cleaner()
    return cleaner.encoded(cleaner.mapping(value))


def encode_value(value: object) -> Encoded:
    """The JSON text of any value, as :func:`encode_result` says.

    Raises:
        BadResult: it is nested too deeply (or in itself), or is too large.
    """
    cleaner = _Cleaner()
    return cleaner.encoded(cleaner.value(value))


_PLAIN_FORMS: Sequence[Callable[[object], object]] = (
    plain.enum_value,
    plain.as_text,
    plain.as_number,
    plain.as_list,
    plain.as_record,
    plain.tensor_items,
)
"""Each returns None for a value of another kind."""


class _Cleaner:
    def __init__(self) -> None:
        self._nulled: str | None = None
        self._lost: str | None = None

    def mapping(self, value: object) -> dict[str, Any]:
        """The plain form of a whole result."""
        result = value if isinstance(value, Mapping) else plain.as_record(value)
        if result is None:
            raise BadResult(f"a result must be a dict or None, not {type(value).__name__}")
        return self._dict(result, "", 0)

    def value(self, value: object) -> Any:
        """The plain form of any value, or null."""
        return self._clean(value, "the value", 0)

    def encoded(self, cleaned: Any) -> Encoded:
        data = msgspec.json.encode(cleaned)
        if len(data) > MAX_RESULT_BYTES:
            raise BadResult(f"the result is {len(data)} bytes of JSON; at most {MAX_RESULT_BYTES} are allowed")
        return Encoded(data, self._nulled, self._lost)

    def _clean(self, value: object, path: str, depth: int) -> Any:
        """The plain form of a value, or null."""
        try:
            return self._plain(value, path, depth)
        except NotPlainError as error:
            self._lose(f"{path} {error}; null stands in its place")
            return None

    def _plain(self, value: object, path: str, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return value
        # Use the base class's own method: a subclass (an Enum, say) may override its text or number.
        if isinstance(value, float):
            return self._float(float.__float__(value), path)
        if isinstance(value, int):
            return _integer(int.__int__(value))
        if isinstance(value, str):
            return _text(str.__str__(value))
        if depth > MAX_DEPTH:
            raise BadResult(f"{path[:80]}… is nested too deeply (or contains itself)")
        return self._container(value, path, depth)

    def _container(self, value: object, path: str, depth: int) -> Any:
        if isinstance(value, np.generic | np.ndarray):
            return self._clean(plain.array_items(value), path, depth + 1)
        if isinstance(value, Mapping):
            return self._dict(value, path, depth)
        if isinstance(value, list | tuple):
            return [self._clean(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
        for plain_form in _PLAIN_FORMS:
            if (found := plain_form(value)) is not None:
                return self._clean(found, path, depth + 1)
        kind = type(value).__name__
        raise NotPlainError(f"has type {kind}, which JSON cannot express; use numbers, text, lists or dicts")

    def _dict(self, value: Mapping[Any, Any], path: str, depth: int) -> dict[str, Any]:
        cleaned: dict[str, Any] = {}
        for key, item in value.items():
            name = self._key(key, path, cleaned)
            if name is not None:
                cleaned[name] = self._clean(item, f"{path}.{name}" if path else name, depth + 1)
        return cleaned

    def _key(self, key: object, path: str, taken: Mapping[str, Any]) -> str | None:
        """The text of a key; None if there is none that is valid and free."""
        place = path or "the result"
        name = plain.key_text(key)
        if name is None:
            fault = f"has a key of type {type(key).__name__}; keys must be text or numbers"
        elif not _is_unicode(name):
            fault = "holds a key that is not valid Unicode"
        elif name in taken:
            fault = f"has two keys that read {name!r}"
        else:
            return name
        self._lose(f"{place} {fault}; its value was left out")
        return None

    def _float(self, value: float, path: str) -> float | None:
        if math.isfinite(value):
            return value
        if self._nulled is None:
            self._nulled = path
        return None

    def _lose(self, sentence: str) -> None:
        self._lost = self._lost or sentence


def _text(value: str) -> str:
    if not _is_unicode(value):
        raise NotPlainError("holds text that is not valid Unicode")
    return value


def _is_unicode(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _integer(value: int) -> int:
    if not -(2**63) <= value < 2**64:
        raise NotPlainError("is an integer of more than 64 bits")
    return value
