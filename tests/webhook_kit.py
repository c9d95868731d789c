"""A receiver of webhooks, on a real socket."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import h11
import msgspec
import trio

from kinora.actors.webhooks.webhook import Webhook

TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
Reply = Callable[[trio.abc.Stream], Awaitable[object]]


@attrs.frozen
class Posted:
    """A request that has come."""

    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def message(self) -> Any:
        """The body as JSON."""
        return msgspec.json.decode(self.body)


def says(answer: bytes) -> Reply:
    """Answer with these bytes, and close."""

    async def reply(stream: trio.abc.Stream) -> None:
        await stream.send_all(answer)

    return reply


async def hangs(_stream: trio.abc.Stream) -> None:
    """Never answer."""
    await trio.sleep_forever()


async def never_ends(stream: trio.abc.Stream) -> None:
    """Send informational answers for as long as they are read."""
    while True:
        await stream.send_all(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)


async def drips(stream: trio.abc.Stream) -> None:
    """Send a head that does not end, a little at a time."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send_all(b"x: y\r\n")
        await trio.sleep(0.01)


async def floods(stream: trio.abc.Stream) -> None:
    """Send a body that does not end, and would be far longer if it were unpacked."""
    await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        await stream.send_all(b"10000\r\n" + bytes(0x10000) + b"\r\n")


@attrs.define
class Receiver:
    """Takes posts, and answers them with ``reply``; :func:`receiver` runs it."""

    url: str
    reply: Reply
    posts: list[Posted] = attrs.field(factory=list)
    came: trio.Event = attrs.field(factory=trio.Event)
    """Set, and replaced by a new one, when a post has come."""

    def webhook(self, **more: Any) -> Webhook:
        """The webhook that posts to it."""
        return Webhook(url=self.url, **more)

    async def wait_for(self, posts: int) -> list[Posted]:
        """Return once so many posts have come."""
        while len(self.posts) < posts:
            await self.came.wait()
        return self.posts

    async def serve(self, stream: trio.abc.Stream) -> None:
        """Take one post."""
        with suppress(trio.BrokenResourceError, h11.RemoteProtocolError):
            await self._take(stream)

    async def _take(self, stream: trio.abc.Stream) -> None:
        http = h11.Connection(h11.SERVER)
        request, body = None, b""
        while not isinstance(event := http.next_event(), h11.EndOfMessage):
            match event:
                case h11.Request():
                    request = event
                case h11.Data(data=data):
                    body += data
                case h11.ConnectionClosed():
                    return
                case _:
                    http.receive_data(bytes(await stream.receive_some(65536)))
        assert request is not None
        headers = {name.decode(): value.decode() for name, value in request.headers}
        self.posts.append(Posted(request.target.decode(), headers, body))
        self.came.set()
        self.came = trio.Event()
        try:
            await self.reply(stream)
        finally:
            await trio.aclose_forcefully(stream)


@asynccontextmanager
async def receiver(
    reply: Reply | None = None, port: int = 0, certificate: Path | None = None
) -> AsyncIterator[Receiver]:
    """A receiver on this machine, which answers with ``reply``, or takes all; encrypted if it has a certificate."""
    (listener,) = await trio.open_tcp_listeners(port, host="127.0.0.1")
    place = f"127.0.0.1:{listener.socket.getsockname()[1]}/hook?key=k"
    running = Receiver(f"http{'s' if certificate else ''}://{place}", reply or says(TAKEN))
    listening: trio.abc.Listener[trio.abc.Stream] = listener
    if certificate is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate)
        listening = trio.SSLListener(listener, context)
    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, running.serve, [listening])
        yield running
        nursery.cancel_scope.cancel()
