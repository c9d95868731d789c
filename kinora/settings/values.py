"""Makes of a value as written, in a file or as text, the value of its setting."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_type_hints

import attrs

from kinora.nearest import nearest
from kinora.settings.conversion import converted, written
from kinora.settings.fields import Settings, SettingsError
from kinora.settings.tables import TableError, class_of_tables, read_tables

KINDS: Mapping[str, Any] = {name: written(kind) for name, kind in get_type_hints(Settings, include_extras=True).items()}
"""Setting → the type of its values."""


def checked_value(origin: str, name: str, value: object) -> object:
    """The value of the setting, converted to its type.

    Raises:
        SettingsError: there is no such setting, or it cannot have this value; the text begins with ``origin``.
    """
    if name not in KINDS:
        known = ", ".join(sorted(KINDS))
        raise SettingsError(f"{origin}: there is no setting '{name}'; there are: {known}{nearest(name, KINDS)}")
    if (tables := class_of_tables(KINDS[name])) is not None:
        try:
            return read_tables(tables, value)
        except TableError as error:
            raise SettingsError(f"{origin}{error.place}: {error}") from error
    try:
        read = converted(KINDS[name], value)
        field = attrs.fields_dict(Settings)[name]
        if field.validator is not None:
            field.validator(None, field, read)
    except (TypeError, ValueError, RuntimeError) as error:  # a RuntimeError of expanduser: there is no home folder
        raise SettingsError(f"{origin}: {error.args[0] if error.args else error}") from error
    return read
