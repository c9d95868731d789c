"""A WebSocket stream for Hypercorn that mends the faults of Hypercorn's own.

Compression is off, because it inflates without limit. A message's size is checked before the message is kept. Bytes
right after the upgrade request wait for the handshake. Sending to a client that has gone is still a checkpoint.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from http import HTTPStatus
from io import BytesIO, StringIO
from typing import Any, cast

import trio
from hypercorn.protocol.events import Body, EndBody, Event, Request, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, Handshake, WebsocketBuffer, WSStream
from hypercorn.typing import ASGISendEvent, WebsocketAcceptEvent
from hypercorn.typing import ConnectionState as ScopeState
from wsproto.connection import ConnectionState
from wsproto.events import BytesMessage, CloseConnection, Message, Ping
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import WEBSOCKET_VERSION

from kinora.web.connection.byte_queue import ByteQueue
from kinora.web.problems import Problem, plain_problem

KEY_BYTES = 16
"""The length of a client's key, see RFC 6455 §4.1."""
_KEY = b"sec-websocket-key"
_EXTENSIONS = b"sec-websocket-extensions"  # kept from Hypercorn, so that none is agreed on
_TEXT, _BINARY = 0x81, 0x82  # a whole message in one frame
_PING = b"\x89\x00"
_PONG = b"\x8a\x80"
"""The head of a client's answer to it; the four bytes of a mask follow."""
_PONG_BYTES = 6
_SHORT, _MEDIUM = 126, 2**16  # payloads of this length need 2 or 8 more bytes in the frame's header

_ACCEPTED = Handshake([], "1.1")
_ACCEPTED.accepted = True
"""Stands for the handshake of each WebSocket once it is open."""
TakeMessage = Callable[[str | bytes], Awaitable[None]]

OTHER_VERSION = Problem(
    HTTPStatus.UPGRADE_REQUIRED,
    "This server speaks version 13 of WebSocket only: use that.",
    headers={"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": WEBSOCKET_VERSION.decode()},
)


def text_frame(text: bytes) -> bytes:
    """``text``, which is UTF-8, as a server's WebSocket frame, which is the same for every client."""
    return _frame(_TEXT, text)


def binary_frame(data: bytes) -> bytes:
    """``data`` as a server's WebSocket frame."""
    return _frame(_BINARY, data)


def _frame(kind: int, payload: bytes) -> bytes:
    length = len(payload)
    if length < _SHORT:
        return bytes((kind, length)) + payload
    if length < _MEDIUM:
        return bytes((kind, 126)) + length.to_bytes(2) + payload
    return bytes((kind, 127)) + length.to_bytes(8) + payload


def _handshake_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers of an upgrade request without the client's extensions, and without its key if that is not valid."""
    keys = [value for name, value in headers if name.lower() == _KEY]
    dropped = {_EXTENSIONS} if len(keys) == 1 and _is_key(keys[0]) else {_EXTENSIONS, _KEY}
    return [(name, value) for name, value in headers if name.lower() not in dropped]


def _is_key(value: bytes) -> bool:
    try:
        return len(b64decode(value, validate=True)) == KEY_BYTES
    except ValueError:
        return False


class Lane:
    """Writes ready-made frames to one WebSocket in one go; the app finds it as ``scope["state"]["lane"]``.

    It may be used once ``accept()`` has returned. Its frames keep their order with pongs and the close frame.
    """

    def __init__(self, stream: WebSocketStream, outgoing: ByteQueue) -> None:
        self._stream = stream
        self._outgoing = outgoing

    @property
    def open(self) -> bool:
        """True while messages may be sent: after the handshake, and before either side begins to close."""
        return self._stream.open

    def take_messages(self, take: TakeMessage, max_bytes: int) -> None:
        """Have ``take`` get the messages instead of the app, binary ones of up to ``max_bytes`` bytes.

        While it has one no further is read, and it must not raise anything. Call this before ``accept()``.
        """
        self._stream.take_messages(take, max_bytes)

    def hold(self) -> None:
        """Read nothing behind the next message, until :meth:`go_on`."""
        self._stream.held = trio.Event()

    def go_on(self) -> None:
        """Read on after :meth:`hold`."""
        if self._stream.held is not None:
            self._stream.held.set()
            self._stream.held = None

    def send_nowait(self, frames: bytes) -> bool:
        """Write whole frames now and return True; do nothing and return False if other bytes wait or it is not open."""
        if len(self._outgoing) or not self.open:
            return False
        self._outgoing.put(frames)
        return True

    def ping(self) -> None:
        """Send a ping, if it is open; the client answers with a pong by itself."""
        if self.open:
            self._outgoing.put(_PING)

    async def send(self, frames: bytes) -> None:
        """Write whole frames, then wait until the socket has taken all of them.

        What waits here is this client's own copy; messages that wait in a session are the same bytes for all clients.

        Raises:
            trio.ClosedResourceError: nothing can be sent any more.
        """
        if not self.open:
            await trio.lowlevel.checkpoint()
            raise trio.ClosedResourceError("The WebSocket is closed.")
        self._outgoing.put(frames)
        del frames
        await self._outgoing.wait_for_room(1)


def lane_of(scope: Mapping[str, Any]) -> Lane | None:
    """The lane of a WebSocket; None on another ASGI server."""
    lane: Lane | None = scope.get("state", {}).get("lane")
    return lane


