"""The listening sockets and the accept loop, with limits on connections, request heads and the time of a stop."""

from __future__ import annotations

import errno
import resource
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

import attrs
import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.logging import Logger
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ASGIFramework

from kinora.web.connection.connection import Connection, Lane
from kinora.web.connection.tls import Certificate, PlainHttp
from kinora.web.problems import FULL

BACKLOG = 1024
"""The most connections that the kernel keeps waiting for ``accept``."""
UNACKNOWLEDGED_MS = 60_000
"""A peer that acknowledges nothing for this long is taken to have gone."""
REQUEST_S = 10.0
"""The time limit for a whole request head, and for a connection to stay idle between two requests."""
MAX_HEAD_BYTES = 32 * 1024
"""Request heads that are longer are refused with 431."""
MAX_WEBSOCKET_MESSAGE = 64 * 1024
"""The most bytes (characters for text) of a client's message; a longer one closes the WebSocket with 1009."""
REST_RESERVE = 1000
"""Connections for REST, in addition to those for realtime clients."""
FILE_RESERVE = 256
"""Open files reserved for all but connections, unless the caller knows better."""
CONNECTIONS_OF_FILES = 8
"""One in so many open files is for a connection at least, however low their limit is."""
REFUSE_S = 1.0
"""The time that a refused client has to take the answer."""
OUTLAST_S = 2.0
"""After the grace period, the time for connections that outlast it; then they are cut off."""


class BindError(Exception):
    """The server cannot listen on this address; ``str()`` of the error is a sentence for the user."""


