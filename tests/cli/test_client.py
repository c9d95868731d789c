"""The client: every message once, through lost connections, and the server's sentence when it refuses.

The servers here are small scripts on real sockets; time is virtual and jumps when nothing moves.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import trio
from trio.testing import MockClock
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from kinora.client import ClientError, KinoraClient, Message, connect
from kinora.client.resumption import BackOff, Resumption

Session = Callable[[WebSocketConnection], Awaitable[None]]


@pytest.fixture
def clock() -> MockClock:
    """Virtual time that leaves the kernel a moment to carry bytes from one end to the other."""
    return MockClock(autojump_threshold=0.02)


def message(message_id: str, kind: str = "warning", **payload: object) -> Message:
    """A message as the server would number it."""
    return Message(kind, dict(payload), "2026-11-23T08:00:00.000Z", message_id)


class ScriptedServer:
    """A server whose first connection runs the first script, the second the second, and so on."""

    def __init__(self, *sessions: Session) -> None:
        self._sessions = iter(sessions)
        self.queries: list[dict[str, list[str]]] = []
        self.times: list[float] = []

    async def serve(self, request: WebSocketRequest) -> None:
        """Take one connection."""
        self.queries.append(parse_qs(urlsplit(request.path).query))
        self.times.append(trio.current_time())
        session = next(self._sessions)
        await session(await request.accept())


@asynccontextmanager
async def running(server: ScriptedServer) -> AsyncIterator[str]:
    """Run ``server`` on a free port; gives its address."""
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_websocket, server.serve, "127.0.0.1", 0, None)
        yield f"http://127.0.0.1:{listening.port}"
        nursery.cancel_scope.cancel()


def says(*messages: Message, code: int | None = None) -> Session:
    """A script that sends ``messages``, then closes with ``code`` or waits until the client has gone."""

    async def session(connection: WebSocketConnection) -> None:
        for item in messages:
            await connection.send_message(msgspec.json.encode(item).decode())
        if code is not None:
            await connection.aclose(code, "scripted")
            return
        with suppress(ConnectionClosed):
            while True:
                await connection.get_message()

    return session


async def take(url: str, count: int, **arguments: str) -> list[str]:
    """The ids of the first ``count`` messages."""
    async with connect(url, **arguments) as realtime:
        return [(await anext(realtime)).id for _ in range(count)]


async def test_messages_come_in_order(clock: MockClock) -> None:
    """The iterator gives each message that the server sends."""
    sent = [message("e-1", job_id="a"), message("e-2", "complete", job_id="a")]
    async with running(ScriptedServer(says(*sent))) as url, connect(url) as realtime:
        assert [await anext(realtime), await anext(realtime)] == sent


async def test_the_server_is_told_what_is_wanted(clock: MockClock) -> None:
    """Jobs, types and the last id stand in the address of the connection."""
    server = ScriptedServer(says(message("e-8")))
    jobs, types = ["a", "b"], ["frame", "complete"]
    async with running(server) as url, connect(url, job_ids=jobs, types=types, last_event_id="e-7") as realtime:
        await anext(realtime)
    query = server.queries[0]
    assert query["job_id"] == ["a", "b"]
    assert query["types"] == ["frame,complete"]
    assert query["last_event_id"] == ["e-7"]
    assert len(query["session_id"][0]) == 36


async def test_a_lost_connection_goes_on_after_the_last_message(clock: MockClock) -> None:
    """The next connection asks for messages after the last id, in the same session, and repeats are skipped."""
    server = ScriptedServer(
        says(message("e-1"), message("e-2"), code=1011),
        says(message("e-2"), message("e-3"), code=1001),
        says(message("e-4")),
    )
    async with running(server) as url:
        assert await take(url, 4) == ["e-1", "e-2", "e-3", "e-4"]
    assert [query.get("last_event_id") for query in server.queries] == [None, ["e-2"], ["e-3"]]
    assert len({query["session_id"][0] for query in server.queries}) == 1


async def test_a_server_that_takes_nothing_is_asked_ever_less_often(clock: MockClock) -> None:
    """The waiting time doubles up to 16 s, with jitter, as long as no message comes."""
    server = ScriptedServer(says(message("e-1"), code=1001), *[says(code=4001)] * 6, says(message("e-2")))
    async with running(server) as url:
        assert await take(url, 2) == ["e-1", "e-2"]
    waited = [later - earlier for earlier, later in zip(server.times, server.times[1:], strict=False)]
    for delay, wanted in zip(waited, [1, 2, 4, 8, 16, 16, 16], strict=True):
        assert 0.75 * wanted <= delay <= 1.25 * wanted + 0.1


async def test_a_server_that_falls_silent_is_left(clock: MockClock) -> None:
    """A connection over which nothing comes, not even a ping, is given up and opened again."""
    server = ScriptedServer(says(message("e-1")), says(message("e-2")))
    async with running(server) as url:
        assert await take(url, 2) == ["e-1", "e-2"]


async def test_pings_are_answered_and_kept_from_the_user(clock: MockClock) -> None:
    """A ping gets a pong with its timestamp, and the iterator never shows it."""
    answers: list[object] = []

    async def session(connection: WebSocketConnection) -> None:
        assert msgspec.json.decode(await connection.get_message()) == {"type": "ping"}
        await connection.send_message(msgspec.json.encode(message("e-1", "ping", interval_seconds=30)).decode())
        answers.append(msgspec.json.decode(await connection.get_message()))
        await says(message("e-2"))(connection)

    async with running(ScriptedServer(session)) as url:
        assert await take(url, 1) == ["e-2"]
    assert answers == [{"type": "pong", "payload": {"timestamp": "2026-11-23T08:00:00.000Z"}}]


@pytest.mark.parametrize("code", [1008, 4000, 4002])
async def test_some_closes_are_final(clock: MockClock, code: int) -> None:
    """A server that would refuse again is not asked again; the iterator says why."""
    server = ScriptedServer(says(message("e-1"), code=code))
    async with running(server) as url, connect(url) as realtime:
        await anext(realtime)
        with pytest.raises(ClientError, match="scripted"):
            await anext(realtime)
    assert len(server.queries) == 1


async def test_a_refused_handshake_says_the_servers_sentence(clock: MockClock) -> None:
    """The user reads the sentence in the server's problem document."""

    async def serve(request: WebSocketRequest) -> None:
        await request.reject(404, body=b'{"title": "Not Found", "detail": "Realtime is off here."}')

    async with trio.open_nursery() as nursery:
        listening = await nursery.start(serve_websocket, serve, "127.0.0.1", 0, None)
        with pytest.raises(ClientError, match=r"^Realtime is off here\.$"):
            await take(f"http://127.0.0.1:{listening.port}", 1)
        nursery.cancel_scope.cancel()


