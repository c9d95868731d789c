"""The connection layer with misbehaving clients over real sockets; each test is one way to harm a server."""

from __future__ import annotations

import os
import resource
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
import trio
from structlog.testing import capture_logs
from trio_websocket import WebSocketConnection, open_websocket_url

from kinora.web.connection import byte_queue, server
from kinora.web.connection.server import BindError, Server, bind
from kinora.web.connection.stack import stack_faults
from kinora.web.connection.tls import Certificate
from kinora.web.connection.websocket_stream import text_frame
from tests.authority import Authority

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
)
AUTHORITY: Authority | None = None
"""With one, the servers and clients of these tests speak TLS: see ``test_tls.py``."""
ClientStream = trio.SocketStream | trio.SSLStream[trio.SocketStream]
GRACE_S = 0.3
CLOSED_1009 = b"\x88\x02" + struct.pack("!H", 1009)
PLENTY_S = 20.0
"""The longest wait of a test; shorter than every limit that would end the wait by itself."""


class WatchedServer(Server):
    """A server that tells when a client has left."""

    def __init__(self, app: Any, sockets: Sequence[socket.socket], **limits: Any) -> None:
        super().__init__(app, sockets, **limits)
        self._departure = trio.lowlevel.ParkingLot()

    async def _handle(self, *args: Any) -> None:
        try:
            await super()._handle(*args)
        finally:
            self._departure.unpark_all()

    async def empty(self) -> None:
        """Wait until the server has no connections."""
        while self.statistics().connections:
            await self._departure.park()


@attrs.define
class Running:
    """A server on a free port, running in the test's nursery."""

    server: WatchedServer
    port: int
    authority: Authority | None
    ended: trio.Event = attrs.field(factory=trio.Event)

    def websocket(self) -> AbstractAsyncContextManager[WebSocketConnection]:
        """Open a WebSocket."""
        if self.authority is None:
            return open_websocket_url(f"ws://127.0.0.1:{self.port}/")
        return open_websocket_url(f"wss://127.0.0.1:{self.port}/", self.authority.trusted)

    async def connect(self) -> ClientStream:
        """Open a bare connection, or one that is encrypted if the server's are."""
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        if self.authority is None:
            return stream
        return trio.SSLStream(stream, self.authority.trusted, server_hostname="localhost", https_compatible=True)

    async def is_well(self) -> bool:
        """Return True if another client is served."""
        async with await self.connect() as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return b"HTTP/1.1 200" in await read_all(stream)