def bind(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on every address of ``host``; for port 0, on a free port, the same for all.

    Raises:
        BindError: the port is taken or not allowed, or the host is unknown.
    """
    sockets: list[socket.socket] = []
    try:
        for family, address in _addresses(host):
            sockets.append(_listen(family, address, port))
            port = sockets[0].getsockname()[1]
    except OSError as error:
        for sock in sockets:
            sock.close()
        raise BindError(_explain(host, port, error)) from error
    return sockets


def _addresses(host: str) -> list[tuple[int, str]]:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise BindError(f"Host {host!r} has no address: check --host.") from error
    return list(dict.fromkeys((int(family), str(address[0])) for family, _, _, _, address in found))


def _listen(family: int, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def _explain(host: str, port: int, error: OSError) -> str:
    if isinstance(error, PermissionError):
        return f"You have no permission to listen on port {port}: choose one above 1023 with --port."
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} on {host} is taken: stop the program that uses it, or choose another port with --port."
    return f"Cannot listen on {host} port {port}: {error.strerror}."


@attrs.frozen
class ServerStatistics:
    """The numbers of open, most open, allowed, refused and all accepted connections, and the bytes on all of them."""

    connections: int
    peak_connections: int
    max_connections: int
    refused: int
    accepted: int
    sent_bytes: int
    received_bytes: int
    malformed: int
    """The requests that were refused because they are not HTTP, or their head is too large."""


class Server:
    """Serves one ASGI app on sockets from ``bind``. The app finds the server as ``scope["state"]["server"]``.

    Args:
        app: the ASGI app; the server runs its lifespan.
        sockets: listening sockets, which the server owns from now on.
        max_sessions: the most realtime clients; up to ``REST_RESERVE`` more connections are allowed for REST.
        grace_s: the seconds that ``stop`` gives to requests and sessions that still run.
        file_reserve: open files that are reserved for all but connections.
        certificate: with it all connections are encrypted.
        lane: answers plain reads without the app, if given.
    """

    def __init__(
        self,
        app: ASGIFramework,
        sockets: Sequence[socket.socket],
        *,
        max_sessions: int,
        grace_s: float,
        file_reserve: int = FILE_RESERVE,
        certificate: Certificate | None = None,
        lane: Lane | None = None,
    ) -> None:
        self._app = ASGIWrapper(app)
        self._sockets = tuple(sockets)
        self._grace_s = grace_s
        self._certificate = certificate
        self._lane = lane
        self._max_connections = _connection_limit(max_sessions, file_reserve)
        self._open: set[Connection] = set()
        self._peak = self._refused = self._accepted = 0
        self._sent_bytes = self._received_bytes = self._malformed = 0
        """Those of the connections that have ended."""
        self._config = _config()
        self._stopping = trio.Event()
        self._changed = trio.Event()
        self.quiet = trio.Event()
        """Set at a stop, once only connections that outlast the grace period are left."""

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until ``stop`` is called or this is cancelled; then nothing is left open.

        Started when connections are accepted.
        """
        context = WorkerContext(None)
        listeners = [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in self._sockets]
        accept = partial(trio.serve_listeners, partial(self._handle, context), listeners)
        async with self._lifespan(), trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                await accepting.start(partial(accept, handler_nursery=connections))
                task_status.started()
                await self._stopping.wait()
                accepting.cancel_scope.cancel()
            await context.terminated.set()
            for connection in self._open:
                connection.hurry()
            await self._end_passing()
            connections.cancel_scope.deadline = trio.current_time() + OUTLAST_S

    def stop(self) -> None:
        """Accept no more connections, close the idle ones, and give the others the grace period.

        Some get less: see ``Connection.until_stop`` and ``STOP_STALL_S``.
        """
        self._stopping.set()

    async def _end_passing(self) -> None:
        """Wait for the connections that do not outlast the grace period; cut off those that are left after it."""
        with trio.move_on_after(self._grace_s):
            while self._passing():
                self._changed = trio.Event()
                await self._changed.wait()
        for connection in self._passing():
            connection.cut_off()
        self.quiet.set()

    def _passing(self) -> list[Connection]:
        return [connection for connection in self._open if not connection.outlasts_grace]

    def statistics(self) -> ServerStatistics:
        """The current numbers."""
        return ServerStatistics(
            connections=len(self._open),
            peak_connections=self._peak,
            max_connections=self._max_connections,
            refused=self._refused,
            accepted=self._accepted,
            sent_bytes=self._sent_bytes + sum(connection.sent for connection in self._open),
            received_bytes=self._received_bytes + sum(connection.received for connection in self._open),
            malformed=self._malformed + sum(connection.malformed for connection in self._open),
        )

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        lifespan = Lifespan(self._app, self._config, {})
        async with trio.open_nursery() as nursery:
            await nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            yield
            await lifespan.wait_for_shutdown()
            nursery.cancel_scope.cancel()

    async def _handle(self, context: WorkerContext, stream: trio.SocketStream) -> None:
        if len(self._open) >= self._max_connections:
            self._refused += 1
            await _refuse(stream, self._certificate)
            return
        state = {"server": self}
        connection = Connection(
            self._app, self._config, context, state, stream, certificate=self._certificate, lane=self._lane
        )
        self._open.add(connection)
        self._accepted += 1
        self._peak = max(self._peak, len(self._open))
        try:
            await connection.run()
        finally:
            self._open.remove(connection)
            self._changed.set()
            self._sent_bytes += connection.sent
            self._received_bytes += connection.received
            self._malformed += connection.malformed


async def _refuse(stream: trio.SocketStream, certificate: Certificate | None) -> None:
    with trio.move_on_after(REFUSE_S):
        try:
            session = None if certificate is None else await certificate.handshake(stream)
            await stream.send_all(FULL if session is None else session.encrypt(FULL) + session.close())
        except (trio.BrokenResourceError, trio.ClosedResourceError, ssl.SSLError, PlainHttp):
            return
        finally:
            stream.socket.close()


def _connection_limit(max_sessions: int, file_reserve: int) -> int:
    """The most connections; fewer than files can be open, as ``accept`` and the store would fail otherwise."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(1, min(max_sessions + REST_RESERVE, max(files - file_reserve, files // CONNECTIONS_OF_FILES)))


class HypercornLog(Logger):
    """Hypercorn's own messages, written to the server's log."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        self.error_logger = structlog.get_logger()


def _config() -> Config:
    config = Config()
    config.errorlog = None
    config.logger_class = HypercornLog
    config.include_server_header = False
    config.keep_alive_timeout = REQUEST_S
    config.h11_max_incomplete_size = MAX_HEAD_BYTES
    config.websocket_max_message_size = MAX_WEBSOCKET_MESSAGE
    return config
