"""The token that a client shows: given, or found in the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from kinora.client.errors import ClientError

PREFIX = "kin_"
"""The beginning of every token; ``KINORA_TOKEN`` with another value is a setting of the server."""
MAX_BYTES = 1024
"""No more is read of a token's file."""


def token_of_environment(env: Mapping[str, str] | None = None) -> str | None:
    """The token in ``KINORA_TOKEN``, or in the file that ``KINORA_TOKEN_FILE`` names; None if there is none.

    Raises:
        ClientError: the file cannot be read.
    """
    env = os.environ if env is None else env
    if (token := env.get("KINORA_TOKEN", "").strip()).startswith(PREFIX):
        return token
    if file := env.get("KINORA_TOKEN_FILE"):
        return token_in(Path(file))
    return None


def token_in(file: Path) -> str:
    """The token in a file.

    Raises:
        ClientError: the file cannot be read, or has none.
    """
    try:
        with file.open("rb") as opened:
            token = opened.read(MAX_BYTES).decode("ascii", "replace").strip()
    except OSError as error:
        raise ClientError(f"The token's file {file} cannot be read: {error.strerror}") from error
    if not token:
        raise ClientError(f"The token's file {file} is empty")
    return token


def authorization(token: str | None) -> dict[str, str]:
    """The header that shows the token; none for None.

    Raises:
        ClientError: it has characters that no token has.
    """
    if token is None:
        return {}
    if not (token.isascii() and token.isprintable() and " " not in token):
        raise ClientError(
            f"The token has characters that none has: it begins with {PREFIX}, and letters and digits follow"
        )
    return {"Authorization": f"Bearer {token}"}
