"""A proxy that cuts connections, as a bad network does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import trio


@asynccontextmanager
async def cutting_proxy(url: str, lengths: list[float]) -> AsyncIterator[str]:
    """Passes connections on to ``url``, and cuts each after so many bytes to the client; then cuts no more."""
    target = urlsplit(url)
    host, port = target.hostname or "", target.port or 0

    async def pump(source: trio.SocketStream, sink: trio.SocketStream, limit: float, scope: trio.CancelScope) -> None:
        try:
            async for data in source:
                await sink.send_all(data[: int(min(limit, len(data)))])
                limit -= len(data)
                if limit <= 0:
                    break
        except trio.BrokenResourceError:
            pass
        scope.cancel()

    async def serve(client: trio.SocketStream) -> None:
        limit = lengths.pop(0) if lengths else float("inf")
        async with await trio.open_tcp_stream(host, port) as upstream, trio.open_nursery() as nursery:
            nursery.start_soon(pump, client, upstream, float("inf"), nursery.cancel_scope)
            nursery.start_soon(pump, upstream, client, limit, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, serve, 0, host="127.0.0.1"))
        yield f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}"
        nursery.cancel_scope.cancel()
