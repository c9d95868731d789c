"""The whole realtime server with many clients, bad ones too: a stalled client delays no other."""

from __future__ import annotations

import random
import signal
import socket
import statistics
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import attrs
import msgspec
import pytest
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import AcceptConnection, CloseConnection, Ping, Pong, Request, TextMessage

from kinora.actors.realtime import client_session
from kinora.actors.realtime.connection_manager import ConnectionManager
from kinora.actors.realtime.filters import Filters
from kinora.runtime.events import outbox
from kinora.runtime.events.broadcast import Subscription
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.connection import byte_queue
from tests.actors.realtime_kit import frame, progress
from tests.client_kit import exchange

SMALL_BUFFER = 8 * 1024
READING, STALLED = 180, 20
CLIENTS = 20
"""With habits of their own. More at once are the business of ``benchmarks.storms``."""
GRACE_S = 3.0
PLENTY_S = 30.0
"""The longest wait of a test; shorter than the stall limit, which would end the wait by itself."""
STALL_S = 2.0
"""The stall limit in these tests, long enough that good clients on a busy machine are not taken to be stalled."""
UNNUMBERED = frozenset({"metadata", "ping"})
"""Messages that carry the id of the last message before them. (On a busy machine a test is long enough for a ping.)"""
READER = """
import socket, sys
sock = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
sock.sendall(sys.argv[2].encode())
print(sock.recv(12), flush=True)
while sock.recv(65536):
    pass
"""


class Client:
    """A strict WebSocket client: wsproto refuses everything that breaks the protocol."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self.protocol = WSConnection(ConnectionType.CLIENT)
        self.messages: list[dict[str, Any]] = []
        self.pongs: list[bytes] = []
        self.close_code: int | None = None
        self._text = ""

    async def upgrade(self, query: str) -> None:
        """Ask for the WebSocket and wait for the handshake."""
        await self.send(Request(host="localhost", target=f"/v1/realtime?{query}"))
        while not await self.receive():
            pass

    async def send(self, event: Any) -> None:
        """Send one event."""
        await self.stream.send_all(self.protocol.send(event))

    async def receive(self) -> bool:
        """Receive the next events; return True if the handshake was among them."""
        data = await self.stream.receive_some(SMALL_BUFFER)
        self.protocol.receive_data(bytes(data) or None)
        accepted = False
        for event in self.protocol.events():
            accepted = accepted or isinstance(event, AcceptConnection)
            await self._take(event)
        return accepted

    async def _take(self, event: Any) -> None:
        match event:
            case TextMessage(data=data, message_finished=finished):
                self._text += data
                if finished:
                    self.messages.append(msgspec.json.decode(self._text))
                    self._text = ""
            case Pong(payload=payload):
                self.pongs.append(bytes(payload))
            case Ping():
                if self.protocol.state is ConnectionState.OPEN:  # else it has said goodbye already
                    await self.send(event.response())
            case CloseConnection(code=code):
                self.close_code = code

    def has_frame(self, index: int) -> bool:
        """Return True if this frame is among the last messages."""
        return any(message["payload"].get("index") == index for message in self.messages[-3:])

    async def read_to_end(self) -> None:
        """Receive everything until the connection is closed."""
        with suppress(trio.BrokenResourceError):
            while self.close_code is None:
                await self.receive()


@asynccontextmanager
async def client(server: RunningServer, query: str) -> AsyncIterator[Client]:
    """A client after the handshake, with a small receive buffer."""
    sock = trio.socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    await sock.connect(("127.0.0.1", port_of(server)))
    async with trio.SocketStream(sock) as stream:
        made = Client(stream)
        await made.upgrade(query)
        yield made


def port_of(server: RunningServer) -> int:
    """The port that the server listens on."""
    return int(server.url.rpartition(":")[2])


def manager_of(server: RunningServer) -> ConnectionManager:
    """The server's connection manager."""
    assert server.system.connections is not None
    return server.system.connections


