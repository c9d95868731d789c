"""SlowLink: a TCP proxy that delays what it passes on, narrows the way, breaks and comes back."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import trio

CHUNK_BYTES = 2**13
"""The most bytes that are passed on at once."""
CHUNKS = 8
"""The most chunks of a direction that are on the way; the sender waits beyond them."""
BUFFER_BYTES = 2**14
"""Of each socket, so that little waits in the kernel."""
BROKEN = (trio.BrokenResourceError, trio.ClosedResourceError)


class SlowLink:
    """The way between two sides, as a test wants it."""

    def __init__(self, url: str, host: str, port: int) -> None:
        """``url`` is the address of this end, the others are those of the server."""
        self.url = url
        self.delay_s = 0.0
        """In each direction."""
        self.bytes_per_s: float | None = None
        """In each direction; None for all that comes."""
        self._target = host, port
        self._through = trio.Event()
        self._through.set()
        self._is_cut = False
        self._connections = set[trio.CancelScope]()

    def cut(self) -> None:
        """Close all connections, and refuse new ones until it is mended."""
        self._is_cut = True
        for scope in self._connections:
            scope.cancel()

    def darken(self) -> None:
        """Let nothing through until it is mended, and tell neither side."""
        self._through = trio.Event()

    def mend(self) -> None:
        """Let all through again."""
        self._is_cut = False
        self._through.set()

    async def serve(self, near: trio.SocketStream) -> None:
        """Serve a connection."""
        if self._is_cut:
            return
        async with near, await trio.open_tcp_stream(*self._target) as far, trio.open_nursery() as nursery:
            self._connections.add(nursery.cancel_scope)
            try:
                nursery.start_soon(self._pass_on, near, far)
                await self._pass_on(far, near)
                nursery.cancel_scope.cancel()
            finally:
                self._connections.discard(nursery.cancel_scope)

    async def _pass_on(self, source: trio.SocketStream, sink: trio.SocketStream) -> None:
        """Pass on until one side ends."""
        under_way, arriving = trio.open_memory_channel[tuple[float, bytes]](CHUNKS)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._deliver, arriving, sink)
            async with under_way:
                try:
                    while data := await source.receive_some(CHUNK_BYTES):
                        await under_way.send((trio.current_time() + self.delay_s, bytes(data)))
                except BROKEN:
                    nursery.cancel_scope.cancel()

    async def _deliver(self, arriving: trio.MemoryReceiveChannel[tuple[float, bytes]], sink: trio.SocketStream) -> None:
        async with arriving:
            async for due, data in arriving:
                await trio.sleep_until(due)
                await self._through.wait()
                try:
                    await sink.send_all(data)
                except BROKEN:
                    return
                if self.bytes_per_s is not None:
                    await trio.sleep(len(data) / self.bytes_per_s)


@asynccontextmanager
async def slow_link(url: str) -> AsyncIterator[SlowLink]:
    """A way to a server, quick and whole at first."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    (listening,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    listening.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    link = SlowLink(f"http://127.0.0.1:{listening.socket.getsockname()[1]}", parts.hostname, parts.port)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, link.serve, [listening])
        yield link
        nursery.cancel_scope.cancel()