@asynccontextmanager
async def running(app: Any, max_sessions: int = 100, grace_s: float = GRACE_S) -> AsyncIterator[Running]:
    """Serve ``app`` while the block runs, then call ``stop``; all of it within ``PLENTY_S``."""
    [sock] = bind("127.0.0.1", 0)
    certificate = None if AUTHORITY is None else Certificate(AUTHORITY.server)
    made = WatchedServer(app, [sock], max_sessions=max_sessions, grace_s=grace_s, certificate=certificate)
    result = Running(made, sock.getsockname()[1], AUTHORITY)

    async def run(task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:  # noqa: ASYNC128
        await made.run(task_status=task_status)
        result.ended.set()

    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(run)
            yield result
            made.stop()


async def read_all(stream: ClientStream) -> bytes:
    """Read everything until the server ends the connection."""
    return b"".join([bytes(chunk) async for chunk in stream])


async def read_until(stream: ClientStream, wanted: bytes) -> bytes:
    """Read until ``wanted`` has come, and not a byte more: the next frame may follow directly."""
    data = b""
    while wanted not in data:
        chunk = await stream.receive_some(1)
        assert chunk, f"closed after {data!r}"
        data += bytes(chunk)
    return data


def masked(opcode: int, payload: bytes, *, final: bool = True, reserved: int = 0) -> bytes:
    """A client's frame, with a mask of zeros."""
    head = bytes((opcode | (0x80 if final else 0) | reserved << 4,))
    if len(payload) < 126:
        length = bytes((0x80 | len(payload),))
    elif len(payload) < 2**16:
        length = b"\xfe" + struct.pack("!H", len(payload))
    else:
        length = b"\xff" + struct.pack("!Q", len(payload))
    return head + length + bytes(4) + payload


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers every HTTP request with 200, echoes every WebSocket message."""
    match scope["type"]:
        case "lifespan":
            await lifespan(receive, send)
        case "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello", "more_body": False})
        case "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            while (event := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "bytes": event["bytes"], "text": event["text"]})


async def lifespan(receive: Any, send: Any) -> None:
    """Answer startup and shutdown of the lifespan."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


def on_websocket(handler: Callable[..., Any]) -> Any:
    """An app like ``hello``, except that it accepts WebSockets and passes them to ``handler``."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            await hello(scope, receive, send)
            return
        await receive()
        await send({"type": "websocket.accept"})
        await handler(scope, receive, send)

    return app


@asynccontextmanager
async def upgraded(target: Running) -> AsyncIterator[ClientStream]:
    """A connection after the handshake, for frames written by hand."""
    async with await target.connect() as stream:
        await stream.send_all(UPGRADE + b"\r\n")
        assert b"101" in await read_until(stream, b"\r\n\r\n")
        yield stream


async def drip(stream: ClientStream) -> None:
    """Send a byte now and then, forever."""
    with suppress(trio.BrokenResourceError):
        while True:
            await stream.send_all(b"G")
            await trio.sleep(0.02)


async def pour(stream: ClientStream, data: bytes, times: int) -> None:
    """Send ``data`` this many times, or until the server has closed the connection."""
    with suppress(trio.BrokenResourceError):
        for _ in range(times):
            await stream.send_all(data)


def resident_bytes() -> int:
    """The resident memory of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def test_data_right_behind_the_upgrade_request_is_kept_and_hurts_nobody() -> None:
    """A frame in the same segment as the upgrade request is answered after the handshake, and the server goes on."""
    async with running(hello) as target:
        async with await target.connect() as stream:
            await stream.send_all(UPGRADE + b"\r\n" + masked(1, b"early"))
            assert (await read_until(stream, text_frame(b"early"))).startswith(b"HTTP/1.1 101")
        assert await target.is_well()


async def test_rubbish_right_behind_the_upgrade_request_ends_that_connection_only() -> None:
    """A stray byte after an upgrade request, then silence and an abrupt end: the server goes on."""
    async with running(hello) as target:
        for stray in (b"X", b"\xff" * 5000, b"GET / HTTP/1.1\r\n\r\n"):
            async with await target.connect() as stream:
                await stream.send_all(UPGRADE + b"\r\n" + stray)
                await stream.receive_some(100)
        assert await target.is_well()


async def test_an_app_that_raises_in_any_way_ends_that_connection_only() -> None:
    """Every exception of the app, groups included, is logged, and the next client is served."""

    async def broken(scope: Any, receive: Any, send: Any) -> None:  # noqa: ASYNC124 - an app has to be async
        raise BaseExceptionGroup("both", [ValueError(), RuntimeError()])

    with capture_logs() as lines:
        async with running(on_websocket(broken)) as target:
            async with upgraded(target) as stream:
                await read_all(stream)
            assert await target.is_well()
    assert [(line["log_level"], line["exc_info"]) for line in lines] == [("error", True)]


async def test_a_reader_that_stalls_cannot_delay_the_stop() -> None:
    """With a client that reads nothing of an endless stream, the server stops within its grace period."""

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "text": "x" * 65536})

    async with running(on_websocket(flood)) as target, upgraded(target):
        await trio.testing.wait_all_tasks_blocked(0.01)
        target.server.stop()
        await target.ended.wait()


