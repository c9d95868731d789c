"""``/v1/realtime`` as server-sent events, and what all its sessions share; WebSockets stand in realtime_sockets."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import structlog
import trio
from quart import Blueprint, Response, abort, request
from quart.wrappers.response import ResponseBody
from werkzeug.datastructures import MultiDict

from kinora.actors.errors import Unavailable
from kinora.actors.realtime.client_session import ClientSession, TransportKind
from kinora.actors.realtime.connection_manager import ConnectionManager
from kinora.actors.realtime.filters import WITHOUT_PICTURES, Filters, parse_filters
from kinora.system import System
from kinora.web.connection.connection import Connection
from kinora.web.event_stream import COMMENT, RETRY, STREAM_HEADERS, event_block
from kinora.web.paths import REALTIME
from kinora.web.requests.incoming import invalid_parameter
from kinora.web.scopes import connection_of

COMMENT_S = 15.0
"""A silent event stream sends a comment this often, so that no proxy closes it as dead."""
BAD_SESSION_ID = "session_id must be a UUID: leave it out to get a new one."


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


blocks_of = Joined(event_block)


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
    """The path's GET route; it answers 404 if realtime is off."""
    routes = Blueprint("realtime", __name__)

    @routes.get(REALTIME)
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


def _event_session(manager: ConnectionManager) -> tuple[EventStreamTransport, ClientSession]:
    filters = _filters(request.args)
    if filters.images not in WITHOUT_PICTURES:
        message = f"must be {' or '.join(WITHOUT_PICTURES)}, as an event stream cannot carry pictures"
        raise invalid_parameter("images", message)
    session_id = session_id_of(request.args)
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
    if connection is None:
        await session.run()
        return
    connection.at_stop = session.go_away
    if connection.going_away:
        session.go_away()
    try:
        await session.run()
    finally:
        connection.at_stop = None


def _filters(args: MultiDict[str, str]) -> Filters:
    return parse_filters(dict(args.lists()))


def session_id_of(args: MultiDict[str, str]) -> str | None:
    """The client's session id, or a new one if it gave none; None if the client's is not a UUID."""
    given = args.get("session_id")
    if given is None:
        return str(uuid.uuid4())
    try:
        return str(uuid.UUID(given))
    except ValueError:
        return None
