"""The table of tokens: what is stored of each, and its statements and queries, which block."""

from __future__ import annotations

import sqlite3
from typing import Literal

import attrs

from kinora.actors.store.database import Statement

Role = Literal["operate", "view"]
"""``operate`` may do everything; ``view`` may read and watch, and change nothing."""


@attrs.frozen
class Token:
    """A token as it is stored: without the secret itself, of which the digests tell nothing."""

    id: str
    name: str
    role: Role
    created_at: str
    """ISO 8601 in UTC."""
    last_used_at: str | None
    """As ``created_at``, to a minute; None for a token that was never used."""
    digest: bytes = attrs.field(repr=False)
    """The SHA-256 of the secret."""
    cookie_digest: bytes = attrs.field(repr=False)
    """The SHA-256 of the cookie that stands for it."""


_COLUMNS = ", ".join(field.name for field in attrs.fields(Token))


def add_token(token: Token) -> Statement:
    """Add a token; only this statement fails (IntegrityError) if its name is taken."""
    columns = attrs.astuple(token)
    return Statement(f"INSERT INTO tokens ({_COLUMNS}) VALUES ({', '.join('?' * len(columns))})", columns)  # noqa: S608


def delete_token(token_id: str) -> Statement:
    """Delete a token."""
    return Statement("DELETE FROM tokens WHERE id = ?", (token_id,))


def note_token_use(token_id: str, used_at: str) -> Statement:
    """Note when a token was used last."""
    return Statement("UPDATE tokens SET last_used_at = ? WHERE id = ?", (used_at, token_id))


def tokens(connection: sqlite3.Connection) -> list[Token]:
    """Return all tokens, the first to be made first."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM tokens ORDER BY rowid")  # noqa: S608 - constants
    return [Token(*row) for row in rows]


def folder_id(connection: sqlite3.Connection) -> str:
    """Return the database's own id."""
    return str(connection.execute("SELECT id FROM folder").fetchone()[0])
