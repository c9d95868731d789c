"""Servers that need a token, and clients that have one, for the tests."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from kinora.serve import RunningServer
from tests.client_kit import Answer, post, request

WRONG_TOKEN = "kin_" + "x" * 43


def bearer(token: str | None) -> dict[str, str]:
    """The header that shows a token; none for None."""
    return {} if token is None else {"authorization": f"Bearer {token}"}


def owner(server: RunningServer) -> dict[str, str]:
    """The header that shows the server's own token."""
    assert server.token is not None
    return bearer(server.token)


async def make_token(server: RunningServer, name: str, role: str = "view") -> dict[str, Any]:
    """A new token, as the server tells it once."""
    answer = await post(f"{server.url}/v1/tokens", {"name": name, "role": role}, **owner(server))
    assert answer.status == 201, answer.body
    made: dict[str, Any] = answer.json()
    return made


async def revoke(server: RunningServer, token_id: str) -> Answer:
    """Revoke a token."""
    return await request(f"{server.url}/v1/tokens/{token_id}", "DELETE", headers=owner(server))


async def close_of(opened: WebSocketConnection) -> tuple[int, str]:
    """The code and reason with which the server closes a WebSocket; earlier messages are ignored."""
    with trio.fail_after(60), suppress(ConnectionClosed):
        while True:
            await opened.get_message()
    assert opened.closed is not None
    return opened.closed.code, opened.closed.reason or ""
