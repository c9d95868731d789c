"""The first message of a WebSocket that shows its token in it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import pytest
import trio
import trio.testing
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from kinora.serve import RunningServer, open_server
from kinora.settings import Settings
from kinora.web.access.first_message import FIRST_MESSAGE_S, FirstMessage
from tests.access_kit import WRONG_TOKEN, close_of, make_token, owner, revoke
from tests.client_kit import get

AUTH = '{"type": "auth", "payload": {"token": "%s"}}'


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """A server that needs a token on loopback too."""
    return attrs.evolve(settings, token=True)


@asynccontextmanager
async def websocket(server: RunningServer, query: str = "") -> AsyncIterator[WebSocketConnection]:
    """A WebSocket that came without a token."""
    url = server.url.replace("http", "ws", 1) + f"/v1/realtime?{query}"
    with trio.fail_after(60):
        async with open_websocket_url(url) as opened:
            yield opened
        await opened._stream.aclose()  # the library leaves it open if the server closes first


async def end_of(opened: WebSocketConnection) -> tuple[int, str]:
    """The code and reason of the close, before which nothing was sent."""
    with pytest.raises(ConnectionClosed) as closed:
        await opened.get_message()
    assert closed.value.reason is not None
    return closed.value.reason.code, closed.value.reason.reason or ""


async def test_it_lets_in(server: RunningServer) -> None:
    """All that comes then is as for others; a second such message changes nothing."""
    made = await make_token(server, "wall")
    async with websocket(server, "types=complete") as opened:
        await opened.send_message(AUTH % made["token"])
        assert json.loads(await opened.get_message())["type"] == "metadata"
        await opened.send_message(AUTH % "anything")
        await opened.send_message('{"type": "ping"}')
        heard: list[str] = []
        while not heard or heard[-1] != "pong":
            heard.append(json.loads(await opened.get_message())["type"])
        assert "error" not in heard
        await revoke(server, made["id"])
        code, reason = await close_of(opened)
        assert (code, "revoked" in reason) == (1008, True)


async def test_anything_else_closes_it(server: RunningServer) -> None:
    """The code is 1008, and nothing is sent before."""
    wrong = (AUTH % WRONG_TOKEN, AUTH % "", '{"type": "ping"}', "{}", "rubbish", b"\x00", '{"type": "auth"}')
    nested = '{"type": "auth", "x": ' + "[" * 30_000
    for message in (*wrong, nested, '{"type": "auth", "payload": {"token": 1}}', "\ud7ff" * 1000):
        async with websocket(server) as opened:
            await opened.send_message(message)
            code, reason = await end_of(opened)
            assert code == 1008
            assert "token" in reason


async def test_what_was_asked_for_wrongly_is_told_afterwards_only(server: RunningServer) -> None:
    """Before the token nobody learns what the server makes of an address."""
    for query, expected in (("max_fps=x", 1008), ("session_id=me", 4000)):
        async with websocket(server, query) as opened:
            await opened.send_message('{"type": "ping"}')
            assert "token" in (await end_of(opened))[1]
        async with websocket(server, query) as opened:
            await opened.send_message(AUTH % server.token)
            code, reason = await end_of(opened)
            assert code == expected
            assert "token" not in reason


async def test_without_a_realtime_side_it_is_closed(settings: Settings) -> None:
    """With a token, the reason tells that there is nothing."""
    async with open_server(attrs.evolve(settings, realtime=False)) as server, websocket(server) as opened:
        await opened.send_message(AUTH % server.token)
        assert (await end_of(opened))[0] == 1008


async def test_the_stop_of_the_server_does_not_wait_for_it(settings: Settings) -> None:
    """The code is 1001."""
    async with trio.open_nursery() as nursery:
        stopping = trio.Event()

        async def serve(*, task_status: trio.TaskStatus[RunningServer] = trio.TASK_STATUS_IGNORED) -> None:
            async with open_server(settings) as server:
                task_status.started(server)
                await stopping.wait()

        server = await nursery.start(serve)
        async with websocket(server) as opened:
            assert (await get(f"{server.url}/v1/jobs", **owner(server))).status == 200
            stopping.set()
            assert (await end_of(opened))[0] == 1001


class Opened:
    """What comes of a WebSocket whose first message is sent after so many seconds."""

    def __init__(self, after_s: float) -> None:
        self.after_s = after_s
        self.sent: list[dict[str, Any]] = []
        self.received = 0

    async def receive(self) -> dict[str, Any]:
        """The upgrade, then the message."""
        self.received += 1
        if self.received == 1:
            await trio.lowlevel.checkpoint()
            return {"type": "websocket.connect"}
        await trio.sleep(self.after_s)
        return {"type": "websocket.receive", "text": AUTH % "kin_a", "bytes": None}

    async def send(self, message: dict[str, Any]) -> None:
        """Keep what the server sends."""
        await trio.lowlevel.checkpoint()
        self.sent.append(message)


async def test_it_has_ten_seconds(autojump_clock: trio.testing.MockClock) -> None:
    """A message that comes in time is taken."""
    opened = Opened(FIRST_MESSAGE_S - 0.1)
    shown = await FirstMessage(opened.receive, opened.send).secret({"type": "websocket"})
    assert shown is not None
    assert shown.value == "kin_a"
    assert [message["type"] for message in opened.sent] == ["websocket.accept"]


async def test_later_it_is_closed(autojump_clock: trio.testing.MockClock) -> None:
    """Nobody holds a place without a token for longer."""
    opened = Opened(FIRST_MESSAGE_S + 0.1)
    assert await FirstMessage(opened.receive, opened.send).secret({"type": "websocket"}) is None
    assert trio.current_time() == pytest.approx(FIRST_MESSAGE_S) == pytest.approx(10)
    assert [message["type"] for message in opened.sent] == ["websocket.accept", "websocket.close"]
    assert opened.sent[1]["code"] == 1008
