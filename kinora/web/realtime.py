"""``/v1/realtime``: realtime sessions over WebSocket or server-sent events, on one path."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import msgspec
import structlog
import trio
from quart import Blueprint, Response, abort, request, websocket
from quart.wrappers.response import ResponseBody
from quart.wrappers.websocket import Websocket
from werkzeug.datastructures import MultiDict

from kinora.actors.client_session import ClientSession, TransportKind
from kinora.actors.connection_manager import CloseCode, ConnectionManager
from kinora.actors.errors import Unavailable
from kinora.actors.filters import WITHOUT_PICTURES, Filters, parse_filters
from kinora.actors.messages import BinaryMessage
from kinora.system import System
from kinora.web.connection import Connection
from kinora.web.incoming import invalid_parameter
from kinora.web.scopes import connection_of
from kinora.web.websocket_stream import Lane, binary_frame, text_frame

PATH = "/v1/realtime"
COMMENT_S = 15.0
"""A silent event stream sends a comment this often, so that no proxy closes it as dead."""
RETRY = b"retry: 1000\n\n"
COMMENT = b":\n\n"
BAD_SESSION_ID = "session_id must be a UUID: leave it out to get a new one."
STREAM_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-store",
    "x-accel-buffering": "no",
}


class Joined:
    """Encodes batches for one kind of transport, and each batch once for all clients that get it."""

    def __init__(self, encode: Callable[[bytes], bytes]) -> None:
        self._encode = encode
        self._batch: Sequence[bytes] = ()
        self._bytes = b""

    def __call__(self, batch: Sequence[bytes]) -> bytes:
        """Return the messages of ``batch``, encoded and joined."""
        if batch is not self._batch:
            self._bytes = b"".join(map(self._encode, batch))
            self._batch = batch
        return self._bytes


class _Numbered(msgspec.Struct):
    """The part of a message that an event stream needs."""

    id: str


def event_block(message: bytes) -> bytes:
    """``message``, which is one line of JSON, as a server-sent event."""
    number = msgspec.json.decode(message, type=_Numbered).id
    return b"id: %b\ndata: %b\n\n" % (number.encode(), message)


def websocket_frame(message: bytes) -> bytes:
    """``message`` as a server's WebSocket frame."""
    return binary_frame(message) if isinstance(message, BinaryMessage) else text_frame(message)


frames_of = Joined(websocket_frame)
blocks_of = Joined(event_block)


class WebSocketTransport:
    """A session's transport over an open WebSocket, on any ASGI server: one message at a time, through Quart."""

    kind: TransportKind = "websocket"

    def __init__(self, opened: Websocket) -> None:
        self._websocket = opened
        self._last_message = trio.current_time()

    @property
    def last_heard(self) -> float:
        """The time of the last message; Quart does not tell of the protocol's own pongs."""
        return self._last_message

    def send_nowait(self, batch: Sequence[bytes]) -> bool:  # noqa: ARG002 - the session's protocol
        """Return False: the server may make a sender wait."""
        return False

    def ping(self) -> None:
        """Do nothing: Quart cannot send a ping. The session's own ping message has to suffice."""

    async def send(self, batch: Sequence[bytes]) -> None:
        """Send the messages one by one. Always a checkpoint, even if the client has gone."""
        for message in batch:
            await self._websocket.send(message if isinstance(message, BinaryMessage) else message.decode())
        await trio.lowlevel.checkpoint()

    async def receive(self) -> str | bytes | None:
        """Return the next message; Quart cancels the handler when the client has gone."""
        said: str | bytes | None = await self._websocket.receive()
        self._last_message = trio.current_time()
        return b"" if said is None else said  # an empty binary message comes as None

    async def close(self, code: int, reason: str) -> None:
        """Send the close frame if none has been sent."""
        await self._websocket.close(code, reason)


class FastWebSocketTransport(WebSocketTransport):
    """The transport on our own server: frames are made once for all clients, and written at once if nothing waits."""

    def __init__(self, opened: Websocket, connection: Connection, lane: Lane) -> None:
        super().__init__(opened)
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


class EventStreamTransport:
    """A session's transport into the body of a response, one batch at a time."""

    kind: TransportKind = "events"
    last_heard = math.inf

    def __init__(self) -> None:
        self._send, self.received = trio.open_memory_channel[bytes](0)

    def send_nowait(self, batch: Sequence[bytes]) -> bool:  # noqa: ARG002 - the session's protocol
        """Return False: the response takes a batch only when it is ready for it."""
        return False

    def ping(self) -> None:
        """Do nothing: an event stream goes one way."""

    async def send(self, batch: Sequence[bytes]) -> None:
        """Pass on the batch; return when the response has taken it."""
        await self._send.send(blocks_of(batch))

    async def receive(self) -> str | bytes | None:
        """Wait forever: nothing can come. Quart cancels the response when the client has gone."""
        await trio.sleep_forever()

    async def close(self, code: int, reason: str) -> None:  # noqa: ARG002 - there is no way to tell
        """End the response."""
        await self._send.aclose()