async def test_a_client_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the stall limit the client's app is cancelled; until then the bytes that wait for it are bounded."""
    monkeypatch.setattr(byte_queue, "STALL_S", 0.2)
    gone = trio.Event()
    most = 0

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        nonlocal most
        try:
            while True:
                await send({"type": "websocket.send", "text": "x" * 65536})
                most = max(most, len(scope["state"]["connection"].outgoing))
        finally:
            gone.set()

    async with running(on_websocket(flood)) as target, upgraded(target):
        await gone.wait()
        assert most < byte_queue.HIGH_WATER + 2 * 65536


async def test_sending_to_a_client_that_has_gone_lets_others_run() -> None:
    """A handler that only sends, to a client that has gone, does not block the event loop."""
    gone = trio.Event()

    async def push_only(scope: Any, receive: Any, send: Any) -> None:
        while (await receive())["type"] != "websocket.disconnect":
            pass
        gone.set()
        while True:
            await send({"type": "websocket.send", "text": "still here"})

    async with running(on_websocket(push_only)) as target:
        async with upgraded(target):
            pass
        await gone.wait()
        assert await target.is_well()


async def test_a_client_that_goes_in_the_middle_of_an_answer_is_no_error() -> None:
    """If the head of an answer can no longer be written, the connection ends and nothing is logged."""

    async def answers(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await hello(scope, receive, send)
            return
        scope["state"]["connection"].stream.socket.shutdown(socket.SHUT_WR)
        await send({"type": "http.response.start", "status": 200, "headers": []})

    with capture_logs() as lines:
        async with running(answers) as target, await target.connect() as stream:
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await read_all(stream) == b""
            await target.server.empty()
    assert lines == []


async def test_a_handler_that_never_reads_is_still_ended_at_the_stop() -> None:
    """A client that floods a handler which reads nothing neither fills the memory nor delays the stop."""

    async def deaf(scope: Any, receive: Any, send: Any) -> None:
        await trio.sleep_forever()

    async with running(on_websocket(deaf)) as target, upgraded(target) as stream:
        with trio.move_on_after(0.3):
            while True:
                await stream.send_all(masked(1, b"x" * 1000) * 50)
        target.server.stop()
        await target.ended.wait()


async def test_a_message_beyond_the_limit_is_refused_before_it_is_kept() -> None:
    """A message of 64 MB is not kept: the client gets 1009, and the memory does not grow."""
    async with running(hello) as target, upgraded(target) as stream:
        before = resident_bytes()
        await stream.send_all(b"\x82\xff" + struct.pack("!Q", 64 * 2**20) + bytes(4))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour, stream, bytes(2**16), 1024)
            assert await read_until(stream, CLOSED_1009) == CLOSED_1009
            nursery.cancel_scope.cancel()
        assert resident_bytes() - before < 16 * 2**20


async def test_a_message_in_many_fragments_is_one_message_and_has_one_limit() -> None:
    """Fragments are joined, pings between them are answered at once, and the limit holds for the whole message."""
    async with running(hello) as target:
        async with upgraded(target) as stream:
            first, ping, last = masked(1, b"one ", final=False), masked(9, b"p"), masked(0, b"two")
            await stream.send_all(first + ping + masked(0, b"and ", final=False) + last)
            assert await read_until(stream, text_frame(b"one and two")) == b"\x8a\x01p" + text_frame(b"one and two")
        async with upgraded(target) as stream:
            await stream.send_all(masked(1, b"x" * 60_000, final=False) + masked(0, b"x" * 60_000))
            assert await read_all(stream) == CLOSED_1009


