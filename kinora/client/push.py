"""Pushing the pictures of a job to a server, over a WebSocket that is opened again if it is lost."""

from __future__ import annotations

import math
import struct
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import attrs
import msgspec
import trio
from trio_websocket import ConnectionClosed, HandshakeError, WebSocketConnection

from kinora.client.errors import ClientError, Unreachable
from kinora.client.http import server_address
from kinora.client.token import authorization
from kinora.client.websocket import CONNECT_S, end_of, leaves, open_socket, running

PATIENCE_S = 30.0
"""The time for which a lost connection is opened again: that for which a server waits, unless its operator sets
another."""
RETRY_S = 0.5
"""The pause between two attempts."""
MAX_WAITING = 64
"""Pictures that are kept until the server has got them, so that a lost connection loses none; then ``send`` waits."""
MAX_WAITING_BYTES = 64 * 2**20
"""The bytes of these pictures, beyond the newest one."""
MAX_PICTURE_BYTES = 16 * 2**20
"""Servers take no larger picture."""
END = '{"type":"end"}'
NORMAL, NOT_ALLOWED, TAKEN_OVER, ANOTHER_PUSHES = 1000, 1008, 4002, 4003
_STAMP = struct.Struct(">Q")


@attrs.frozen
class Ack:
    """What the server has got."""

    index: int | None = None
    """The index of the newest picture; None before the first."""
    dropped: int = 0
    """The pictures of the job that were dropped for newer ones."""


class _Said(msgspec.Struct):
    type: str
    index: int | None = None
    dropped: int = 0


@asynccontextmanager
async def push(
    url: str, job_id: str, *, timestamps: bool = False, token: str | None = None, ca_file: str | Path | None = None
) -> AsyncIterator[Pushing]:
    """Push pictures into a job; the block is entered once the server takes them.

    At its end the server is told that there are no more, and has got all. If it is left by an exception, the job waits
    for a while for another client.

    Raises:
        ClientError: the server cannot be reached or refuses, or the job has ended.
    """
    pushing = Pushing(url, job_id, timestamps=timestamps, token=token, ca_file=ca_file)
    async with running(pushing):
        yield pushing
        await pushing.end()


