"""``/v1/realtime`` over real sockets: the same messages over both transports."""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

import attrs
import hypercorn.trio
import msgspec
import pytest
import trio
from hypercorn.config import Config
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.system import open_system
from kinora.web.app import create_app
from kinora.web.connection.websocket_stream import text_frame
from kinora.web.event_stream import event_block
from kinora.web.realtime import event_streams
from kinora.web.realtime.event_streams import Joined
from tests.actors.realtime_kit import warning
from tests.client_kit import events, get, post, request
from tests.jobs_kit import write_plugin
from tests.web.test_security import UPGRADE

WAYS = ("the short way", "another ASGI server")
CLIP = {"source": "clip.mp4", "plugins": ["motion"]}


@asynccontextmanager
async def websocket(server: RunningServer, query: str = "") -> AsyncIterator[WebSocketConnection]:
    """An open WebSocket."""
    url = f"{server.url.replace('http', 'ws')}/v1/realtime?{query}"
    async with open_websocket_url(url, max_message_size=2**24) as opened:
        yield opened
    await opened._stream.aclose()  # the library leaves it open if the server closes first


@asynccontextmanager
async def other_server(settings: Settings) -> AsyncIterator[RunningServer]:
    """The same app on a server without our connection layer: plain Hypercorn."""
    config = Config()
    config.bind = ["127.0.0.1:0"]
    config.errorlog = logging.getLogger("hypercorn")
    config.graceful_timeout = 0.5
    stopping = trio.Event()
    async with open_system(settings) as system, trio.open_nursery() as nursery:
        serve = partial(hypercorn.trio.serve, cast("Any", create_app(system)), config, shutdown_trigger=stopping.wait)
        [url] = await nursery.start(serve)
        yield RunningServer(url, system)
        stopping.set()


@pytest.fixture(params=WAYS)
async def either(request: pytest.FixtureRequest, settings: Settings) -> AsyncIterator[RunningServer]:
    """Our server and plain Hypercorn, in turn."""
    async with (open_server if request.param == WAYS[0] else other_server)(settings) as running:
        yield running


async def start(server: RunningServer) -> tuple[str, str]:
    """Start a job; return its id and the id of the last message before it."""
    answer = await post(f"{server.url}/v1/jobs", CLIP)
    return answer.json()["job_id"], answer.headers["last-event-id"]


async def over_websocket(server: RunningServer, query: str) -> list[dict[str, Any]]:
    """All messages up to ``complete``."""
    seen: list[dict[str, Any]] = []
    async with websocket(server, query) as opened:
        while not seen or seen[-1]["type"] != "complete":
            seen.append(json.loads(await opened.get_message()))
    return seen


async def over_events(server: RunningServer, query: str, **headers: str) -> list[dict[str, Any]]:
    """All messages up to ``complete``; each event's id is checked."""
    seen: list[dict[str, Any]] = []
    async with events(f"{server.url}/v1/realtime?{query}", **headers) as stream:
        async for event in stream:
            if "data" in event.fields:
                seen.append(event.message)
                assert event.fields == {"id": seen[-1]["id"], "data": event.fields["data"]}
            if seen and seen[-1]["type"] == "complete":
                return seen
    raise AssertionError(seen)


