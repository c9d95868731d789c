"""One client's connection: Hypercorn's, with all its bytes in one queue and a limit on every wait."""

from __future__ import annotations

import math
import os
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from http import HTTPStatus
from typing import Any, cast

import h11
import structlog
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request, Response
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import MAX_RECV, TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import AppWrapper, ConnectionState
from hypercorn.utils import parse_socket_addr

from kinora.web.connection.app_tasks import AppTasks
from kinora.web.connection.byte_queue import ByteQueue
from kinora.web.connection.framing import BoundedHeads, has_two_lengths, target_and_headers
from kinora.web.connection.tls import HANDSHAKE_S, Certificate, PlainHttp
from kinora.web.connection.tls_session import TlsSession
from kinora.web.connection.websocket_stream import WebSocketStream
from kinora.web.problems import HTTPS_ONLY, Problem, plain_problem

LINGER_S = 2.0
"""After the server's last byte, the client's are read and dropped for this long, so that it can read the answer."""
STOP_LINGER_S = 0.5
"""The same when the server stops."""
STOP_STALL_S = 2.0
"""When the server stops, a client that takes no byte of what waits for it is cut off after this long."""
HEAD_RECV = 4096
"""The most bytes of a read, until so many have come: making room for more takes longer than the read itself."""
_UNUSED = WorkerContext.event_class()
"""Stands for the event by which Hypercorn holds back the next request: there is none behind an upgrade."""
log = structlog.get_logger()
Later = Callable[[], Awaitable[bytes | None]]
"""Makes an answer; None if the app has to."""
Lane = Callable[[bytes, str], bytes | Later | None]
"""Answers a request, given its bytes and the client's address, at once or later; None for one that it does not know.

See :class:`kinora.web.reads.reading_lane.ReadingLane`.
"""