class Pushing:
    """A client that pushes; made by :func:`push`."""

    def __init__(
        self,
        url: str,
        job_id: str,
        *,
        timestamps: bool = False,
        token: str | None = None,
        ca_file: str | Path | None = None,
    ) -> None:
        self.ack = Ack()
        """What the server has told last."""
        self._url = url
        self._address = server_address(url)
        self._target = f"{self._address.path.rstrip('/')}/v1/jobs/{quote(job_id, safe='')}/push"
        self._target += "?timestamps=1" if timestamps else ""
        self._timestamps = timestamps
        self._headers = [(name.encode(), value.encode()) for name, value in authorization(token).items()]
        self._ca_file = ca_file
        self._waiting: deque[tuple[int, bytes]] = deque()
        """Each picture that the server has not acknowledged, with its index."""
        self._next_index: int | None = None
        self._ending = False
        self._over = False
        self._away = False
        """True if no connection was open since the last one was lost."""
        self._failure: ClientError | None = None
        self._changed = trio.Event()

    async def send(self, picture: bytes, timestamp_us: int | None = None) -> None:
        """Send a JPEG, PNG or WebP. Waits while too many are on their way; a lost connection is waited for.

        ``timestamp_us`` is its time in microseconds on any clock; it must be given if ``timestamps`` is set, and only
        then.

        Raises:
            ClientError: it is no such picture or too large; or the server takes no more.
        """
        if (timestamp_us is not None) is not self._timestamps:
            raise ValueError("give timestamp_us for each picture, and timestamps=True; or neither")
        message = _checked(picture) if timestamp_us is None else _STAMP.pack(timestamp_us) + _checked(picture)
        await trio.lowlevel.checkpoint()
        while self._is_full and self._failure is None:
            await self._changed.wait()
        self._raise_failure()
        assert self._next_index is not None  # noqa: S101 - the connection has been open
        self._waiting.append((self._next_index, message))
        self._next_index += 1
        self._note_change()

    async def end(self) -> None:
        """Tell the server that there are no more pictures, and wait until it has got all.

        Raises:
            ClientError: it did not get all.
        """
        self._ending = True
        self._note_change()
        while not self._over:
            await self._changed.wait()
        self._raise_failure()

    async def wait_connected(self) -> None:
        """Wait until the server takes pictures.

        Raises:
            ClientError: it cannot be reached, or refuses.
        """
        while self._next_index is None and not self._over:
            await self._changed.wait()
        self._raise_failure()

    async def run(self) -> None:
        """Keep a connection open, until all is sent or the server takes no more."""
        lost_at = math.inf
        while not self._over:
            try:
                await self._run_connection()
            except* (OSError, trio.TooSlowError, HandshakeError, ConnectionClosed, ClientError) as lost:
                lost_at = min(lost_at, trio.current_time()) if self._away else trio.current_time()
                self._judge(lost, trio.current_time() - lost_at)
            self._away = True
            if not self._over:
                await trio.sleep(RETRY_S)

    async def _run_connection(self) -> None:
        opening = open_socket(self._address, self._target, self._headers, self._ca_file)
        async with opening as socket, trio.open_nursery() as nursery:
            with trio.fail_after(CONNECT_S):
                await self._hear(socket)
            if self._next_index is None:
                self._next_index = 0 if self.ack.index is None else self.ack.index + 1
            self._away = False
            self._note_change()
            nursery.start_soon(self._send_waiting, socket)
            while True:
                await self._hear(socket)

    async def _send_waiting(self, socket: WebSocketConnection) -> None:
        """Send what waits, and then what comes."""
        sent, told_end = -1, False
        while not told_end:
            message = next((message for index, message in self._waiting if index > sent), None)
            if message is not None:
                sent = next(index for index, _ in self._waiting if index > sent)
                await socket.send_message(message)
            elif self._ending:
                await socket.send_message(END)
                told_end = True
            else:
                await self._changed.wait()

    async def _hear(self, socket: WebSocketConnection) -> None:
        said = msgspec.json.decode(await socket.get_message(), type=_Said)
        if said.type == "ack":
            self.ack = Ack(said.index, said.dropped)
            while self._waiting and said.index is not None and self._waiting[0][0] <= said.index:
                self._waiting.popleft()
            self._note_change()

    def _judge(self, lost: BaseExceptionGroup[Exception], outage_s: float) -> None:
        """Decide if the loss of a connection is the end."""
        if _closed_normally(lost) and self._ending and not self._waiting:
            self._over = True
        elif (end := end_of(lost, _final(again=self._next_index is not None))) is not None:
            self._over, self._failure = True, end
        elif self._next_index is None:
            self._over, self._failure = True, Unreachable(self._url)
        elif outage_s >= PATIENCE_S:
            self._over = True
            self._failure = ClientError(f"The connection to {self._url} was lost for {PATIENCE_S:.0f} s")
        self._note_change()

    @property
    def _is_full(self) -> bool:
        size = sum(len(message) for _, message in self._waiting)
        return len(self._waiting) >= MAX_WAITING or size >= MAX_WAITING_BYTES

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def is_picture(data: bytes) -> bool:
    """True if these bytes begin like a JPEG, a PNG or a WebP."""
    return data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP")


def _checked(picture: bytes) -> bytes:
    if not is_picture(picture):
        raise ClientError("What is pushed must be a JPEG, PNG or WebP picture")
    if len(picture) > MAX_PICTURE_BYTES:
        raise ClientError(f"A picture that is pushed may have {MAX_PICTURE_BYTES // 2**20} MiB: make it smaller")
    return picture


def _closed_normally(lost: BaseExceptionGroup[Exception]) -> bool:
    return any(
        isinstance(error, ConnectionClosed) and error.reason is not None and error.reason.code == NORMAL
        for error in leaves(lost)
    )


def _final(*, again: bool) -> Mapping[int, str]:
    """Close code → why there is no other attempt.

    ``again`` is true if a connection was open before: then the server may not know yet that it is lost.
    """
    return {
        NORMAL: "The server takes no more pictures",
        NOT_ALLOWED: "The server does not allow this connection",
        TAKEN_OVER: "Another client has taken over",
        **({} if again else {ANOTHER_PUSHES: "The server takes no pictures from here"}),
    }
