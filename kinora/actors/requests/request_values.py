"""Readers: each checks and returns the value of one field of a request. A field names its reader in its metadata."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import attrs
import msgspec

READER = "reader"
"""The key of the reader in a field's metadata."""
DEVICE_PATTERN = re.compile(r"auto|cpu|gpu|cuda:(0|[1-9][0-9]?)")
_NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"
"""Some character that is no space, and no NUL, which no text of a request may contain."""


@attrs.frozen
class Reader:
    """A check of one value, together with the type that tells others what it accepts."""

    read: Callable[[Any, Any], Any]
    """A structure hook of cattrs: takes decoded JSON and the field's type, and returns the field's value."""
    accepts: Any
    """The type of the JSON that is accepted; msgspec makes the published schema from it."""

    def __call__(self, value: Any, type_: Any) -> Any:
        """Return the field's value.

        Raises:
            Refused: ``value`` is not valid here.
        """
        return self.read(value, type_)


class Refused(Exception):
    """A value is not valid in its field; ``str()`` of the error says which values are."""


def read_by(reader: Reader) -> dict[str, Reader]:
    """Return the metadata of a field that ``reader`` reads."""
    return {READER: reader}


def integer(lowest: int, highest: int) -> Reader:
    """Return a reader that accepts whole numbers from ``lowest`` to ``highest``."""

    def read(value: Any, _type: Any) -> int:
        # bool is a subclass of int, and 1.0 equals 1; both are refused.
        if type(value) is not int or not lowest <= value <= highest:
            raise Refused(f"must be a whole number from {lowest:,} to {highest:,}")
        return value

    return Reader(read, Annotated[int, msgspec.Meta(ge=lowest, le=highest)])


def number(lowest: float, highest: float) -> Reader:
    """Return a reader that accepts numbers from ``lowest`` to ``highest``, whole ones or not."""

    def read(value: Any, _type: Any) -> float:
        if type(value) not in {int, float} or not lowest <= value <= highest:
            raise Refused(f"must be a number from {lowest:,} to {highest:,}")
        return float(value)

    return Reader(read, Annotated[float, msgspec.Meta(ge=lowest, le=highest)])


def amounts(most: int, longest: int, highest: float) -> Reader:
    """Return a reader that accepts an object of at most ``most`` names, each with a number up to ``highest``."""
    name, amount = text(longest), number(0, highest)

    def read(value: Any, type_: Any) -> Mapping[str, float]:
        if not isinstance(value, dict) or len(value) > most:
            raise Refused(f'must be an object of at most {most} names and numbers, such as {{"licence": 1}}')
        try:
            return {name(key, type_): amount(item, type_) for key, item in value.items()}
        except Refused as refusal:
            raise Refused(
                f"must have names of 1 to {longest:,} characters, and numbers from 0 to {highest:,}"
            ) from refusal

    of_names = dict[name.accepts, amount.accepts]  # type: ignore[name-defined]  # a type made at run time
    return Reader(read, Annotated[of_names, msgspec.Meta(max_length=most)])


def some_of(*words: str) -> Reader:
    """Return a reader that accepts a list of some of these words."""

    def read(value: Any, _type: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not value or not all(isinstance(one, str) and one in words for one in value):
            raise Refused(f"must be a list of some of {', '.join(words)}")
        return tuple(dict.fromkeys(value))

    word = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(words)})]
    return Reader(read, Annotated[list[word], msgspec.Meta(min_length=1)])


def text(longest: int) -> Reader:
    """Return a reader that accepts text that is not blank, of at most ``longest`` characters."""

    def read(value: Any, _type: Any) -> str:
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            raise Refused(f"must be text of 1 to {longest:,} characters")
        return value

    return Reader(read, Annotated[str, msgspec.Meta(min_length=1, max_length=longest, pattern=_NOT_BLANK)])


def one_of(*words: str) -> Reader:
    """Return a reader that accepts one of these words."""

    def read(value: Any, _type: Any) -> str:
        if value not in words:
            raise Refused(f"must be {' or '.join(words)}")
        return str(value)

    return Reader(read, Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(words)})])


def either(word: str, reader: Reader) -> Reader:
    """Return a reader that accepts what ``reader`` does, and the word, which it returns as it is."""

    def read(value: Any, type_: Any) -> Any:
        if value == word:
            return word
        try:
            return reader(value, type_)
        except Refused as refusal:
            raise Refused(f"{refusal}, or {word}") from refusal

    return Reader(read, reader.accepts | Annotated[str, msgspec.Meta(extra_json_schema={"enum": [word]})])


def optional(reader: Reader) -> Reader:
    """Return a reader that also accepts null."""
    return Reader(lambda value, type_: None if value is None else reader(value, type_), reader.accepts | None)


def _flag(value: Any, _type: Any) -> bool:
    if not isinstance(value, bool):
        raise Refused("must be true or false")
    return value


def _device(value: Any, _type: Any) -> str:
    if not isinstance(value, str) or not DEVICE_PATTERN.fullmatch(value):
        raise Refused("must be auto, cpu, gpu or cuda:N, such as cuda:0")
    return value


def _mapping(value: Any, _type: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise Refused("must be an object")
    return value


flag = Reader(_flag, bool)
"""Accepts true and false."""
device = Reader(_device, Annotated[str, msgspec.Meta(pattern=f"^(?:{DEVICE_PATTERN.pattern})$")])
"""Accepts a device by the names that clients use."""
mapping = Reader(_mapping, dict[str, Any])
"""Accepts any object."""
