"""The requests about tokens; :func:`~kinora.actors.requests.flat_request.read_request` reads them from JSON."""

from __future__ import annotations

import re
from typing import Annotated, Any

import attrs
import msgspec

from kinora.actors.requests.request_values import Reader, Refused, one_of, optional, read_by
from kinora.actors.store.token_table import Role

MAX_SECRET = 256
"""The most characters that are looked at as a token."""
_NAME = re.compile(r"\w[\w .@:+-]{0,63}")


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