class Connection(TCPServer):
    """Serves one client. An exception of any kind ends this connection and no other.

    The app finds it as ``scope["state"]["connection"]``, beside the entries of ``state``. With a ``certificate`` it is
    encrypted. With a ``lane`` plain reads are answered by that.
    """

    outgoing: ByteQueue
    """All bytes to the client, in order."""
    last_heard: float
    """The ``trio.current_time()`` at which the last byte came from the client."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: WorkerContext,
        state: Mapping[str, Any],
        stream: trio.SocketStream,
        *,
        certificate: Certificate | None = None,
        lane: Lane | None = None,
    ) -> None:
        super().__init__(app, config, context, {**state, "connection": self}, cast("Any", stream))
        del self.idle_task, self.send_lock  # Hypercorn's own, which nothing here uses: many idle clients have them
        self.last_heard = trio.current_time()
        self.received = 0
        """The bytes that have come from the client."""
        self._many_come = False
        """True while the client sends more than request heads, such as a file."""
        self.malformed = 0
        """The requests that were refused because they are not HTTP, or their head is too large."""
        self._certificate = certificate
        self._lane = lane
        self._session: TlsSession | None = None
        self._reading = trio.CancelScope()
        self._idling = trio.CancelScope()
        """Its deadline comes no later than ``_idle_until``."""
        self._idle_until = math.inf
        """The time at which the connection is closed if no request comes."""
        self._watched = True
        """False once :meth:`watch_no_more` has been called."""
        self._closing = False
        self._ends_at_stop: dict[trio.CancelScope, float] = {}
        """Scopes, and the time that a stop gives to each."""
        self.at_stop: Callable[[], None] | None = None
        """Called when the server begins to stop; must not raise."""
        self.outlasts_grace = False
        """True if a stop gives it more than the grace period: until the app ends it, but for ``OUTLAST_S`` at most."""
        self._scope: trio.CancelScope | None = None

    @property
    def sent(self) -> int:
        """The bytes that the client's socket has taken."""
        return self.outgoing.written

    @property
    def secure(self) -> bool:
        """True if it is encrypted."""
        return self._session is not None

    @property
    def going_away(self) -> bool:
        """True once the server has begun to stop."""
        return bool(self.context.terminated.is_set())

    async def wait_going_away(self) -> None:
        """Return when the server has begun to stop."""
        await self.context.terminated.wait()

    @contextmanager
    def until_stop(self, grace_s: float = 0.0) -> Iterator[trio.CancelScope]:
        """Run the block; cancel it ``grace_s`` seconds after the server has begun to stop."""
        with trio.CancelScope() as scope:
            self._ends_at_stop[scope] = grace_s
            if self.context.terminated.is_set():
                scope.deadline = trio.current_time() + grace_s
            try:
                yield scope
            finally:
                del self._ends_at_stop[scope]

    def hurry(self) -> None:
        """Shorten all waits, as the server stops: those of blocks in ``until_stop``, and those for the client."""
        now = trio.current_time()
        for scope, grace_s in self._ends_at_stop.items():
            scope.deadline = now + grace_s
        if self._closing:
            self._reading.deadline = min(self._reading.deadline, now + STOP_LINGER_S)
        self.outgoing.hurry(STOP_STALL_S)
        if self.at_stop is not None:
            self.at_stop()

    def cut_off(self) -> None:
        """End at once; only while it runs."""
        if self._scope is not None:
            self._scope.cancel(reason="the grace period is over")

    async def invite_body(self) -> None:
        """Send 100 if the client holds the current request's body back until then. A checkpoint."""
        await cast("Protocol", self.protocol).send_continue()

    async def run(self) -> None:
        """Serve until the client or the app closes the connection, or the client stops reading."""
        try:
            async with trio.open_nursery() as nursery:
                self._scope = nursery.cancel_scope
                self.outgoing = ByteQueue(self.stream.socket, nursery, nursery.cancel_scope)
                try:
                    await self._serve()
                finally:
                    self.outgoing.finish()
        except* OSError:
            pass  # the client has gone
        except* Exception:
            log.exception("a connection was ended by an error; the others go on")
        finally:
            self.stream.socket.close()

    async def _serve(self) -> None:
        if self._certificate is None or await self._secure(self._certificate):
            await self._speak()

    async def _secure(self, certificate: Certificate) -> bool:
        """Do the handshake of TLS; return False if it failed, took too long, or the server stops."""
        try:
            with self.until_stop(), trio.move_on_after(HANDSHAKE_S):
                self._session = await certificate.handshake(cast("trio.SocketStream", self.stream))
                self.outgoing.encrypt_by(self._session)
        except trio.BrokenResourceError:
            return False
        except ssl.SSLError:
            pass  # the client has been told by an alert
        except PlainHttp:
            self.outgoing.put(HTTPS_ONLY)
        else:
            return self.secure
        self._end_sending()
        await self._drop_rest()
        return False

    async def _speak(self) -> None:
        """Serve HTTP and WebSocket."""
        socket = self.stream.socket
        client = parse_socket_addr(socket.family, socket.getpeername())
        server = parse_socket_addr(socket.family, socket.getsockname())
        async with AppTasks() as self._task_group:
            self.protocol = cast("Any", Protocol(self, self._task_group, client, server))
            self._set_idle(True)
            self._task_group.spawn(self._close_when_idle)
            try:
                await self._read_data()
            finally:
                self.watch_no_more()

    async def protocol_send(self, event: Event) -> None:
        """Carry out an event of the protocol; with bytes, wait while too many of them wait for the client."""
        if isinstance(event, RawData):
            self.outgoing.put(event.data)
            await self.outgoing.wait_for_room()
        elif isinstance(event, Closed):
            await self._close()
        elif isinstance(event, Updated):
            self._set_idle(event.idle)

    async def _read_data(self) -> None:
        with self._reading, suppress(trio.BrokenResourceError):
            while data := await self._receive():
                if not self._closing and not await self._answer_at_once(data):
                    await self.protocol.handle(RawData(data))
        await self.protocol.handle(Closed())

    async def _answer_at_once(self, data: bytes) -> bool:
        """Answer by the lane if no request is under way and ``data`` is one that it knows; return False if not."""
        protocol = cast("Protocol", self.protocol)
        if self._lane is None or not protocol.may_answer_past_app:
            return False
        answer = self._lane(data, protocol.client_address)
        if callable(answer):
            self._set_idle(False)
            answer = await self._made(answer)
            self._set_idle(True)
        elif answer is not None:
            self._idle_until = self.last_heard + self.config.keep_alive_timeout
        if answer is None:
            return False
        self.outgoing.put(answer)
        protocol.keep_alive_requests += 1
        if self.outgoing:
            await self.outgoing.wait_for_room()
        return True

    async def _made(self, make: Later) -> bytes | None:
        """Have the lane make an answer; None if the server stops: then the app says so."""
        answer = None
        with self.until_stop():
            answer = await make()
        return None if self.context.terminated.is_set() else answer

    async def _receive(self) -> bytes:
        """Return the next bytes of the client, decrypted; none at their end."""
        if self._session is None or self._closing:
            return await self._receive_from_wire()
        while not (data := await self._decrypted(self._session)) and not self._session.ended:
            if not (ciphertext := await self._receive_from_wire()):
                break
            self._session.feed(ciphertext)
        return data

    async def _receive_from_wire(self) -> bytes:
        """Return the next bytes of the client; none at their end. With a wait first, as mostly nothing is there yet.

        Mere pongs are left out.

        Raises:
            trio.BrokenResourceError: the client has gone.
        """
        descriptor = self.stream.socket.fileno()
        while True:
            await trio.lowlevel.wait_readable(descriptor)
            try:
                data = os.read(descriptor, MAX_RECV if self._many_come else HEAD_RECV)
            except BlockingIOError:
                continue
            except OSError as error:
                raise trio.BrokenResourceError from error
            if data:
                self.last_heard = trio.current_time()
                self.received += len(data)
            self._many_come = len(data) >= HEAD_RECV
            if not self._is_mere_pong(data):
                return data

    def _is_mere_pong(self, data: bytes) -> bool:
        """True for what most idle clients send and nothing comes of; its way through the protocols takes 70 µs."""
        stream = cast("Protocol", self.protocol).stream if self._session is None else None
        return isinstance(stream, WebSocketStream) and stream.is_mere_pong(data)

    async def _decrypted(self, session: TlsSession) -> bytes:
        """Return what can be decrypted of what has come; wait for room if TLS itself has to answer."""
        data = session.read()
        if answer := session.own_bytes():
            self.outgoing.put_on_wire(answer)
            await self.outgoing.wait_for_room()
        return data

    async def _drop_rest(self) -> None:
        """Read and drop what still comes of the client until it ends, or for the time of ``_end_sending``."""
        with self._reading, suppress(trio.BrokenResourceError):
            while await self.stream.receive_some(MAX_RECV):
                pass

    async def _close(self) -> None:
        self._end_sending()
        await self.protocol.handle(Closed())

    def _end_sending(self) -> None:
        """End the server's side, and give the client a while to read the last bytes before the socket is closed."""
        if not self._closing:
            self._closing = True
            self.outgoing.finish()
            linger_s = STOP_LINGER_S if self.context.terminated.is_set() else LINGER_S
            self._reading.deadline = trio.current_time() + linger_s

    def _set_idle(self, idle: bool) -> None:
        """Note if the connection waits for a request.

        Sets a deadline and waits for nothing: the caller may be the task of a request that has just been cancelled.
        """
        self._idle_until = trio.current_time() + self.config.keep_alive_timeout if idle else math.inf
        self._idling.deadline = self._idle_until

    def watch_no_more(self) -> None:
        """Note that the connection will not be idle again: it is a WebSocket, or has been read to its end."""
        self._watched = False
        self._idling.cancel()

    async def _close_when_idle(self) -> None:
        """Close the connection if no whole request head comes in time, or if the server stops while no request runs."""
        while self._watched and trio.current_time() < self._idle_until:
            with self._idling:
                await self.context.terminated.wait()
                if self._idle_until == math.inf:
                    return  # the protocol closes the connection after the answer
                break
            self._idling = trio.CancelScope(deadline=self._idle_until)
        if not self._watched:
            return
        self._closing = True
        self.outgoing.finish()
        self._reading.cancel()


