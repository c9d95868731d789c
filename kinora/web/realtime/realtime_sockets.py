"""``/v1/realtime`` over WebSocket, without Quart: its tasks and objects would stay for as long as each client does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import structlog
import trio
from werkzeug.datastructures import MultiDict

from kinora.actors.errors import KinoraError
from kinora.actors.messages import BinaryMessage
from kinora.actors.realtime.client_session import ClientSession, TransportKind
from kinora.actors.realtime.connection_manager import CloseCode
from kinora.actors.realtime.filters import parse_filters
from kinora.system import System
from kinora.web.access.rights import access_of
from kinora.web.connection.connection import Connection
from kinora.web.connection.websocket_stream import Lane, binary_frame, lane_of, text_frame
from kinora.web.direct_answers import send_problem
from kinora.web.middleware.request_watch import WATCHED, Watched
from kinora.web.paths import REALTIME
from kinora.web.problems import plain_problem, problem_of
from kinora.web.realtime.event_streams import BAD_SESSION_ID, Joined, run_until_going_away, session_id_of
from kinora.web.scopes import connection_of

PATHS = frozenset({REALTIME, f"{REALTIME}/"})
"""The addresses of the WebSocket; as everywhere, a slash at the end does not count."""
SERVER_ERROR = 1011
"""The close code of RFC 6455 for an error of the server."""
log = structlog.get_logger()


def websocket_frame(message: bytes) -> bytes:
    """``message`` as a server's WebSocket frame."""
    return binary_frame(message) if isinstance(message, BinaryMessage) else text_frame(message)


frames_of = Joined(websocket_frame)


class WebSocketTransport:
    """A session's transport over an open WebSocket, on any ASGI server: one message at a time."""

    kind: TransportKind = "websocket"

    def __init__(self, receive: Any, send: Any) -> None:
        self._receive = receive
        self._send = send
        self._last_message = trio.current_time()

    @property
    def last_heard(self) -> float:
        """The time of the last message; ASGI does not tell of the protocol's own pongs."""
        return self._last_message

    def send_nowait(self, batch: Sequence[bytes]) -> bool:  # noqa: ARG002 - the session's protocol
        """Return False: the server may make a sender wait."""
        return False

    def ping(self) -> None:
        """Do nothing: ASGI has no ping. The session's own ping message has to suffice."""

    async def send(self, batch: Sequence[bytes]) -> None:
        """Send the messages one by one. Always a checkpoint, even if the client has gone."""
        for message in batch:
            kind, data = ("bytes", message) if isinstance(message, BinaryMessage) else ("text", message.decode())
            await self._send({"type": "websocket.send", "bytes": None, "text": None, kind: data})
        await trio.lowlevel.checkpoint()

    async def receive(self) -> str | bytes | None:
        """Return the next message; None once the client has gone."""
        event = await self._receive()
        if event["type"] == "websocket.disconnect":
            return None
        self._last_message = trio.current_time()
        text: str | None = event.get("text")
        return event.get("bytes") or b"" if text is None else text

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame if none has been sent."""
        await self._send({"type": "websocket.close", "code": int(code), "reason": reason})


class FastWebSocketTransport(WebSocketTransport):
    """The transport on our own server: frames are made once for all clients, and written at once if nothing waits."""

    def __init__(self, receive: Any, send: Any, connection: Connection, lane: Lane) -> None:
        super().__init__(receive, send)
        self._connection = connection
        self._lane = lane

    @property
    def last_heard(self) -> float:
        """The time of the last byte."""
        return self._connection.last_heard

    def send_nowait(self, batch: Sequence[bytes]) -> bool:
        """Write the whole batch at once, or nothing of it."""
        return self._lane.send_nowait(frames_of(batch))

    def ping(self) -> None:
        """Send the protocol's own ping, which a browser answers by itself."""
        self._lane.ping()

    async def send(self, batch: Sequence[bytes]) -> None:
        """Write the whole batch in one piece, then wait until the socket has taken it."""
        await self._lane.send(frames_of(batch))


class RealtimeSockets:
    """An ASGI app in front of another; it serves the upgrades at ``REALTIME``, and answers 404 if realtime is off."""

    def __init__(self, app: Any, system: System) -> None:
        self._app = app
        self._system = system

    async def __call__(self, scope: Mapping[str, Any], receive: Any, send: Any) -> None:
        """Serve one WebSocket to its end, or pass the request on."""
        if scope["type"] != "websocket" or scope["path"] not in PATHS:
            await self._app(scope, receive, send)
            return
        watched: Watched = scope[WATCHED]
        watched.reached(REALTIME, access_of(scope))
        await receive()  # that the client wants to connect
        if self._system.connections is None:
            await send_problem(scope, send, plain_problem(404))
            return
        try:
            session = self._session(scope, receive, send)
        except KinoraError as error:
            await send_problem(scope, send, problem_of(error))
            return
        await send({"type": "websocket.accept", "subprotocol": None, "headers": []})
        if session is None:
            await send({"type": "websocket.close", "code": int(CloseCode.BAD_SESSION_ID), "reason": BAD_SESSION_ID})
        else:
            await _run(session, connection_of(scope), send)

    def _session(self, scope: Mapping[str, Any], receive: Any, send: Any) -> ClientSession | None:
        """The session that the client asks for; None if its id is not valid.

        Raises:
            InvalidRequest: its filters are not valid.
        """
        args = MultiDict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True))
        filters = parse_filters(dict(args.lists()))
        session_id = session_id_of(args)
        if session_id is None:
            return None
        assert self._system.connections is not None  # noqa: S101 - the caller has looked
        return ClientSession(
            self._system.connections,
            _transport(scope, receive, send),
            session_id=session_id,
            filters=filters,
            last_event_id=args.get("last_event_id"),
        )


async def _run(session: ClientSession, connection: Connection | None, send: Any) -> None:
    """Run a session; an error of the server in it ends this one alone, and is logged."""
    try:
        await run_until_going_away(session, connection)
    except Exception as error:
        log.error("a request failed because of an error in the server", path=REALTIME, exc_info=error)  # noqa: TRY400 - as the app does
        await send({"type": "websocket.close", "code": SERVER_ERROR, "reason": ""})


def _transport(scope: Mapping[str, Any], receive: Any, send: Any) -> WebSocketTransport:
    """The fast transport if the server offers one, otherwise the ordinary one."""
    connection, lane = connection_of(scope), lane_of(scope)
    if connection is None or lane is None:
        return WebSocketTransport(receive, send)
    return FastWebSocketTransport(receive, send, connection, lane)
