"""A small server that speaks the link over a real WebSocket: the test says what it grants, acknowledges and assigns."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, WebSocketRequest, serve_websocket

from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import FrameDone
from kinora.actors.pipeline.work_order import OrderedPlugin, WorkOrder
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.fleet.events import decode_event
from kinora.fleet.link import (
    MAX_MESSAGE_BYTES,
    Acknowledged,
    Ask,
    Assign,
    Attempt,
    FromAgent,
    FromServer,
    Hello,
    Leaving,
    Refused,
    Reloaded,
    Renew,
    Renewed,
    Running,
    Told,
    Welcome,
    decode_from_agent,
    encode,
)
from kinora.fleet.parts import Joiner
from kinora.media.source_types import SourceInfo

SAFETY_S = 60.0


@attrs.define(eq=False)
class Heard:
    """What the server has of an attempt."""

    told: int = 0
    kinds: list[str] = attrs.field(factory=list)
    events: list[Any] = attrs.field(factory=list)
    frames: list[int] = attrs.field(factory=list)
    """The indexes of its frames, in the order in which they came."""
    joiner: Joiner = attrs.field(factory=Joiner)


@attrs.define(eq=False)
class LinkServer:
    """The server's side of one agent after the other."""

    url: str = ""
    server: str = "run 1"
    refusal: Refused | None = None
    grants: bool = True
    acknowledges: bool = True
    hellos: list[Hello] = attrs.field(factory=list)
    renewals: list[Renew] = attrs.field(factory=list)
    asked: list[Ask] = attrs.field(factory=list)
    leaving: list[Leaving] = attrs.field(factory=list)
    reloaded: list[Reloaded] = attrs.field(factory=list)
    heard: dict[Attempt, Heard] = attrs.field(factory=dict)
    socket: WebSocketConnection | None = None
    connections: int = 0
    changed: trio.Event = attrs.field(factory=trio.Event)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until what came makes this true."""
        with trio.fail_after(SAFETY_S):
            while not condition():
                await self.changed.wait()

    async def send(self, message: FromServer) -> None:
        """Send a message over the present connection."""
        assert self.socket is not None
        await self.socket.send_message(encode(message))

    async def assign(self, order: WorkOrder) -> Heard:
        """Have the agent begin an attempt."""
        attempt = Attempt(order.job_id, order.attempt)
        heard = self.heard[attempt] = Heard()
        await self.send(Assign(attempt, msgspec.json.encode(order)))
        return heard

    async def acknowledge(self, attempt: Attempt) -> None:
        """Say that all that came is stored."""
        await self.send(Acknowledged(attempt=attempt, upto=self.heard[attempt].told))

    async def cut(self) -> None:
        """Break the connection without a word."""
        assert self.socket is not None
        await trio.aclose_forcefully(self.socket._stream)

    async def serve(self, request: WebSocketRequest) -> None:
        """Talk to an agent until the connection is lost."""
        socket = await request.accept()
        try:
            await self._introduce(socket)
            while self.socket is socket:
                await self._take(socket, await _receive(socket))
                self._note_change()
        except (ConnectionClosed, trio.ClosedResourceError, trio.BrokenResourceError):
            pass
        finally:
            self.connections -= 1
            self._note_change()

    async def _introduce(self, socket: WebSocketConnection) -> None:
        self.connections += 1
        hello = await _receive(socket)
        assert isinstance(hello, Hello)
        self.hellos.append(hello)
        running = tuple(Running(attempt=attempt, told=heard.told) for attempt, heard in self.heard.items())
        if self.refusal is None:
            welcome = Welcome(server=self.server, agent="agent 1", running=running)
            await socket.send_message(encode(welcome))
        else:
            await socket.send_message(encode(self.refusal))
        self.socket = socket
        self._note_change()

    async def _take(self, socket: WebSocketConnection, message: FromAgent) -> None:
        match message:
            case _ if self.socket is not socket:
                pass  # the agent has another connection
            case Renew(asked_at=asked_at):
                self.renewals.append(message)
                if self.grants:
                    await socket.send_message(encode(Renewed(asked_at)))
            case Told(attempt=attempt) if attempt in self.heard:
                self._hear(message)
                if self.acknowledges:
                    await self.acknowledge(attempt)
            case Ask():
                self.asked.append(message)
            case Leaving():
                self.leaving.append(message)
            case Reloaded():
                self.reloaded.append(message)

    def _hear(self, told: Told) -> None:
        heard = self.heard[told.attempt]
        assert told.first == heard.told + 1, "an event came twice, or not at all"
        for kind, data in told.events:
            heard.told += 1
            whole = heard.joiner.add(kind, data)
            if whole is None:
                continue
            event = decode_event(*whole, told.attempt.job_id)
            heard.kinds.append(kind)
            heard.events.append(event)
            if isinstance(event, FrameDone):
                heard.frames.append(event.index)

    def _note_change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()


@asynccontextmanager
async def link_server(**given: Any) -> AsyncIterator[LinkServer]:
    """A server on a free port."""
    server = LinkServer(**given)
    async with trio.open_nursery() as nursery:
        listening = await nursery.start(_serve, server)
        server.url = f"http://127.0.0.1:{listening.port}"
        yield server
        nursery.cancel_scope.cancel()


async def _serve(server: LinkServer, *, task_status: trio.TaskStatus[Any]) -> None:  # noqa: ASYNC128 - it is passed on
    await serve_websocket(
        server.serve, "127.0.0.1", 0, ssl_context=None, max_message_size=MAX_MESSAGE_BYTES, task_status=task_status
    )


async def _receive(socket: WebSocketConnection) -> FromAgent:
    data = await socket.get_message()
    assert isinstance(data, bytes)
    message: FromAgent = decode_from_agent(data)
    return message


def order(clip: Path, plugin: str, *, job_id: str = "job-1", attempt: int = 1, **options: Any) -> WorkOrder:
    """An order to run a plugin over a clip of 160x120."""
    asked = PluginRequest(name=plugin)
    return WorkOrder(
        job_id=job_id,
        attempt=attempt,
        request=JobRequest(source=clip.name, plugins=(asked,), options=JobOptions(**options)),
        location=str(clip),
        info=SourceInfo(
            kind="video",
            width=160,
            height=120,
            max_frame_bytes=160 * 120 * 3,
            frames_total=None,
            fps=10.0,
            duration_ms=None,
        ),
        plugins=(OrderedPlugin(asked=asked, options={}, code=""),),
        begin=ResumePoint(),
        max_failures=3,
        max_errors=25,
        ring_bytes=2**22,
        root_path="",
    )
