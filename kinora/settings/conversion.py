"""Converts what is written in a file, a variable or a flag to the type that it is wanted as."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from kinora.settings.fields import Bytes
from kinora.settings.sizes import read_size

PATHS = (Path, tuple[Path, ...])
KIND_NAMES: Mapping[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    Bytes: "a size such as 10G, 500M or 1048576 bytes",
    float: "a number",
    str: "text",
    Path: "a path",
    tuple[str, ...]: "a list of texts",
    tuple[Path, ...]: "a list of paths",
    tuple[int, ...]: "a list of whole numbers",
    tuple[Any, ...]: "a list",
    Mapping[str, Any]: "a table",
}
_WORDS = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


def written(kind: Any) -> Any:
    """The type that a value may be written as: None says that nothing is set, and cannot be written."""
    others = [inner for inner in get_args(kind) if inner is not NoneType]
    return others[0] if NoneType in get_args(kind) else kind


def converted(kind: Any, value: object) -> object:
    """``value`` converted to ``kind``; text, as from the environment, is parsed as that kind.

    Raises:
        TypeError, ValueError: it cannot be; the text says what it must be.
        RuntimeError: it is a path below a home folder, and there is none.
    """
    if kind is Any:
        return value
    if get_origin(kind) is Mapping:
        if not isinstance(value, Mapping):
            raise TypeError(f"must be a table, not {value!r}")
        return value
    if get_origin(kind) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if not isinstance(items, list | tuple):
            raise TypeError(f"must be a list, not {value!r}")
        return tuple(converted(get_args(kind)[0], item) for item in items if item != "")
    if kind is Path:
        if not isinstance(value, str | Path):
            raise TypeError(f"must be a path, not {value!r}")
        return Path(value).expanduser()
    read = _from_text(kind, value) if isinstance(value, str) else value
    if type(read) is int and kind is float:
        return float(read)
    if type(read) is not (int if kind == Bytes else kind):
        raise TypeError(f"must be {KIND_NAMES[kind]}, not {value!r}")
    return read


def _from_text(kind: Any, text: str) -> object:
    if kind is bool:
        return _WORDS.get(text.lower(), text)
    try:
        return _size(text) if kind == Bytes else kind(text)
    except ValueError:
        return text


def _size(text: str) -> int:
    """The bytes; a whole number is taken as it is, so that one below 0 is told from what is no size."""
    try:
        return int(text)
    except ValueError:
        return read_size(text)