async def test_a_pong_by_itself_is_a_sign_of_life_and_what_looks_like_one_inside_a_message_is_the_message() -> None:
    """Pongs that come alone change nothing; the same bytes behind a frame's head are its payload."""
    pong, mask, text = masked(10, b""), bytes((0x8A ^ ord("m"), 0x80 ^ ord("a"), 0, 0)), b"masked"
    payload = bytes(byte ^ mask[number % 4] for number, byte in enumerate(text))
    assert payload.startswith(pong[:2])
    async with running(hello) as target, upgraded(target) as stream:
        for _ in range(3):
            await stream.send_all(pong)
            await stream.send_all(masked(9, b"p"))
            assert await read_until(stream, b"\x8a\x01p") == b"\x8a\x01p"
        await stream.send_all(masked(9, b"q") + b"\x81\x86" + mask)
        await read_until(stream, b"\x8a\x01q")  # what came with it has been read too
        await stream.send_all(payload)
        assert await read_until(stream, text_frame(text)) == text_frame(text)


@pytest.mark.parametrize("parameters", [b"", b"; client_max_window_bits=99"], ids=["plain", "impossible"])
async def test_compression_is_never_agreed_on(parameters: bytes) -> None:
    """An offer of permessage-deflate in any form is not accepted, and a compressed frame is an error."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(UPGRADE + b"Sec-WebSocket-Extensions: permessage-deflate" + parameters + b"\r\n\r\n")
        assert b"extensions" not in (await read_until(stream, b"\r\n\r\n")).lower()
        await stream.send_all(masked(2, bytes(100), reserved=4))
        assert await read_all(stream) == b"\x88\x02" + struct.pack("!H", 1002)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (masked(1, b"\xff\xfe"), 1007),
        (masked(1, b"a", reserved=1), 1002),
        (masked(3, b""), 1002),
        (b"\x81\x01a", 1002),
        (masked(9, b"x" * 126), 1002),
        (masked(0, b"continues nothing"), 1002),
        (masked(8, b"\x00"), 1002),
        (masked(8, struct.pack("!H", 999)), 1002),
    ],
    ids=["utf-8", "reserved", "opcode", "unmasked", "long ping", "continuation", "short close", "bad close code"],
)
async def test_a_client_that_breaks_the_protocol_is_closed_with_the_reason(frame: bytes, code: int) -> None:
    """Each violation is answered with its close code, nothing follows, and the server goes on."""
    async with running(hello) as target:
        async with upgraded(target) as stream:
            await stream.send_all(frame)
            assert await read_all(stream) == b"\x88\x02" + struct.pack("!H", code)
        assert await target.is_well()


async def test_a_flood_of_pings_that_nobody_reads_the_answers_of_stays_bounded() -> None:
    """While the client takes no pongs, its pings are not read; the server serves others and stops in time."""
    async with running(hello) as target, upgraded(target) as stream:
        before = resident_bytes()
        with trio.move_on_after(1):
            while True:
                await stream.send_all(masked(9, b"x" * 125) * 500)
        assert resident_bytes() - before < 16 * 2**20
        assert await target.is_well()


@pytest.mark.parametrize("empty", [masked(10, b""), masked(0, b"", final=False)], ids=["pongs", "fragments"])
async def test_a_flood_of_frames_that_ask_for_nothing_lets_others_run(empty: bytes) -> None:
    """Ten thousand empty frames in one segment do not block the event loop."""
    turns = 0

    async def take_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    async with running(hello) as target, upgraded(target) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(take_turns)
        await stream.send_all(masked(1, b"", final=False) + empty * 10_000 + masked(0, b"done"))
        await read_until(stream, text_frame(b"done"))
        nursery.cancel_scope.cancel()
    assert turns > 10_000


async def test_every_ping_is_answered_in_order_between_messages() -> None:
    """A client that pings while it receives a lot gets every pong and every message, complete and in order."""

    async def push(scope: Any, receive: Any, send: Any) -> None:
        async with trio.open_nursery() as nursery:

            async def drain() -> None:
                while (await receive())["type"] != "websocket.disconnect":
                    pass

            nursery.start_soon(drain)
            for number in range(300):
                await scope["state"]["lane"].send(text_frame(b"%d" % number) + text_frame(b"y" * 3000))

    async with running(on_websocket(push)) as target, target.websocket() as websocket:
        seen: list[Any] = []
        answered = trio.Event()
        async with trio.open_nursery() as nursery:

            async def ping() -> None:
                while True:
                    await websocket.ping()
                    answered.set()

            nursery.start_soon(ping)
            while len(seen) < 600:
                seen.append(await websocket.get_message())
            await answered.wait()
            nursery.cancel_scope.cancel()
        assert [text for text in seen if text[0] != "y"] == [str(number) for number in range(300)]


async def test_nothing_follows_a_close_frame() -> None:
    """The lane refuses to send after the close, so a client never gets data after a close frame."""

    async def talks_on(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.close", "code": 1001})
        assert not scope["state"]["lane"].send_nowait(text_frame(b"one more thing"))
        with pytest.raises(trio.ClosedResourceError):
            await scope["state"]["lane"].send(text_frame(b"and another"))
        refused.set()

    refused = trio.Event()

    async with running(on_websocket(talks_on)) as target, upgraded(target) as stream:
        assert await read_all(stream) == b"\x88\x02" + struct.pack("!H", 1001)
        await refused.wait()


async def test_a_client_that_ends_its_half_is_served_no_longer() -> None:
    """If a client closes its side without a close frame, the handler is told and the connection ends."""
    async with running(hello) as target, upgraded(target) as stream:
        assert isinstance(stream, trio.SocketStream)
        await stream.send_eof()
        assert await read_all(stream) == b""
        await target.server.empty()


async def test_half_a_request_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends its headers byte by byte is closed at the time limit for a request head."""
    monkeypatch.setattr(server, "REQUEST_S", 0.3)
    async with running(hello) as target, await target.connect() as stream, trio.open_nursery() as nursery:
        nursery.start_soon(drip, stream)
        assert await stream.receive_some(1) == b""
        nursery.cancel_scope.cancel()


