"""Requests over plain sockets, counted by what became of them; bodies of answers are read and dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress

import attrs
import trio

READ_BYTES = 256 * 1024
HOST = "127.0.0.1"
OTHER = "127.0.0.2"
"""The address of a second client: loopback has many, and servers tell clients apart by them."""


@attrs.frozen
class Answer:
    """How a request ended: the status, or ``cut`` if the connection ended without one."""

    status: str
    waited_s: float
    size: int
    """The bytes of the answer, its head included."""


async def connect(port: int, *, address: str = HOST, buffer: int = 0) -> trio.SocketStream:
    """Open a connection from ``address``, with a receive buffer of ``buffer`` bytes (0 for the system's).

    Raises:
        OSError: the server cannot be reached.
    """
    sock = trio.socket.socket()
    try:
        if buffer:
            sock.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, buffer)
        await sock.bind((address, 0))
        await sock.connect((HOST, port))
    except BaseException:
        sock.close()
        raise
    return trio.SocketStream(sock)


def head(method: str, target: str, headers: Mapping[str, str], length: int = 0) -> bytes:
    """The head of a request."""
    lines = {"Host": "localhost", **headers, **({"Content-Length": str(length)} if length else {})}
    return "\r\n".join([f"{method} {target} HTTP/1.1", *map(": ".join, lines.items()), "", ""]).encode()


async def rest_of_answer(stream: trio.SocketStream) -> tuple[str, int]:
    """Read to the end of the connection; return the status, or ``cut``, and the number of bytes."""
    status, size = "cut", 0
    try:
        while data := await stream.receive_some(READ_BYTES):
            status = data[9:12].decode() if not size else status
            size += len(data)
    except trio.BrokenResourceError:
        pass
    return status, size


@attrs.define
class Clients:
    """The clients of one storm, and the counts of their answers by status."""

    port: int
    answers: Counter[str] = attrs.field(factory=Counter)
    """Those of the other client are counted apart."""
    received: int = 0
    """The bytes of all answers that came to their end."""

    async def ask(
        self,
        method: str,
        target: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        address: str = HOST,
    ) -> Answer:
        """Send a request on a connection of its own, read its answer and count it, as ``no answer`` if cancelled."""
        began = trio.current_time()
        status, size = "no answer", 0
        try:
            status, size = await self._exchange(method, target, body, headers or {}, address)
        except OSError:
            status = "cut"
        finally:
            self.answers[status if address == HOST else f"{status} to the other client"] += 1
            self.received += size
        return Answer(status, trio.current_time() - began, size)

    async def _exchange(
        self, method: str, target: str, body: bytes, headers: Mapping[str, str], address: str
    ) -> tuple[str, int]:
        lines = {"Connection": "close", **({"Content-Type": "application/json"} if body else {}), **headers}
        async with await connect(self.port, address=address) as stream:
            with suppress(trio.BrokenResourceError):  # it may have answered before it had the whole body
                await stream.send_all(head(method, target, lines, len(body)) + body)
            return await rest_of_answer(stream)