class Protocol(H11Protocol):
    """HTTP/1.1 and WebSocket; a request for an upgrade to HTTP/2 is ignored."""

    def __init__(
        self,
        connection: Connection,
        tasks: TaskGroup,
        client: tuple[str, int] | None,
        server: tuple[str, int] | None,
    ) -> None:
        super().__init__(
            connection.app,
            connection.config,
            connection.context,
            tasks,
            ConnectionState(connection.state),
            connection.secure,
            client,
            server,
            connection.protocol_send,
        )
        self.connection = BoundedHeads(connection.config.h11_max_incomplete_size)
        self._served = connection
        self._outgoing = connection.outgoing
        self._last_answer = False
        self._at_rest = False
        """True if that is known; see ``may_answer_past_app``."""
        self.client_address = str(client[0]) if client else ""

    async def handle(self, event: Event) -> None:
        """Take what has come from the client, or its end."""
        self._at_rest = False
        await super().handle(event)

    @property
    def may_answer_past_app(self) -> bool:
        """True if nothing has come of a request, and the answer to the next one may keep the connection open."""
        if not self._at_rest:
            http = self.connection
            self._at_rest = isinstance(http, BoundedHeads) and http.at_rest and self.stream is None
        keeps_open = self.keep_alive_requests + 1 < self.config.keep_alive_max_requests
        return self._at_rest and keeps_open and not self.context.terminated.is_set()

    async def send_continue(self) -> None:
        """Send 100 if the client waits for it before it sends a body. A checkpoint."""
        if _awaits_continue(self.connection):
            await self._send_h11_event(h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[]))
        await trio.lowlevel.checkpoint()

    async def stream_send(self, event: StreamEvent) -> None:
        """Send a part of an answer; the last answer of the connection says that it is the last.

        So does one that comes instead of the 100 that the client waits for: its body may follow or not.
        """
        last = self._last_answer or self.context.terminated.is_set() or _awaits_continue(self.connection)
        if last and isinstance(event, Response) and event.status_code >= HTTPStatus.OK:
            event = replace(event, headers=[*event.headers, (b"connection", b"close")])
        await super().stream_send(event)
        if isinstance(event, Response) and event.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            # The handshake's objects have done their work; an idle client would keep them.
            cast("Any", self.connection).h11_connection = None
            self.can_read = _UNUSED

    async def _check_protocol(self, event: h11.Request) -> None:
        """Do nothing, and so stay with HTTP/1.1."""

    async def _send_h11_event(self, event: Any) -> None:
        if self._outgoing.closed:
            # If an app is cancelled in the middle of its answer, Hypercorn sends a second head.
            await trio.lowlevel.checkpoint()
            return
        await super()._send_h11_event(event)

    async def _send_error_response(self, status_code: int) -> None:
        problem = plain_problem(status_code)
        if status_code == HTTPStatus.NOT_IMPLEMENTED:  # an unknown transfer coding: the client's fault
            problem = Problem(HTTPStatus.BAD_REQUEST, problem.detail)
        self._served.malformed += 1
        log.info("malformed request", status=problem.status, client=self.client[0] if self.client else "")
        await self.send_problem(problem)

    async def send_problem(self, problem: Problem, *, with_body: bool = True) -> None:
        """Answer with ``problem``, the last answer of the connection; if cancelled, all of it has been sent."""
        if self._outgoing.closed:
            await trio.lowlevel.checkpoint()
            return
        body = problem.document()
        headers = [*problem.all_headers().items(), ("content-length", str(len(body))), ("connection", "close")]
        head = h11.Response(status_code=problem.status, headers=headers)
        events: list[Any] = [head, *([h11.Data(data=body)] if with_body else []), h11.EndOfMessage()]
        await self.send(RawData(data=b"".join(self.connection.send(event) or b"" for event in events)))

    async def _create_stream(self, request: h11.Request) -> None:
        args = (
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        if _wants_websocket(request):
            self.stream = WebSocketStream(self._outgoing, *args)
            self.connection = H11WSConnection(cast("h11.Connection", self.connection))
            self._served.watch_no_more()
        else:
            self.stream = RequestStream(self.send_problem, *args)
        self._last_answer = has_two_lengths(request)
        target, headers = target_and_headers(request)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=headers,
                http_version=request.http_version.decode(),
                method=request.method.decode("ascii").upper(),
                raw_path=target,
                state=self.connection_state,
            )
        )
        self.keep_alive_requests += 1


class RequestStream(HTTPStream):
    """Hypercorn's stream of one request; an app that ends without an answer is told by a problem document."""

    def __init__(self, send_problem: Callable[..., Awaitable[None]], *args: Any) -> None:
        super().__init__(*args)
        self._send_problem = send_problem

    async def _send_error_response(self, status_code: int) -> None:
        """Send the answer that the app did not give: 503 instead of 500 if that is because the server ends."""
        ends = self.context.terminated.is_set() or trio.current_effective_deadline() == -math.inf
        status = HTTPStatus.SERVICE_UNAVAILABLE if ends else status_code
        self.state = ASGIHTTPState.CLOSED
        await self._send_problem(plain_problem(status), with_body=self.scope["method"] != "HEAD")


def _awaits_continue(connection: h11.Connection | H11WSConnection) -> bool:
    return isinstance(connection, BoundedHeads) and connection.awaits_continue


def _wants_websocket(request: h11.Request) -> bool:
    headers = {bytes(name): bytes(value).lower() for name, value in request.headers}
    tokens = [token.strip() for token in headers.get(b"connection", b"").split(b",")]
    upgrade = headers.get(b"upgrade", b"").strip()
    return request.method == b"GET" and b"upgrade" in tokens and upgrade == b"websocket"
