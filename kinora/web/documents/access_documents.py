"""The documents about who may use the server: sessions, tokens and links."""

from __future__ import annotations

from typing import Any

import msgspec

from kinora.actors.field_types import Count, Time
from kinora.actors.store.token_table import Role, Token


class Session(msgspec.Struct, kw_only=True):
    """What the client may do."""

    role: Role
    """``operate`` may do everything, ``view`` may read and watch."""
    name: str | None
    """The name of the client's token; null where no token is needed."""
    token_needed: bool
    """True if clients of this server need a token."""


class TokenInfo(msgspec.Struct, kw_only=True):
    """A token, without the secret itself."""

    id: str
    name: str
    role: Role
    created_at: Time
    last_used_at: Time | None
    """To a minute; null if it was never used."""


class TokenList(msgspec.Struct, kw_only=True):
    """All tokens, the first to be made first."""

    tokens: list[TokenInfo]


class TokenMade(TokenInfo, kw_only=True):
    """A new token."""

    token: str
    """The secret itself, which is told this once: keep it."""


class LoginLink(msgspec.Struct, kw_only=True):
    """A link that signs one browser in, once."""

    links: list[str]
    """The same link by each address of the server."""
    lives_s: Count
    """The seconds for which it can be used."""


def token_info(token: Token) -> TokenInfo:
    """What clients see of a token."""
    return TokenInfo(**_shown(token))


def token_made(token: Token, secret: str) -> TokenMade:
    """What the client that has made a token sees of it."""
    return TokenMade(**_shown(token), token=secret)


def _shown(token: Token) -> dict[str, Any]:
    return {name: getattr(token, name) for name in TokenInfo.__struct_fields__}
