"""Who may do what: the decisions about a request's token, as plain functions of its ASGI scope.

Whatever is not listed as open needs a token, routes that are added later too. What only reads needs any token,
everything else one with the role ``operate``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import parse_qsl

import attrs

from kinora.actors.access.tokens import TokenBook, cookie_of
from kinora.actors.store.token_table import Role, Token
from kinora.web.paths import UI_PAGES
from kinora.web.problems import Problem
from kinora.web.scopes import header_values

READING = frozenset({"GET", "HEAD", "OPTIONS"})
OPEN_FILES = frozenset({*UI_PAGES, "/favicon.svg", "/v1/health", "/v1/ready", "/login"})
"""The addresses that can be read without a token; so can those that begin with ``OPEN_FOLDER``."""
OPEN_FOLDER = "/assets/"
SESSION = "/v1/session"
"""The address at which a browser gives its token; without a good one, reading it is refused as elsewhere."""
TOKENS = "/v1/tokens"
"""The address that only ``operate`` may read, and all below it."""
PICTURES = "/v1/sources/"
"""What begins with it needs ``operate`` also to read: the server opens what the client names."""
FOR_AGENTS = ("/v1/agents/link", "/v1/agents/files/")
"""What only agents use begins with one of these: they need ``operate`` also to read."""
_PUSH = re.compile(r"/v1/jobs/[^/]+/push")
CHALLENGE = {"www-authenticate": 'Bearer realm="kinora"'}
MISSING = Problem(
    401,
    "This server needs a token: send it as Authorization: Bearer, or sign in on the server's page.",
    headers=CHALLENGE,
)
WRONG = Problem(
    401,
    "The token is not one of this server's, or was revoked: ask for a new one where the server runs.",
    headers=CHALLENGE,
)
VIEW_ONLY = Problem(403, "This token may only read and watch: use one with the role operate.")


@attrs.frozen
class Access:
    """What a client may do, and by which token; none where no token is needed."""

    role: Role
    token: Token | None = None
    cookie: str = attrs.field(default="", repr=False)
    """The value of the cookie that stands for the token."""


UNCHECKED = Access("operate")
"""The access of all clients where no token is needed."""


@attrs.frozen
class Credential:
    """What a request shows: a token's secret, or the cookie that stands for it."""

    value: str = attrs.field(repr=False)
    is_cookie: bool


def needed_role(scope: Mapping[str, Any]) -> Role | None:
    """The role that this request needs; None if it is open to all."""
    path, method = scope["path"], scope.get("method", "GET")
    if path == SESSION and method in {"POST", "DELETE"}:
        return None
    if method not in READING or path.startswith((TOKENS, PICTURES, *FOR_AGENTS)) or is_push(scope):
        return "operate"
    return None if scope["type"] == "http" and _is_open(path, scope.get("query_string", b"")) else "view"


def is_push(scope: Mapping[str, Any]) -> bool:
    """True if the client asks for a WebSocket to push pictures by."""
    return scope["type"] == "websocket" and _PUSH.fullmatch(scope["path"]) is not None


def _is_open(path: str, query: bytes) -> bool:
    if path == "/v1/health" and any(name == "details" for name, _ in parse_qsl(query.decode("latin-1"), True)):
        return False
    return path in OPEN_FILES or path.startswith(OPEN_FOLDER)


def credential_of(scope: Mapping[str, Any], cookie: str) -> Credential | None:
    """What the request shows, a header before the cookie of this name; None if it shows nothing."""
    given = ", ".join(header_values(scope, b"authorization")).strip()
    scheme, _, secret = given.partition(" ")
    if scheme.lower() == "bearer":
        return Credential(secret.strip(), is_cookie=False)
    for pair in "; ".join(header_values(scope, b"cookie")).split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals and name == cookie and value:
            return Credential(value, is_cookie=True)
    return None


def access_by(book: TokenBook, shown: Credential) -> Access | None:
    """The access of a client that shows this; None if no token fits it."""
    token = book.by_cookie(shown.value) if shown.is_cookie else book.by_secret(shown.value)
    if token is None:
        return None
    return Access(token.role, token, shown.value if shown.is_cookie else cookie_of(shown.value))


def may(access: Access, needed: Role) -> bool:
    """True if this access is enough."""
    return access.role in {"operate", needed}


def cookie_name(book: TokenBook) -> str:
    """The name of this server's cookie: browsers send cookies to all ports of a host."""
    return f"kinora-{book.folder_id}"


def access_of(scope: Mapping[str, Any]) -> Access | None:
    """The access that the gate has found for this request; None for an open one without a good token."""
    return cast("Access | None", scope["state"]["access"])