class _MeasuredBuffer(WebsocketBuffer):
    """A buffer that can tell in advance if a message would become too long."""

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
        self.max_binary = max_length
        """As ``max_length``, for binary messages."""

    def has_room(self, event: Message[Any]) -> bool:
        """Return True if ``event`` still fits; text is counted in characters."""
        limit = self.max_binary if isinstance(event, BytesMessage) else self.max_length
        return bool(self.length + len(event.data) <= limit)

    def extend(self, event: Message[Any]) -> None:
        """Add what fits."""
        if self.value is None:
            self.value = BytesIO() if isinstance(event, BytesMessage) else StringIO()
        self.length += self.value.write(event.data)


class WebSocketStream(WSStream):
    """Hypercorn's WebSocket stream without its faults; puts its ``Lane`` into the scope's state."""

    def __init__(self, outgoing: ByteQueue, *args: Any) -> None:
        super().__init__(*args)
        self.buffer: _MeasuredBuffer = _MeasuredBuffer(self.config.websocket_max_message_size)
        self._outgoing = outgoing
        self._answered: trio.Event | None = trio.Event()
        """Set when the upgrade has been answered; then None, as an event weighs much in an idle session."""
        self._take_message: TakeMessage | None = None
        self.held: trio.Event | None = None
        """While nothing may be read behind the next message: set at the end of that."""

    @property
    def open(self) -> bool:
        """See :attr:`Lane.open`."""
        return (
            not self.closed
            and self.state is ASGIWebsocketState.CONNECTED
            and self.connection.state is ConnectionState.OPEN
        )

    def is_mere_pong(self, data: bytes) -> bool:
        """True if ``data``, which has come next, is one empty pong: a sign of life, which asks for nothing."""
        if len(data) != _PONG_BYTES or not data.startswith(_PONG) or not self.open:
            return False
        decoder = self.connection._proto._frame_decoder  # noqa: SLF001 - there is no public way
        return decoder.header is None and not decoder.buffer

    def take_messages(self, take: TakeMessage, max_bytes: int) -> None:
        """See :meth:`Lane.take_messages`."""
        self._take_message = take
        self.buffer.max_binary = max_bytes

    async def handle(self, event: Event) -> None:
        """Handle one event of the connection; called in order."""
        if isinstance(event, Request):
            await self._open(event)
            return
        if isinstance(event, StreamClosed):
            self._note_answered()
        elif not self.closed:
            if self._answered is not None:
                await self._answered.wait()  # bytes right after the upgrade request must not overtake the answer
            if not self.handshake.accepted:
                return
        await super().handle(event)

    async def _open(self, request: Request) -> None:
        state = cast("ScopeState", {**request.state, "lane": Lane(self, self._outgoing)})
        await super().handle(replace(request, state=state, headers=_handshake_headers(request.headers)))
        if self.closed:  # a bad handshake has been answered: without this the connection would stay open
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def app_send(self, message: ASGISendEvent | None) -> None:
        """Carry out a message of the app. Always a checkpoint, even if the client has gone."""
        if self.closed:
            await trio.lowlevel.checkpoint()
            return
        try:
            await super().app_send(message)
        finally:
            if self.closed or self.state is not ASGIWebsocketState.HANDSHAKE or message is None:
                self._note_answered()

    def _note_answered(self) -> None:
        if self._answered is not None:
            self._answered.set()
            self._answered = None

    async def _accept(self, message: WebsocketAcceptEvent) -> None:
        await super()._accept(message)
        self.handshake = _ACCEPTED  # the client's headers have done their work

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            await trio.lowlevel.checkpoint()  # one segment may hold thousands of frames that cause no wait
            if isinstance(event, Message):
                if not self.buffer.has_room(event):
                    await self._fail(CloseReason.MESSAGE_TOO_BIG)
                    return
                await self._take(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                if self.connection.state is ConnectionState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                    await self.send(StreamClosed(stream_id=self.stream_id))
                elif self.connection.state is ConnectionState.CLOSED:
                    await self.send(StreamClosed(stream_id=self.stream_id))
                else:  # the client broke the protocol
                    await self._fail(CloseReason(event.code))
                return

    async def _take(self, event: Message[Any]) -> None:
        self.buffer.extend(event)
        if event.message_finished:
            message = self.buffer.to_message()
            self.buffer.clear()
            if self._take_message is None:
                await cast("Any", self.app_put)(message)
                if self.held is not None:
                    await self.held.wait()
            else:
                await self._take_message(message["text"] if message["bytes"] is None else message["bytes"])

    async def _send_error_response(self, status_code: int) -> None:
        problem = plain_problem(status_code)
        if status_code == HTTPStatus.BAD_REQUEST and self.handshake.version not in {None, WEBSOCKET_VERSION}:
            problem = OTHER_VERSION
        body = problem.document()
        headers = [(name.encode(), value.encode()) for name, value in problem.all_headers().items()]
        headers += [(b"content-length", b"%d" % len(body)), (b"connection", b"close")]
        await self.send(Response(stream_id=self.stream_id, status_code=problem.status, headers=headers))
        await self.send(Body(stream_id=self.stream_id, data=body))
        await self.send(EndBody(stream_id=self.stream_id))

    async def _fail(self, code: CloseReason) -> None:
        self.buffer.clear()
        await self._send_wsproto_event(CloseConnection(code=code))
        await self.send(StreamClosed(stream_id=self.stream_id))
