"""One system behind two servers, with the reading lane and without it, and raw requests to both."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import attrs
import trio

from kinora.system import System
from kinora.web.app import KinoraApp, create_app
from kinora.web.connection.connection import Later
from kinora.web.connection.server import Server, bind

SAFETY_S = 120.0
"""Far more than anything takes on a busy machine."""
_DATE = re.compile(rb"\r\ndate: [^\r]*")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


@attrs.define(eq=False)
class BothWays:
    """The ports of the two servers, and what the lane has taken."""

    lane_app: KinoraApp
    plain_app: KinoraApp
    lane_port: int = 0
    plain_port: int = 0
    servers: tuple[Server, ...] = ()
    taken: list[bytes] = attrs.field(factory=list)
    """The requests that the lane has answered, or begun to answer."""

    def answer(self, data: bytes, client: str) -> bytes | Later | None:
        """Have the lane answer, and note it."""
        assert self.lane_app.reading_lane is not None
        answer = self.lane_app.reading_lane.answer(data, client)
        if answer is not None:
            self.taken.append(data)
        return answer

    async def ask(self, *pieces: bytes) -> tuple[bytes, bytes]:
        """The answers of both to one request; see :meth:`Wire.ask`."""
        answers = []
        for port in (self.lane_port, self.plain_port):
            async with wire(port) as client:
                answers.append(await client.ask(*pieces))
        return answers[0], answers[1]


@asynccontextmanager
async def both_ways(system: System) -> AsyncIterator[BothWays]:
    """Serve a system twice."""
    both = BothWays(create_app(system), create_app(system))
    async with trio.open_nursery() as nursery:
        lanes, plain = bind("127.0.0.1", 0), bind("127.0.0.1", 0)
        both.lane_port, both.plain_port = lanes[0].getsockname()[1], plain[0].getsockname()[1]
        both.servers = (
            Server(both.lane_app, lanes, max_sessions=10, grace_s=5, lane=both.answer),
            Server(both.plain_app, plain, max_sessions=10, grace_s=5),
        )
        for server in both.servers:
            await nursery.start(server.run)
        yield both
        for server in both.servers:
            server.stop()


class Wire:
    """A client that sees every byte."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._data = b""

    async def ask(self, *pieces: bytes) -> bytes:
        """Send the pieces, each as a segment of its own, and return the answer, without the value of its date."""
        for piece in pieces:
            await self.stream.send_all(piece)
            await trio.testing.wait_all_tasks_blocked(0.001)
        return await self.answer()

    async def answer(self) -> bytes:
        """The next answer; what there is of it if the server closes before its end."""
        with trio.fail_after(SAFETY_S):
            while b"\r\n\r\n" not in self._data and await self._more():
                pass
            head, _, _ = self._data.partition(b"\r\n\r\n")
            length = _LENGTH.search(head)
            size = len(head) + 4 + (int(length[1]) if length and not head.startswith(b"HTTP/1.1 304") else 0)
            while len(self._data) < size and await self._more():
                pass
        answer, self._data = self._data[:size], self._data[size:]
        return _DATE.sub(b"\r\ndate: now", answer)

    async def _more(self) -> bytes:
        data = bytes(await self.stream.receive_some(2**16))
        self._data += data
        return data

    async def is_closed(self) -> bool:
        """True if the server closes the connection."""
        with trio.fail_after(SAFETY_S):
            return not self._data and not await self.stream.receive_some(1)


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A connection."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        yield Wire(stream)


def get(target: str, *lines: str) -> bytes:
    """A GET as a polite client sends it, with further header lines."""
    return "\r\n".join([f"GET {target} HTTP/1.1", "Host: 127.0.0.1", *lines, "", ""]).encode("latin-1")