def told(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages about jobs, without those for a single client."""
    return [message for message in messages if message["type"] != "metadata"]


async def test_both_transports_tell_the_same_in_the_same_order(either: RunningServer) -> None:
    """After the id from POST, WebSocket and event stream bring the same messages: all of the job's, in order."""
    job_id, last_event_id = await start(either)
    query = f"job_id={job_id}&last_event_id={last_event_id}"
    heard = [await over_websocket(either, query), await over_events(either, query)]
    heard.append(await over_events(either, f"job_id={job_id}", last_event_id=last_event_id))
    assert told(heard[0]) == told(heard[1]) == told(heard[2])
    assert all(messages[0]["type"] == "metadata" for messages in heard)
    messages = told(heard[0])
    assert {message["payload"]["job_id"] for message in messages} == {job_id}
    frames = [message["payload"]["index"] for message in messages if message["type"] == "frame"]
    assert frames == list(range(30))
    assert (messages[0]["type"], messages[0]["payload"]["progress"]) == ("progress", 0)
    assert set(messages[0]) == {"type", "payload", "timestamp", "id"}


async def test_a_job_is_watched_as_it_runs(either: RunningServer) -> None:
    """A client that is connected before the job starts gets all its messages live."""
    seen: list[str] = []
    async with websocket(either) as opened:
        while "metadata" not in seen:
            seen.append(json.loads(await opened.get_message())["type"])
        await start(either)
        while seen[-1] != "complete":
            seen.append(json.loads(await opened.get_message())["type"])
    assert seen.count("frame") == 30


async def test_a_plain_get_is_an_event_stream(server: RunningServer) -> None:
    """A GET without ``Accept`` is answered with an event stream, which begins with the time before a reconnect."""
    async with events(f"{server.url}/v1/realtime") as stream:
        assert (await anext(stream)).fields == {"retry": "1000"}
    head = await request(f"{server.url}/v1/realtime", "HEAD")
    assert (head.status, head.headers["content-type"]) == (200, "text/event-stream")


async def test_an_event_stream_is_never_silent(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without messages a comment is sent."""
    monkeypatch.setattr(event_streams, "COMMENT_S", 0.05)
    async with events(f"{server.url}/v1/realtime?types=complete") as stream:
        while (await anext(stream)).fields != {"": ""}:
            pass


async def test_what_is_asked_for_wrongly_is_refused_at_the_door(server: RunningServer) -> None:
    """Invalid filters are 422 on both transports, with the parameter's name."""
    url = f"{server.url}/v1/realtime"
    for query, path in (("types=nope", "types"), ("max_fps=0", "max_fps"), ("images=many", "images")):
        for headers in ({}, UPGRADE):
            answer = await request(f"{url}?{query}", headers=headers)
            assert answer.status == 422
            assert [error["path"] for error in answer.json()["errors"]] == [path]
    for query, path in (("images=binary", "images"), ("session_id=me", "session_id")):
        answer = await get(f"{url}?{query}")
        assert answer.status == 422
        assert answer.json()["detail"] == "A parameter in the query string is not valid."
        assert [error["path"] for error in answer.json()["errors"]] == [path]


async def close_code(opened: WebSocketConnection) -> int:
    """The server's close code; earlier messages are ignored."""
    with suppress(ConnectionClosed):
        while True:
            await opened.get_message()
    assert opened.closed is not None
    return int(opened.closed.code)


async def test_close_codes_say_why(server: RunningServer) -> None:
    """A bad session id is 4000, a second socket with the same id closes the first with 4002, a long message is 1009."""
    async with websocket(server, "session_id=me") as opened:
        assert await close_code(opened) == 4000
    session_id = uuid.uuid4()
    async with websocket(server, f"session_id={session_id}") as first:
        await first.get_message()
        async with websocket(server, f"session_id={session_id}"):
            assert await close_code(first) == 4002
    async with websocket(server) as opened:
        await opened.send_message("x" * 100_000)
        assert await close_code(opened) == 1009


async def test_a_full_server_says_so(settings: Settings) -> None:
    """Beyond the limit a WebSocket is closed with 4001 and an event stream is 503; REST goes on."""
    async with open_server(attrs.evolve(settings, max_connections=1)) as server, websocket(server) as first:
        await first.get_message()
        async with websocket(server) as second:
            assert await close_code(second) == 4001
        assert (await get(f"{server.url}/v1/realtime")).status == 503
        assert (await get(f"{server.url}/v1/health")).status == 200


async def test_rubbish_is_answered_and_the_connection_stays(either: RunningServer) -> None:
    """Each invalid message is answered with one error message, and a ping after that with its pong."""
    async with websocket(either, "types=complete") as opened:
        for rubbish in ("{", "[]", b"\xff", b"", "", '{"type": 1}', '{"type": "nope"}', "[" * 10_000):
            await opened.send_message(rubbish)
        await opened.send_message('{"type": "ping", "payload": {"timestamp": "now"}}')
        seen: list[dict[str, Any]] = []
        while not seen or seen[-1]["type"] != "pong":
            seen.append(json.loads(await opened.get_message()))
    assert [message["type"] for message in told(seen)] == ["error"] * 8 + ["pong"]


async def test_both_ways_close_and_take_over_alike(either: RunningServer) -> None:
    """A bad session id is 4000, a second socket with the same id closes the first with 4002, a close is answered."""
    async with websocket(either, "session_id=me") as opened:
        assert await close_code(opened) == 4000
    session_id = uuid.uuid4()
    async with websocket(either, f"session_id={session_id}") as first:
        await first.get_message()
        async with websocket(either, f"session_id={session_id}") as second:
            assert await close_code(first) == 4002
            await second.aclose()
            assert second.closed is not None
            assert second.closed.code == 1000


async def test_a_session_may_go_on_over_the_other_transport(either: RunningServer) -> None:
    """The newer of a session's two connections stays, over either transport; nothing is left of the older one."""
    query = f"session_id={uuid.uuid4()}"
    manager = either.system.connections
    assert manager is not None
    async with websocket(either, query) as first:
        await first.get_message()
        async with events(f"{either.url}/v1/realtime?{query}") as second:
            assert await close_code(first) == 4002
            await anext(second)
            async with websocket(either, query) as third:
                async for _ in second:
                    pass
                await until_told(third, "pong")
                assert len(manager.active_connections) == manager.statistics().broadcast.subscribers == 1


async def test_a_message_of_any_size_is_one_message(either: RunningServer) -> None:
    """Messages larger than every buffer, with small ones before and after, arrive complete and once."""
    assert either.system.connections is not None
    manager = either.system.connections
    sizes = [10, 70_000, 10, 3 * 2**20, 10]
    seen: list[int] = []
    async with websocket(either, "job_id=big") as opened:
        await until_told(opened, "pong")
        for size in sizes:
            manager.broadcast(warning("x" * size, job_id="big"))
            await trio.lowlevel.checkpoint()
        while len(seen) < len(sizes):
            message = json.loads(await opened.get_message())
            if message["type"] == "warning":
                seen.append(len(message["payload"]["message"]))
    assert seen == sizes


async def until_told(opened: WebSocketConnection, kind: str) -> None:
    """Read until a message of this type comes; for a pong, send a ping first."""
    if kind == "pong":
        await opened.send_message('{"type": "ping"}')
    while json.loads(await opened.get_message())["type"] != kind:
        pass


def take_apart(message: bytes) -> tuple[dict[str, Any], bytes]:
    """The header and the JPEG of a binary message."""
    length = int.from_bytes(message[:4])
    return json.loads(message[4 : 4 + length]), message[4 + length :]


async def test_pictures_come_as_binary_messages(either: RunningServer) -> None:
    """Each is the JPEG at the frame's address, for a frame marked as pictured, and the same for all clients."""
    assert either.system.connections is not None
    pictures: dict[str, list[bytes]] = {"a": [], "b": [], "c": []}
    told: dict[str, list[dict[str, Any]]] = {"a": [], "b": [], "c": []}

    async def watch(name: str, query: str, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        async with websocket(either, query) as opened:
            await until_told(opened, "pong")
            task_status.started()
            while not told[name] or told[name][-1]["type"] != "complete":
                message = await opened.get_message()
                if isinstance(message, bytes):
                    pictures[name].append(message)
                else:
                    told[name].append(json.loads(message))

    async with trio.open_nursery() as nursery:
        for name, images in (("a", "binary"), ("b", "binary"), ("c", "url")):
            await nursery.start(watch, name, f"images={images}")
        job_id, _ = await start(either)
    assert pictures["a"] == pictures["b"] != []
    assert not pictures["c"]
    pictured = [m["payload"]["index"] for m in told["a"] if m["type"] == "frame" and m["payload"]["pictured"]]
    headers = [take_apart(message)[0] for message in pictures["a"]]
    assert [header["index"] for header in headers] == pictured
    header, jpeg = take_apart(pictures["a"][0])
    assert header == {
        "type": "frame_image",
        "job_id": job_id,
        "frame_id": f"frame-{header['index']:06d}",
        "index": header["index"],
        "width": 160,
        "height": 120,
        "format": "jpeg",
    }
    assert (await get(f"{either.url}/v1/jobs/{job_id}/frames/{header['index']}.jpg")).body == jpeg


async def test_a_frame_can_be_fetched_when_it_is_told_of(server: RunningServer, plugins_dir: Path) -> None:
    """The address in a frame message works at once, even if a slower plugin has not seen that frame yet."""
    write_plugin(plugins_dir, "slow", "@tool('slow')\ndef slow(frame):\n    time.sleep(0.2)\n    return {}\n")
    await server.system.plugins.reload()
    async with websocket(server, "types=frame") as opened:
        await until_told(opened, "pong")
        answer = await post(f"{server.url}/v1/jobs", CLIP | {"plugins": ["motion", "slow"]})
        message: dict[str, Any] = {}
        while message.get("type") != "frame":
            message = json.loads(await opened.get_message())
        fetched = await get(server.url + message["payload"]["image_url"])
        assert (fetched.status, fetched.body[:3]) == (200, b"\xff\xd8\xff")
        assert (await get(f"{server.url}/v1/jobs/{answer.json()['job_id']}/frames/29.jpg")).status == 404
        assert (await request(f"{server.url}{answer.headers['location']}", "DELETE")).status == 204


async def hold_websocket(
    server: RunningServer, codes: list[int], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Read from a WebSocket until it is closed."""
    async with websocket(server) as opened:
        task_status.started()
        codes.append(await close_code(opened))


async def hold_events(
    server: RunningServer, ended: trio.Event, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    """Read from an event stream until it ends."""
    async with events(f"{server.url}/v1/realtime") as stream:
        task_status.started()
        async for _ in stream:
            pass
    ended.set()


async def test_clients_are_told_when_the_server_goes(settings: Settings) -> None:
    """At the stop a WebSocket gets 1001 and an event stream ends properly, both at once."""
    codes: list[int] = []
    ended = trio.Event()
    async with trio.open_nursery() as nursery:
        async with open_server(attrs.evolve(settings, shutdown_grace_s=60)) as server:
            await nursery.start(hold_websocket, server, codes)  # noqa: ASYNC111 - it outlives the server
            await nursery.start(hold_events, server, ended)  # noqa: ASYNC111
            started = trio.current_time()
        assert trio.current_time() - started < 30
    assert codes == [1001]
    assert ended.is_set()


async def test_without_a_realtime_side_the_path_is_not_there(settings: Settings) -> None:
    """Both transports get 404, and jobs run as usual."""
    async with open_server(attrs.evolve(settings, realtime=False)) as server:
        for headers in ({}, UPGRADE):
            assert (await request(f"{server.url}/v1/realtime", headers=headers)).status == 404
        accepted = await post(f"{server.url}/v1/jobs", CLIP)
        assert accepted.status == 202
        assert "last-event-id" not in accepted.headers
        url = f"{server.url}{accepted.headers['location']}"
        job = await get(url)
        while len(job.json()["frames"]) < 30:
            job = await get(url, prefer="wait=60", if_none_match=job.headers["etag"])


async def test_a_stalled_watcher_does_not_hold_up_the_job(server: RunningServer) -> None:
    """With a client that reads nothing, a job ends and another client gets all its messages."""
    port = int(server.url.rpartition(":")[2])
    head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
    async with await trio.open_tcp_stream("127.0.0.1", port) as stalled:
        await stalled.send_all(f"GET /v1/realtime HTTP/1.1\r\nhost: localhost\r\n{head}\r\n".encode())
        job_id, last_event_id = await start(server)
        messages = await over_websocket(server, f"job_id={job_id}&last_event_id={last_event_id}")
        assert [message["type"] for message in messages].count("frame") == 30


def test_the_same_batch_is_encoded_once() -> None:
    """Clients with the same batch share its bytes; an equal batch is encoded anew."""
    made: list[bytes] = []

    def encode(message: bytes) -> bytes:
        made.append(message)
        return text_frame(message)

    join = Joined(encode)
    batch = [b"a", b"b"]
    assert join(batch) == join(batch) == text_frame(b"a") + text_frame(b"b")
    assert made == batch
    join(list(batch))
    assert made == batch * 2


def test_an_event_block_has_the_id_and_one_line_of_data() -> None:
    """With any text in the message, its block has two lines and an empty one after them."""
    message = msgspec.json.encode({"type": "frame", "payload": {"id": "not this\n\n"}, "id": "e-7"})
    assert event_block(message) == b"id: e-7\ndata: " + message + b"\n\n"