async def hold(
    server: RunningServer, query: str, seen: list[int | None], *, task_status: trio.TaskStatus[None]
) -> None:
    """Connect, read until the connection is closed, and add the close code to ``seen``."""
    async with client(server, query) as one:
        task_status.started()
        await one.read_to_end()
        seen.append(one.close_code)


async def hold_stalled(server: RunningServer, released: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    """Connect and read nothing."""
    async with client(server, "job_id=stall"):
        task_status.started()
        await released.wait()


async def nobody_listens(manager: ConnectionManager) -> None:
    """Wait until the last session has unsubscribed."""
    departure = trio.lowlevel.ParkingLot()
    unsubscribe = manager.unsubscribe

    def counted_out(subscription: Subscription, filters: Filters) -> None:
        unsubscribe(subscription, filters)
        departure.unpark_all()

    manager.unsubscribe = counted_out  # type: ignore[method-assign]
    while manager.feed.statistics().subscribers:
        await departure.park()


async def test_a_stop_with_many_clients_and_stalled_ones_keeps_to_the_grace(settings: Settings) -> None:
    """With 200 clients, 20 of which take none of their megabytes, the stop ends in time and the others get 1001."""
    codes: list[int | None] = []
    released = trio.Event()
    async with trio.open_nursery() as nursery:
        async with open_server(attrs.evolve(settings, shutdown_grace_s=GRACE_S)) as server:
            for _ in range(READING):
                await nursery.start(hold, server, "job_id=other", codes)  # noqa: ASYNC111 - it outlives the server
            for _ in range(STALLED):
                await nursery.start(hold_stalled, server, released)  # noqa: ASYNC111
            manager = manager_of(server)
            for index in range(100):
                manager.broadcast(frame(index, job_id="stall", size=64 * 1024))
                await trio.testing.wait_all_tasks_blocked()
            waiting = [session.statistics().waiting for session in manager.active_connections.values()]  # type: ignore[attr-defined]
            assert sum(count > 0 for count in waiting) == STALLED
            began = trio.current_time()
        assert trio.current_time() - began < PLENTY_S
        released.set()
    assert codes == [1001] * READING


async def publish_and_time(manager: ConnectionManager, one: Client, count: int) -> float:
    """Publish ``count`` messages and return the median time in which they reach this client."""
    times = []
    for index in range(count):
        before = len(one.messages)
        began = trio.current_time()
        manager.broadcast(frame(index, size=20_000))
        while len(one.messages) == before:
            await one.receive()
        times.append(trio.current_time() - began)
    return statistics.median(times)


async def test_a_stopped_client_is_cut_and_the_others_feel_nothing(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client process under SIGSTOP is cut off after the stall limit; another's messages come as fast as before."""
    monkeypatch.setattr(byte_queue, "STALL_S", STALL_S)
    monkeypatch.setattr(client_session, "STALL_S", STALL_S)
    manager = manager_of(server)
    protocol = WSConnection(ConnectionType.CLIENT)
    head = protocol.send(Request(host="localhost", target="/v1/realtime")).decode()
    async with client(server, "types=frame") as one, trio.open_nursery() as nursery:
        command = [sys.executable, "-c", READER, str(port_of(server)), head]
        process = await nursery.start(partial(trio.run_process, command, stdout=subprocess.PIPE, check=False))
        await process.stdout.receive_some()
        alone = await publish_and_time(manager, one, 100)
        assert len(manager.active_connections) == 2
        process.send_signal(signal.SIGSTOP)
        beside = []
        while len(manager.active_connections) == 2:
            beside.append(await publish_and_time(manager, one, 100))
        process.kill()
        alone = max(alone, await publish_and_time(manager, one, 100))  # the machine may have become busier meanwhile
    assert statistics.median(beside) < 2 * alone + 0.002


async def test_an_event_stream_that_nobody_reads_is_cut(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes that wait for it are bounded until the stall limit; then its session ends."""
    monkeypatch.setattr(client_session, "STALL_S", STALL_S)
    manager = manager_of(server)
    async with exchange(f"{server.url}/v1/realtime") as stalled:
        await stalled.head()
        await trio.testing.wait_all_tasks_blocked()
        [session] = manager.active_connections.values()
        for index in range(200):
            manager.broadcast(frame(index, size=200_000))
            await trio.lowlevel.checkpoint()
            assert session.statistics().waiting_bytes <= outbox.MAX_BYTES  # type: ignore[attr-defined]
        with trio.fail_after(PLENTY_S):
            await nobody_listens(manager)
    assert not manager.active_connections


async def test_a_peer_that_has_vanished_is_given_up(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection whose client sends nothing, not even a pong, is closed with 1013 at the limit."""
    monkeypatch.setattr(client_session, "SILENCE_S", 0.3)
    monkeypatch.setattr(client_session, "PING_S", 0.1)
    async with client(server, "") as one:
        one.send = deaf  # type: ignore[method-assign]
        await one.read_to_end()
        assert one.close_code == 1013
    assert not manager_of(server).active_connections


async def deaf(event: Any) -> None:
    """Send nothing."""


async def test_a_pong_of_the_protocol_is_a_sign_of_life(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that does not know our messages, but answers pings as every browser does, stays connected."""
    monkeypatch.setattr(client_session, "SILENCE_S", 2)
    monkeypatch.setattr(client_session, "PING_S", 0.1)
    async with client(server, "") as one:
        while sum(message["type"] == "ping" for message in one.messages) < 30:
            await one.receive()
            assert one.close_code is None


@attrs.frozen
class Habits:
    """The behaviour of one client: how often it stalls, and after how many messages it leaves, if ever."""

    seed: int
    leaves_after: int | None


async def live(server: RunningServer, habits: Habits, last: int, *, task_status: trio.TaskStatus[None]) -> Client:
    """Read, stall, ping and perhaps leave in the middle; otherwise stay until the last message."""
    chance = random.Random(habits.seed)  # noqa: S311 - a test's
    async with client(server, f"types=frame,progress&session_id={uuid_of(habits.seed)}") as one:
        task_status.started()
        pings = 0
        while one.close_code is None and not one.has_frame(last):
            for _ in range(chance.choice((0, 0, 0, 200))):
                await trio.lowlevel.checkpoint()
            if chance.random() < 0.2:
                await one.send(Ping(b"%d" % pings))
                pings += 1
            if habits.leaves_after is not None and len(one.messages) > habits.leaves_after:
                await one.send(CloseConnection(code=1000))
                break
            await one.receive()
        while one.close_code is None and len(one.pongs) < pings:
            await one.receive()
        check(one, pings)
    return one


def uuid_of(number: int) -> str:
    """The UUID of the session ``number``."""
    return f"00000000-0000-4000-8000-{number:012d}"


def check(one: Client, pings: int) -> None:
    """Check that it got each message up to its last, once and in order, and all pongs, except those after a close."""
    numbers = [int(message["id"].partition("-")[2]) for message in one.messages if message["type"] not in UNNUMBERED]
    assert numbers == list(range(1, len(numbers) + 1))
    assert one.pongs == [b"%d" % number for number in range(len(one.pongs))]
    assert one.close_code is not None or len(one.pongs) == pings


async def test_clients_that_stall_ping_and_leave_get_everything_in_order(server: RunningServer) -> None:
    """With buffers of 8 KB all bytes parse; nothing is lost, repeated or out of order, and nothing follows a close."""
    manager = manager_of(server)
    last = 200
    async with trio.open_nursery() as nursery:
        for seed in range(CLIENTS):
            habits = Habits(seed, leaves_after=seed * 10 if seed % 5 == 0 else None)
            await nursery.start(live, server, habits, last)
        for index in range(last + 1):
            manager.broadcast(frame(index, size=index % 7 * 1500))
            manager.broadcast(progress(index * 99 // last))
            if index % 3 == 0:
                await trio.lowlevel.checkpoint()
            if index % 30 == 0:
                await trio.testing.wait_all_tasks_blocked()