async def test_headers_without_end_are_refused() -> None:
    """A request head beyond the limit is answered with 431 as a problem document."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
        answer = await read_all(stream)
        assert b"HTTP/1.1 431" in answer
        assert b"application/problem+json" in answer


@pytest.mark.parametrize(
    "head",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\r\n" * 10 + b"X\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_document(head: bytes) -> None:
    """Malformed requests are answered with 400 and a sentence, and the connection is closed."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(head)
        answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b'"detail"' in answer


@pytest.mark.parametrize(
    "missing", [b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n", b"Sec-WebSocket-Version: 13\r\n"]
)
async def test_a_bad_handshake_is_answered_and_closed(missing: bytes) -> None:
    """An incomplete upgrade request is answered with 400, and the connection does not stay open."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(UPGRADE.replace(missing, b"") + b"\r\n")
        answer = await read_all(stream)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"application/problem+json" in answer


async def test_nobody_gets_the_connection_of_another() -> None:
    """Each connection has its own state for the app."""
    seen: list[Any] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.append((scope["state"]["connection"], scope["state"]["lane"]))
        await receive()

    async with running(on_websocket(look)) as target:
        async with upgraded(target), upgraded(target):
            await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(set(seen)) == len({connection for connection, _ in seen}) == 2


async def test_http2_cannot_be_asked_for_in_clear_text() -> None:
    """A request for an upgrade to h2c is served as HTTP/1.1, and the HTTP/2 preface does not bypass the limits."""
    async with running(hello) as target:
        async with await target.connect() as stream:
            ask = b"Connection: close, Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n" + ask + b"\r\n")
            assert (await read_all(stream)).startswith(b"HTTP/1.1 200")
        async with await target.connect() as stream:
            await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            assert (await read_all(stream)).startswith(b"HTTP/1.1 ")


async def test_a_body_that_the_app_does_not_read_holds_nobody_up() -> None:
    """An answer sent before a long body has arrived reaches the client, and the connection ends."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pour, stream, bytes(2**16), 2000)
            assert b"200" in await read_until(stream, b"hello")
        assert await target.is_well()
        await target.server.empty()


async def test_connections_beyond_the_limit_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """One connection too many gets 503 at once; when another has gone, there is room again."""
    monkeypatch.setattr(server, "REST_RESERVE", 0)
    async with running(hello, max_sessions=1) as target:
        async with upgraded(target), await target.connect() as stream:
            assert (await read_all(stream)).startswith(b"HTTP/1.1 503")
        await target.server.empty()
        assert await target.is_well()
        assert target.server.statistics().refused == 1


async def test_two_requests_sent_at_once_are_answered_in_order() -> None:
    """A pipelined request waits for the one before it, and both are answered."""
    async with running(hello) as target, await target.connect() as stream:
        one = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
        await stream.send_all(one + b"\r\n" + one + b"Connection: close\r\n\r\n")
        assert (await read_all(stream)).count(b"HTTP/1.1 200") == 2


async def test_the_server_does_not_say_what_it_is_made_of() -> None:
    """Answers have no ``server`` header."""
    async with running(hello) as target, await target.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b"server:" not in (await read_all(stream)).lower()


async def test_an_idle_connection_does_not_delay_the_stop() -> None:
    """An idle connection that is kept alive is closed at once when the server stops."""
    async with running(hello, grace_s=60) as target, await target.connect() as stream:
        await stream.send_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await read_until(stream, b"hello")
        target.server.stop()
        await target.ended.wait()


async def test_a_server_that_is_cancelled_ends_at_once() -> None:
    """With clients of all kinds connected, a cancelled server ends at once."""

    async def flood(scope: Any, receive: Any, send: Any) -> None:
        while True:
            await send({"type": "websocket.send", "text": "x" * 65536})

    [sock] = bind("127.0.0.1", 0)
    made = WatchedServer(on_websocket(flood), [sock], max_sessions=10, grace_s=60)
    with trio.fail_after(PLENTY_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(made.run)
            async with upgraded(Running(made, sock_port(sock), None)):
                await trio.testing.wait_all_tasks_blocked(0.01)
                nursery.cancel_scope.cancel()
    assert made.statistics().connections == 0


def sock_port(sock: socket.socket) -> int:
    """The port that ``sock`` listens on."""
    port: int = sock.getsockname()[1]
    return port


def test_a_taken_port_is_said_in_a_sentence() -> None:
    """The error for a port in use names the port and says what to do."""
    [sock] = bind("127.0.0.1", 0)
    with sock, pytest.raises(BindError, match=f"Port {sock_port(sock)} on 127.0.0.1 is taken: .*--port"):
        bind("127.0.0.1", sock_port(sock))


def test_listening_sockets_give_up_on_peers_that_acknowledge_nothing() -> None:
    """The limit is set on the listening socket, from which accepted sockets inherit it."""
    [sock] = bind("localhost", 0)[:1]
    with sock:
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_there_are_never_more_connections_than_files() -> None:
    """The limit leaves open files for the rest of the process."""
    [sock] = bind("127.0.0.1", 0)
    with sock:
        made = Server(hello, [sock], max_sessions=10**9, grace_s=1)
        assert made.statistics().max_connections < resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def test_a_frame_is_what_the_protocol_says_for_every_length() -> None:
    """The three encodings of a length are right at their limits."""
    assert text_frame(b"") == b"\x81\x00"
    assert text_frame(b"x" * 125)[:2] == b"\x81\x7d"
    assert text_frame(b"x" * 126)[:4] == b"\x81\x7e\x00\x7e"
    assert text_frame(b"x" * 65535)[:4] == b"\x81\x7e\xff\xff"
    assert text_frame(b"x" * 65536)[:10] == b"\x81\x7f" + struct.pack("!Q", 65536)


def test_the_libraries_below_are_those_it_was_written_for() -> None:
    """Everything that the connection layer overrides exists."""
    assert stack_faults() == []
