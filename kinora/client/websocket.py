"""A client's WebSocket: how it is opened, how it is kept open beside a block, and what its loss means."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol
from urllib.parse import SplitResult

import trio
from trio_websocket import ConnectionClosed, ConnectionRejected, WebSocketConnection, wrap_client_stream

from kinora.client.errors import ClientError, refused
from kinora.client.http import open_stream

CONNECT_S = 10.0
"""The time for a connection and its handshake."""
SERVER_ERROR = 500
"""From this status of a refused handshake on, another attempt may succeed."""
MAX_MESSAGE_BYTES = 16 * 2**20
"""A larger message of the server ends the connection."""


class Link(Protocol):
    """A connection that is opened again whenever it is lost."""

    async def run(self) -> None:
        """Keep it open."""

    async def wait_connected(self) -> None:
        """Wait until it is open for the first time. Raises ClientError if it cannot be."""


@asynccontextmanager
async def running(link: Link) -> AsyncIterator[None]:
    """Run ``link`` beside the block, which is entered once it is connected. What the block raises comes ungrouped."""
    failure: Exception | None = None
    async with trio.open_nursery() as nursery:
        try:
            nursery.start_soon(link.run)
            await link.wait_connected()
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, outside the nursery, so that it comes ungrouped
            failure = error
        nursery.cancel_scope.cancel("the client is done")
    if failure is not None:
        raise failure


@asynccontextmanager
async def open_socket(
    address: SplitResult,
    target: str,
    headers: list[tuple[bytes, bytes]],
    ca_file: str | Path | None,
    *,
    certificate: Path | None = None,
    max_message_bytes: int = MAX_MESSAGE_BYTES,
) -> AsyncIterator[WebSocketConnection]:
    """Connect and do the handshake, each within CONNECT_S; the connection is gone after the block.

    ``certificate`` is as for :func:`~kinora.client.http.open_stream`.
    """
    # The stream is ours: trio-websocket leaves its own open when the server closes first or refuses.
    with trio.fail_after(CONNECT_S):
        stream = await open_stream(address, ca_file, certificate)
    async with stream, trio.open_nursery() as nursery:
        with trio.fail_after(CONNECT_S):
            socket = await wrap_client_stream(
                nursery, stream, address.netloc, target, max_message_size=max_message_bytes, extra_headers=headers
            )
        yield socket


def end_of(lost: BaseExceptionGroup[Exception], final: Mapping[int, str]) -> ClientError | None:
    """The reason not to connect again; None if another attempt may succeed.

    ``final`` has the close codes after which none does, and why.
    """
    for error in leaves(lost):
        match error:
            case ClientError():
                return error
            case ConnectionRejected() if error.status_code < SERVER_ERROR:
                return refused(error.status_code, error.body or b"")
            case ConnectionClosed(reason=reason) if reason is not None and reason.code in final:
                return ClientError(": ".join(filter(None, [final[reason.code], reason.reason])))
    return None


def leaves(group: BaseExceptionGroup[Exception]) -> list[Exception]:
    """The errors in a group and in all groups within it."""
    found: list[Exception] = []
    for error in group.exceptions:
        found += leaves(error) if isinstance(error, BaseExceptionGroup) else [error]
    return found