async def test_the_users_own_error_comes_as_it_is(clock: MockClock) -> None:
    """An exception in the block leaves ``connect`` ungrouped."""
    async with running(ScriptedServer(says())) as url:
        with pytest.raises(ZeroDivisionError):
            async with connect(url):
                raise ZeroDivisionError


async def test_nothing_there_is_said_at_once(clock: MockClock, unused_url: str) -> None:
    """Without a server both clients say what to do instead of trying for ever."""
    with pytest.raises(ClientError, match="start one with `kinora serve`"):
        await take(unused_url, 1)
    with pytest.raises(ClientError, match="start one with `kinora serve`"):
        await KinoraClient(unused_url).jobs()


@pytest.fixture
def unused_url() -> str:
    """An address at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://127.0.0.1", "http://", ""])
async def test_an_address_that_is_none_is_said(url: str) -> None:
    """A mistyped address gives a sentence with an example."""
    with pytest.raises(ClientError, match="write it as http://"):
        await take(url, 1)
    with pytest.raises(ClientError, match="write it as http://"):
        await KinoraClient(url).jobs()


def test_back_off_starts_again_after_success() -> None:
    """The delays are 1, 2, 4, 8, 16, 16 s times the jitter, and 1 s again after a reset."""
    back_off = BackOff(spread=lambda low, high: (low + high) / 2)
    assert [back_off.next_s() for _ in range(6)] == [1, 2, 4, 8, 16, 16]
    back_off.reset()
    assert back_off.next_s() == 1


@pytest.mark.parametrize("kind", ["gap", "ping", "pong"])
def test_what_is_said_to_one_session_counts_as_well(kind: str) -> None:
    """A gap is not announced again, and a client that gets pings alone does not fall behind the replay log."""
    resumption = Resumption("old-900")
    assert resumption.accept(message("old-900", "metadata"))
    assert resumption.accept(message("new-3", kind))
    assert resumption.last_event_id == "new-3"
    assert resumption.accept(message("new-4"))
    assert not resumption.accept(message("new-4"))


def test_the_state_of_things_may_repeat_an_id() -> None:
    """The state on connecting comes under the newest id, several times; an older state is skipped."""
    resumption = Resumption()
    assert resumption.accept(message("e-5", "metadata"))
    assert resumption.accept(message("e-5", "progress"))
    assert resumption.accept(message("e-5", "plugin_status"))
    assert not resumption.accept(message("e-4", "progress"))


def test_a_new_epoch_starts_anew() -> None:
    """After a restart of the server small numbers are new messages."""
    resumption = Resumption("old-900")
    assert resumption.accept(message("new-1"))
    assert resumption.last_event_id == "new-1"


@asynccontextmanager
async def answering(answer: bytes, heard: list[bytes], until: bytes = b"\r\n\r\n") -> AsyncIterator[str]:
    """A server that reads a request up to ``until``, answers with ``answer`` and closes."""

    async def serve(stream: trio.SocketStream) -> None:
        data = b""
        while until not in data:
            data += await stream.receive_some()
        heard.append(data)
        await stream.send_all(answer)
        await stream.aclose()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()


def http(status: int, body: bytes) -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nLast-Event-ID: e-4\r\n\r\n%s" % (status, len(body), body)


async def test_a_submitted_job_tells_where_to_listen_from() -> None:
    """The answer to a submission carries the job and the id after which all of its messages come."""
    heard: list[bytes] = []
    async with answering(http(202, b'{"job_id": "j1", "frames": []}'), heard, until=b"]}") as url:
        submitted = await KinoraClient(url).submit({"source": "demo:", "plugins": ["motion"]}, idempotency_key="k")
    assert (submitted.job_id, submitted.last_event_id) == ("j1", "e-4")
    assert heard[0].startswith(b"POST /v1/jobs HTTP/1.1\r\n")
    assert b"idempotency-key: k" in heard[0].lower()
    assert heard[0].endswith(b'{"source":"demo:","plugins":["motion"]}')


async def test_a_refusal_is_told_with_every_place() -> None:
    """A problem's sentence and the places in the input make up the error."""
    body = b'{"title": "T", "detail": "Two things are wrong.", "errors": [{"path": "plugins[0]", "message": "none"}]}'
    async with answering(http(422, body), []) as url:
        with pytest.raises(ClientError) as caught:
            await KinoraClient(url).submit({})
    assert str(caught.value) == "Two things are wrong. plugins[0]: none"
    assert caught.value.status == 422


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "gave no complete answer"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nab", "gave no complete answer"),
        (b"220 smtp ready\r\n\r\n", "gave no complete answer"),
        (http(200, b"<html>"), "not the address of a Kinora server"),
        (http(502, b"<html>"), "status 502 and no reason"),
    ],
)
async def test_what_is_no_answer_is_said(answer: bytes, said: str) -> None:
    """A broken or foreign answer gives a sentence, not a trace."""
    async with answering(answer, []) as url:
        with pytest.raises(ClientError, match=said):
            await KinoraClient(url).extended("j1")


async def test_an_upload_that_is_refused_early_tells_why(tmp_path: Path) -> None:
    """An answer that comes before the server has the whole file is read."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(8 * 2**20))
    async with answering(http(413, b'{"title": "T", "detail": "Too large."}'), []) as url:
        with pytest.raises(ClientError):
            await KinoraClient(url).upload(clip, {"plugins": ["motion"]})


async def test_a_missing_file_is_said() -> None:
    """A file that does not exist is named."""
    with pytest.raises(ClientError, match=r"gone\.mp4 cannot be read: No such file"):
        await KinoraClient("http://127.0.0.1:1").upload(Path("gone.mp4"), {})
