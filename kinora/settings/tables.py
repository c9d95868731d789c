"""Tables of ``kinora.toml`` that have names of their own, such as ``[cameras.front]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import attrs

from kinora.nearest import nearest
from kinora.runtime.files.home_paths import in_home
from kinora.settings.conversion import PATHS, converted, written

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class TableError(Exception):
    """A table that cannot be used. ``place`` is where, such as ``.front.url``; ``str()`` says what must be there."""

    def __init__(self, place: str, message: str) -> None:
        super().__init__(message)
        self.place = place


def class_of_tables(kind: Any) -> type[attrs.AttrsInstance] | None:
    """The class of each table if a setting of this kind is made of tables; else None."""
    return get_args(kind)[1] if get_origin(kind) is Mapping else None


def kinds_in(cls: type[attrs.AttrsInstance]) -> dict[str, Any]:
    """Key of such a table → the type of its value."""
    return {name: written(kind) for name, kind in get_type_hints(cls, include_extras=True).items()}


def read_tables(cls: type[attrs.AttrsInstance], value: object) -> Mapping[str, object]:
    """Name → what its table makes of ``cls``.

    Raises:
        TableError: one cannot be used.
    """
    if not isinstance(value, Mapping):
        raise TableError("", "must be tables of kinora.toml, each with a name of its own")
    return {name: _read_table(cls, name, table) for name, table in value.items()}


def _read_table(cls: type[attrs.AttrsInstance], name: str, table: object) -> object:
    place = f".{name}"
    if not _NAME.fullmatch(name):
        raise TableError(place, "write the name in letters, digits, _ and -, at most 64 of them")
    if not isinstance(table, Mapping):
        raise TableError(place, "must be a table")
    values = {key: _read_key(cls, f"{place}.{key}", key, value) for key, value in table.items()}
    for field in attrs.fields(cls):
        if field.default is attrs.NOTHING and field.name not in values:
            raise TableError(f"{place}.{field.name}", "is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise TableError(place, str(error)) from error


def _read_key(cls: type[attrs.AttrsInstance], place: str, key: str, value: object) -> object:
    kinds = kinds_in(cls)
    if key not in kinds:
        raise TableError(place, f"there is no such key; there are: {', '.join(kinds)}{nearest(key, kinds)}")
    try:
        read = converted(kinds[key], value)
        field = attrs.fields_dict(cls)[key]
        if field.validator is not None:
            field.validator(None, field, read)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TableError(place, str(error.args[0] if error.args else error)) from error
    return read


def placed(cls: type[attrs.AttrsInstance], folder: Path, value: object) -> object:
    """The tables with their relative paths below ``folder``; what is not as it should be stays as it is."""
    if not isinstance(value, Mapping):
        return value
    paths = {key for key, kind in kinds_in(cls).items() if kind in PATHS}
    return {
        name: {key: in_folder(folder, item) if key in paths else item for key, item in table.items()}
        if isinstance(table, Mapping)
        else table
        for name, table in value.items()
    }


def in_folder(folder: Path, value: object) -> object:
    """A path, or each path of a list, that begins in ``folder`` if it is relative."""
    if isinstance(value, list):
        return [in_folder(folder, item) for item in value]
    return folder / in_home(value) if isinstance(value, str) else value