class EventStream(ResponseBody):
    """The body of a response that carries a session; the session runs while the body is sent."""

    def __init__(self, run: Callable[[], Any], transport: EventStreamTransport) -> None:
        self._run = run
        self._transport = transport
        self._opened = trio.open_nursery()
        self._greeting = RETRY

    async def __aenter__(self) -> Self:
        nursery = await self._opened.__aenter__()
        nursery.start_soon(self._run)
        self._scope = nursery.cancel_scope
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._scope.cancel()
        await self._opened.__aexit__(kind, error, traceback)  # noqa: ASYNC102 - it ends: all in it is cancelled

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece of the stream; a comment if there was none for ``COMMENT_S``."""
        greeting, self._greeting = self._greeting, b""
        if greeting:
            return greeting
        with trio.move_on_after(COMMENT_S):
            try:
                return await self._transport.received.receive()
            except trio.EndOfChannel:
                raise StopAsyncIteration from None
        return COMMENT

    async def make_conditional(self, begin: int, end: int | None) -> int:
        """Refuse: a stream has no ranges that could be asked for."""
        raise NotImplementedError


def realtime_routes(system: System) -> Blueprint:
    """The path's WebSocket and GET routes; they answer 404 if realtime is off."""
    routes = Blueprint("realtime", __name__)

    @routes.websocket(PATH)
    async def over_websocket() -> None:
        manager = system.connections or abort(404)
        filters = _filters(websocket.args)
        await websocket.accept()
        session_id = _session_id(websocket.args)
        if session_id is None:
            await websocket.close(CloseCode.BAD_SESSION_ID, BAD_SESSION_ID)
            return
        transport, connection = _websocket_transport()
        last_event_id = websocket.args.get("last_event_id")
        session = ClientSession(manager, transport, session_id=session_id, filters=filters, last_event_id=last_event_id)
        await run_until_going_away(session, connection)

    @routes.get(PATH)
    async def over_events() -> Response:
        manager = system.connections or abort(404)
        transport, session = _event_session(manager)
        if request.method == "HEAD":
            return Response(b"", 200, STREAM_HEADERS)
        connection = connection_of(request.scope)
        body = EventStream(lambda: run_until_going_away(session, connection), transport)
        response = Response(body, 200, STREAM_HEADERS)
        response.timeout = None
        return response

    return routes


def _websocket_transport() -> tuple[WebSocketTransport, Connection | None]:
    """The fast transport if the server offers one, otherwise the ordinary one; and the connection, if it is known."""
    match websocket.scope.get("state"):
        case {"connection": Connection() as connection, "lane": Lane() as lane}:
            return FastWebSocketTransport(websocket, connection, lane), connection
    return WebSocketTransport(websocket), None


def _event_session(manager: ConnectionManager) -> tuple[EventStreamTransport, ClientSession]:
    filters = _filters(request.args)
    if filters.images not in WITHOUT_PICTURES:
        message = f"must be {' or '.join(WITHOUT_PICTURES)}, as an event stream cannot carry pictures"
        raise invalid_parameter("images", message)
    session_id = _session_id(request.args)
    if session_id is None:
        raise invalid_parameter("session_id", BAD_SESSION_ID)
    if len(manager.active_connections) >= manager.max_connections and not manager.is_connected(session_id):
        raise Unavailable("This server has reached its limit of realtime clients: try again in a moment.")
    last_event_id = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    transport = EventStreamTransport()
    session = ClientSession(manager, transport, session_id=session_id, filters=filters, last_event_id=last_event_id)
    return transport, session


async def run_until_going_away(session: ClientSession, connection: Connection | None) -> None:
    """Run a session; when the server stops, tell the client and end. Servers that give no ``connection`` cancel it.

    From now on, each line that this task logs has the session's id.
    """
    structlog.contextvars.bind_contextvars(session_id=session.session_id)

    async def say_goodbye() -> None:
        if connection is not None:
            await connection.wait_going_away()
            session.stop(CloseCode.GOING_AWAY, "The server is going away.")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(say_goodbye)
        await session.run()
        nursery.cancel_scope.cancel()


def _filters(args: MultiDict[str, str]) -> Filters:
    return parse_filters(dict(args.lists()))


def _session_id(args: MultiDict[str, str]) -> str | None:
    """The client's session id, or a new one if it gave none; None if the client's is not a UUID."""
    given = args.get("session_id")
    if given is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return None
