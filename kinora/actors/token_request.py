"""The requests about tokens, and how they are read from JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import attrs
import msgspec

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.request_values import READER, Reader, Refused, one_of, optional, read_by
from kinora.actors.token_table import Role

MAX_SECRET = 256
"""The most characters that are looked at as a token."""
_NAME = re.compile(r"\w[\w .@:+-]{0,63}")
_T = TypeVar("_T", bound=attrs.AttrsInstance)


def _name(value: Any, _type: Any) -> str:
    if not isinstance(value, str) or _NAME.fullmatch(value) is None:
        raise Refused("must be 1 to 64 letters, digits, spaces or any of . _ - @ : +, and begin with a letter or digit")
    return value


def _secret(value: Any, _type: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_SECRET:
        raise Refused(f"must be text of 1 to {MAX_SECRET} characters")
    return value


_SECRET = Reader(_secret, Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_SECRET)])


@attrs.frozen(kw_only=True)
class NewToken:
    """A token to be made."""

    name: str = attrs.field(metadata=read_by(Reader(_name, Annotated[str, msgspec.Meta(pattern=f"^{_NAME.pattern}$")])))
    """What it is for, by which people know it; no other token has this name."""
    role: Role = attrs.field(metadata=read_by(one_of("operate", "view")))
    """``operate`` may do everything, ``view`` may read and watch."""


@attrs.frozen(kw_only=True)
class SignIn:
    """A browser's wish for the cookie that stands for a token."""

    token: str = attrs.field(metadata=read_by(_SECRET), repr=False)


@attrs.frozen(kw_only=True)
class NewLink:
    """A link to be made."""

    token: str | None = attrs.field(default=None, metadata=read_by(optional(_SECRET)), repr=False)
    """The token to sign in by; null for the one that the request itself comes with."""


def read_request(kind: type[_T], data: object) -> _T:
    """Return the request of this kind in ``data``, which is decoded JSON.

    Raises:
        InvalidRequest: with the path and a sentence for each error.
    """
    if not isinstance(data, dict):
        raise InvalidRequest("The request must be a JSON object.")
    fields = attrs.fields_dict(kind)
    errors = [
        FieldError(key, f"is unknown; known here are: {', '.join(fields)}") for key in sorted({*data} - {*fields})
    ]
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
