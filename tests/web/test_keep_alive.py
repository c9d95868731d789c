"""Idle connections to a whole server, Quart included; the limits pass on a virtual clock."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.connection.server import REQUEST_S

ANSWERED = b"GET /v1/plugins HTTP/1.1\r\nHost: localhost\r\n\r\n"
NOT_FOUND = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
FOREIGN = b"GET /v1/plugins HTTP/1.1\r\nHost: evil.example\r\n\r\n"
INVALID = b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
EVENTS = b"GET /v1/realtime HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n"
GRACE_S = 60.0
"""Far longer than a stop takes on any machine."""
SHORTLY_S = 0.1
SETTLED_S = 0.05
"""The server has dealt with what came once all tasks have waited for this long, in real time."""


@pytest.fixture
def clock() -> MockClock:
    """A clock that goes like the real one until it is held."""
    return MockClock(rate=1)


@contextmanager
def held(clock: MockClock) -> Iterator[None]:
    """Only ``pass_by`` moves the clock while the block runs."""
    clock.rate = 0
    try:
        yield
    finally:
        clock.rate = 1


async def pass_by(clock: MockClock, seconds: float) -> None:
    """Let this much time pass, and the server do what is then due."""
    await wait_all_tasks_blocked(SETTLED_S)
    clock.jump(seconds)
    await wait_all_tasks_blocked(SETTLED_S)


class Client:
    """A connection that is kept alive."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream

    async def send(self, data: bytes) -> None:
        """Send a request, or a piece of one."""
        await self._stream.send_all(data)

    async def ask(self, request: bytes) -> None:
        """Send a request, and take all of its answer that comes at once."""
        await self._stream.send_all(request)
        assert (await self._stream.receive_some()).startswith(b"HTTP/1.1 ")
        assert await self.is_open()

    async def is_open(self) -> bool:
        """Once the server has dealt with what came: take what it sent, return False if that ends with an end."""
        await wait_all_tasks_blocked(SETTLED_S)
        with suppress(BlockingIOError):
            while os.read(self._stream.socket.fileno(), 2**16):
                pass
            return False
        return True


@asynccontextmanager
async def client_of(server: RunningServer) -> AsyncIterator[Client]:
    """A client that has sent nothing yet."""
    async with await trio.open_tcp_stream("127.0.0.1", int(server.url.rpartition(":")[2])) as stream:
        yield Client(stream)


@pytest.mark.parametrize("request_", [ANSWERED, NOT_FOUND, FOREIGN, INVALID], ids=["200", "404", "403", "422"])
async def test_a_connection_is_closed_after_its_last_answer(
    clock: MockClock, server: RunningServer, request_: bytes
) -> None:
    """The limit counts from the last answer, whatever part of the server gave it."""
    async with client_of(server) as client:
        with held(clock):
            for _ in range(2):
                await client.ask(request_)
                await pass_by(clock, REQUEST_S - SHORTLY_S)
                assert await client.is_open()
            await pass_by(clock, 2 * SHORTLY_S)
            assert not await client.is_open()


async def test_a_connection_without_a_request_is_closed(clock: MockClock, server: RunningServer) -> None:
    """The limit counts from the start of the connection if it asks for nothing."""
    async with client_of(server) as client:
        with held(clock):
            await pass_by(clock, REQUEST_S - SHORTLY_S)
            assert await client.is_open()
            await pass_by(clock, 2 * SHORTLY_S)
            assert not await client.is_open()


async def test_half_a_second_request_gains_no_time(clock: MockClock, server: RunningServer) -> None:
    """Pieces of a request head do not put off the close: the whole head must have come in time."""
    async with client_of(server) as client:
        with held(clock):
            await client.ask(ANSWERED)
            for piece in (b"GET /v1/plugins HTTP/1.1\r\n", b"Host: localhost\r\n", b"X: "):
                await pass_by(clock, REQUEST_S / 3 - SHORTLY_S)
                await client.send(piece)
            assert await client.is_open()
            await pass_by(clock, 4 * SHORTLY_S)
            assert not await client.is_open()


async def test_a_stream_is_not_idle(clock: MockClock, server: RunningServer) -> None:
    """A stream of events on a connection that has had an answer before lasts longer than the limit."""
    async with client_of(server) as client:
        with held(clock):
            await client.ask(ANSWERED)
            await client.ask(EVENTS)
            await pass_by(clock, REQUEST_S + SHORTLY_S)
            assert await client.is_open()


async def test_idle_connections_do_not_delay_the_stop(settings: Settings) -> None:
    """The server stops long before its grace period is over, with connections that have had an answer."""
    async with AsyncExitStack() as clients:
        async with open_server(attrs.evolve(settings, shutdown_grace_s=GRACE_S)) as server:
            for request in (ANSWERED, NOT_FOUND, FOREIGN, INVALID):
                await (await clients.enter_async_context(client_of(server))).ask(request)
            began = trio.current_time()
        assert trio.current_time() - began < GRACE_S
