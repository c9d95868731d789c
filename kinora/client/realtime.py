"""The live messages of a server, over a WebSocket that is opened again whenever it is lost."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Self
from urllib.parse import urlencode

import msgspec
import structlog
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection

from kinora.client.errors import ClientError, Unreachable
from kinora.client.http import server_address
from kinora.client.resumption import BackOff, Message, Resumption
from kinora.client.token import authorization, token_of_environment
from kinora.client.websocket import end_of, open_socket, running

PATH = "/v1/realtime"
WAITING_MESSAGES = 64
"""Messages read ahead of the iteration. At this number reading stops, and the server's outbox fills instead."""
SILENCE_S = 75.0
"""The server sends something every 30 s; after this time of silence the connection is given up."""
CLOSE_S = 1.0
"""The time for the server to answer our close; then the connection is cut."""
PING = '{"type":"ping"}'

FINAL_CLOSES = {
    1008: "The server does not allow this connection",
    1009: "A message to or from the server was larger than the limit",
    4000: "The server does not accept this session id",
    4002: "Another connection has taken over this session",
}
"""Close codes after which connecting again would end the same way."""

log = structlog.get_logger()


@asynccontextmanager
async def connect(
    url: str,
    *,
    job_ids: Iterable[str] = (),
    types: Iterable[str] = (),
    last_event_id: str | None = None,
    token: str | None = None,
    ca_file: str | Path | None = None,
) -> AsyncIterator[Realtime]:
    """Connect to the server at ``url`` (``http://host:port``); the block is entered once the connection is open.

    A lost connection is opened again, with growing delays and without end, and goes on after the last message. Messages
    that the server can no longer replay are announced as a ``gap``.

    Args:
        url: the server's address, as for :class:`~kinora.client.KinoraClient`.
        job_ids: only messages about these jobs; empty stands for all jobs.
        types: only these types of message; empty stands for all types.
        last_event_id: go on after this message.
        token: shown to the server, as by :class:`~kinora.client.KinoraClient`.
        ca_file: as for :class:`~kinora.client.KinoraClient`.

    Raises:
        ClientError: the server cannot be reached, or refuses.
    """
    query = [("job_id", job_id) for job_id in job_ids]
    query += [("types", ",".join(types))] if (types := tuple(types)) else []
    token = token or token_of_environment()
    realtime = Realtime(url, query, Resumption(last_event_id), token=token, ca_file=ca_file)
    async with running(realtime):
        yield realtime


class Realtime:
    """An endless iterator over :class:`Message`; made by :func:`connect`.

    On each connection one ``pong`` comes after the missed messages and the current state, and one for each ``ping``.
    """

    def __init__(
        self,
        url: str,
        query: list[tuple[str, str]],
        resumption: Resumption,
        *,
        token: str | None = None,
        ca_file: str | Path | None = None,
    ) -> None:
        self._url = url
        self._headers = [(name.encode(), value.encode()) for name, value in authorization(token).items()]
        self._address = server_address(url)
        self._ca_file = ca_file
        self._query = [("session_id", str(uuid.uuid4())), *query]
        self._resumption = resumption
        self._back_off = BackOff()
        self._sender, self._receiver = trio.open_memory_channel[Message](WAITING_MESSAGES)
        self._socket: WebSocketConnection | None = None
        self._decided = trio.Event()
        self._end: ClientError | None = None
        self.connections = 0
        """The number of connections made so far."""

    @property
    def last_event_id(self) -> str | None:
        """The id after which a new session would continue."""
        return self._resumption.last_event_id

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        """The next message.

        Raises:
            ClientError: the server refuses to continue.
        """
        try:
            return await self._receiver.receive()
        except trio.EndOfChannel:
            raise self._end or StopAsyncIteration from None

    async def ping(self) -> None:
        """Request a pong, which comes after all messages published before.

        If the connection is lost, the next one requests a pong by itself.
        """
        with suppress(ConnectionClosed):
            if self._socket is not None:
                await self._socket.send_message(PING)

    async def wait_connected(self) -> None:
        """Wait until the first connection is open.

        Raises:
            ClientError: the server cannot be reached, or refuses.
        """
        await self._decided.wait()
        if self._end is not None:
            raise self._end

    async def run(self) -> None:
        """Keep a connection open. Return if the first attempt finds no server, or if the server refuses to continue."""
        with self._sender:
            while self._end is None:
                try:
                    await self._run_connection()
                except* (OSError, trio.TooSlowError, HandshakeError, ConnectionClosed, ClientError) as lost:
                    self._end = end_of(lost, FINAL_CLOSES) or (None if self.connections else Unreachable(self._url))
                self._decided.set()
                if self._end is None:
                    delay_s = self._back_off.next_s()
                    log.warning("connection lost", url=self._url, again_in_s=round(delay_s, 1))
                    await trio.sleep(delay_s)

    async def _run_connection(self) -> None:
        async with open_socket(self._address, self._target(), self._headers, self._ca_file) as socket:
            self.connections += 1
            self._socket = socket
            self._decided.set()
            try:
                await self.ping()
                while True:
                    await self._pass_on(await _next_message(socket), socket)
            finally:
                self._socket = None
                with trio.move_on_after(CLOSE_S, shield=True):
                    await socket.aclose()

    async def _pass_on(self, message: Message, socket: WebSocketConnection) -> None:
        self._back_off.reset()
        if message.type == "ping":
            pong = {"type": "pong", "payload": {"timestamp": message.timestamp}}
            await socket.send_message(msgspec.json.encode(pong).decode())
        if self._resumption.accept(message) and message.type != "ping":
            await self._sender.send(message)

    def _target(self) -> str:
        last = self._resumption.last_event_id
        query = [*self._query, *([("last_event_id", last)] if last else [])]
        return f"{self._address.path.rstrip('/')}{PATH}?{urlencode(query)}"


async def _next_message(socket: WebSocketConnection) -> Message:
    while True:
        with trio.fail_after(SILENCE_S):
            data = await socket.get_message()
        try:
            return msgspec.json.decode(data, type=Message)
        except msgspec.DecodeError as error:
            log.warning("message skipped", reason=str(error))
