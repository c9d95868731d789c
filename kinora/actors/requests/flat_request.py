"""Reads a request whose fields hold no further objects from JSON, each field by the reader in its metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import attrs

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.requests.request_values import READER, Refused

_T = TypeVar("_T", bound=attrs.AttrsInstance)


def read_request(kind: type[_T], data: object) -> _T:
    """Return the request of this kind in ``data``, which is decoded JSON.

    Raises:
        InvalidRequest: with the field and a sentence for each error.
    """
    if not isinstance(data, dict):
        raise InvalidRequest("The request must be a JSON object.")
    fields = attrs.fields_dict(kind)
    known = ", ".join(fields)
    errors = [FieldError(key, f"is unknown; known here are: {known}") for key in sorted({*data} - {*fields})]
    values: dict[str, Any] = {}
    for name, field in fields.items():
        try:
            values |= _read(name, field, data)
        except Refused as error:
            errors.append(FieldError(name, str(error)))
    if errors:
        raise InvalidRequest("The request is not valid.", errors)
    return kind(**values)


def _read(name: str, field: attrs.Attribute[Any], data: Mapping[str, Any]) -> dict[str, Any]:
    if name in data:
        return {name: field.metadata[READER](data[name], field.type)}
    if field.default is attrs.NOTHING:
        raise Refused("is missing")
    return {}
