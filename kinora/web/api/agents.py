"""``/v1/agents/link``: the WebSocket that an agent opens to its server; ``kinora.fleet.link`` has its messages."""

from __future__ import annotations

import trio
from quart import Blueprint, websocket

from kinora.actors.realtime.connection_manager import CloseCode
from kinora.fleet.agent_session import AgentSession
from kinora.fleet.link import MAX_MESSAGE_BYTES
from kinora.system import System
from kinora.web.api.pushes import NOT_OURS
from kinora.web.connection.connection import Connection
from kinora.web.connection.websocket_stream import Lane, binary_frame

MAX_REASON_BYTES = 123
"""The most bytes of the reason in a close frame, by RFC 6455."""


def agent_routes(system: System) -> Blueprint:
    """The path's WebSocket route."""
    routes = Blueprint("agents", __name__)

    @routes.websocket("/v1/agents/link")
    async def link() -> None:
        match websocket.scope.get("state"):
            case {"connection": Connection() as connection, "lane": Lane() as lane}:
                await _serve(system, connection, lane)
            case _:
                raise NOT_OURS

    return routes


async def _serve(system: System, connection: Connection, lane: Lane) -> None:
    """Serve one agent until it, its connection or the server ends.

    At a stop of the server it is served until the jobs have stopped, as it has to tell what its plugins know.
    """
    session = AgentSession(
        system.agent_book,
        send_nowait=lambda message: lane.send_nowait(binary_frame(message)),
        send=lambda message: lane.send(binary_frame(message)),
    )

    async def take(message: str | bytes) -> None:
        session.take(message)

    async def end_when_going_away() -> None:
        await connection.wait_going_away()
        await system.ended.wait()
        session.end("The server is going away.")

    connection.outlasts_grace = True
    lane.take_messages(take, MAX_MESSAGE_BYTES)
    await websocket.accept()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_when_going_away)
        reason = await session.run()
        nursery.cancel_scope.cancel()
    await websocket.close(CloseCode.NORMAL, reason.encode()[:MAX_REASON_BYTES].decode(errors="ignore"))
