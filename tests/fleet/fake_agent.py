"""An agent that speaks the link over a real WebSocket and does no work: the test says what it tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar
from urllib.parse import urlsplit

import attrs
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from kinora.actors.pipeline.pipeline_link import Event
from kinora.fleet.events import encode_event
from kinora.fleet.link import (
    MAX_MESSAGE_BYTES,
    Attempt,
    FromAgent,
    FromServer,
    Hello,
    Load,
    Renew,
    Renewed,
    Told,
    Welcome,
    decode_from_server,
    encode,
)
from kinora.serve import RunningServer
from tests.fleet.kit import hello

PATH = "/v1/agents/link"
SAFETY_S = 60.0
LOAD = Load(busy_cpus=0.5, memory=2**20, workers=3)
M = TypeVar("M")


@attrs.define(eq=False)
class FakeAgent:
    """One connection of it."""

    socket: WebSocketConnection
    others: list[FromServer] = attrs.field(factory=list)
    """What came while something else was waited for."""

    async def send(self, message: FromAgent) -> None:
        """Send a message."""
        await self.socket.send_message(encode(message))

    async def receive(self) -> FromServer:
        """The next message."""
        with trio.fail_after(SAFETY_S):
            data = await self.socket.get_message()
        assert isinstance(data, bytes)
        message: FromServer = decode_from_server(data)
        return message

    async def next(self, kind: type[M]) -> M:
        """The next message of a kind; others before it are kept aside."""
        while not isinstance(message := await self.receive(), kind):
            self.others.append(message)
        return message

    async def renew(self) -> Renewed:
        """Have the lease renewed."""
        await self.send(Renew(asked_at=trio.current_time(), load=LOAD))
        return await self.next(Renewed)

    async def tell(self, attempt: Attempt, first: int, *events: Event) -> None:
        """Tell events."""
        await self.send(Told(attempt=attempt, first=first, events=tuple(map(encode_event, events))))


@asynccontextmanager
async def connection(server: RunningServer, **headers: str) -> AsyncIterator[FakeAgent]:
    """A connection on which nothing was said; at the end of the block it is cut, without a goodbye."""
    address = urlsplit(server.url)
    host, port = address.hostname or "", address.port or 0
    shown = [(name.encode(), value.encode()) for name, value in headers.items()]
    with trio.fail_after(SAFETY_S):
        async with await trio.open_tcp_stream(host, port) as stream, trio.open_nursery() as nursery:
            socket = await wrap_client_stream(
                nursery, stream, f"{host}:{port}", PATH, extra_headers=shown, max_message_size=MAX_MESSAGE_BYTES
            )
            yield FakeAgent(socket)
            nursery.cancel_scope.cancel()


@asynccontextmanager
async def agent(server: RunningServer, said: Hello | None = None, **given: Any) -> AsyncIterator[FakeAgent]:
    """An agent that has been welcomed."""
    async with connection(server) as opened:
        await opened.send(said or hello(**given))
        await opened.next(Welcome)
        yield opened


async def end_of(opened: FakeAgent) -> str:
    """Wait until the server closes the connection, and return its reason."""
    with suppress(ConnectionClosed):
        while True:
            opened.others.append(await opened.receive())
    closed = opened.socket.closed
    assert closed is not None
    return str(closed.reason)
