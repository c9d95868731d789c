"""The servers that are compared, each in a process of its own.

``python -m benchmarks.fanout_servers NAME CONTROL STREAM`` prints the port that it listens on, then publishes
as the load process asks through the control file.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import trio

from benchmarks.fanout_stream import Control, Group, Publisher, media, recorded
from kinora.serve import open_server
from kinora.settings import Settings


def documents(groups: list[Group]) -> list[list[Any]]:
    """The messages as Python objects, for servers that make JSON themselves."""
    encoded = ((one.encode(f"e-{number}") for number, one in enumerate(group)) for group in groups)
    return [[json.loads(message) for message in group] for group in encoded]


def compact(message: Any) -> str:
    """The message as JSON without blanks, as FastAPI and Kinora write it: all send the same bytes."""
    return json.dumps(message, separators=(",", ":"))


def listening() -> socket.socket:
    """A socket on any free port, which is printed."""
    sock = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(sock.getsockname()[1], flush=True)
    return sock


def kinora_with_tls(control: Control, groups: list[Group]) -> None:
    """The same with a certificate."""
    import trustme  # noqa: PLC0415 - the others do without it

    with tempfile.TemporaryDirectory() as folder:
        certificate = Path(folder) / "server.pem"
        trustme.CA().issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
        kinora(control, groups, certificate)


def kinora(control: Control, groups: list[Group], certificate: Path | None = None) -> None:
    """The whole server as ``kinora serve`` runs it; messages go in where jobs put theirs."""

    async def serve() -> None:
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(
                port=0, data_dir=Path(folder), media_dir=media()[0], min_free_bytes=0, tls_cert=certificate
            )
            async with open_server(settings) as server:
                manager = server.system.connections
                assert manager is not None

                async def publish(group: Group) -> None:
                    for message in group:
                        manager.broadcast(message)
                    await trio.lowlevel.checkpoint()

                print(server.url.rpartition(":")[2], flush=True)
                await Publisher(control, groups, publish, trio.sleep).serve()

    trio.run(serve)


def fastapi(control: Control, groups: list[Group]) -> None:
    """FastAPI on uvicorn with uvloop, and the connection manager of its documentation."""
    import uvicorn  # noqa: PLC0415 - each process imports one server
    import uvloop  # noqa: PLC0415
    from fastapi import FastAPI, WebSocket, WebSocketDisconnect  # noqa: PLC0415

    app = FastAPI()
    active: list[Any] = []

    async def endpoint(websocket: Any) -> None:
        await websocket.accept()
        active.append(websocket)
        try:
            while True:
                await websocket.receive_text()
        except WebSocketDisconnect:
            active.remove(websocket)

    endpoint.__annotations__["websocket"] = WebSocket
    app.websocket("/")(endpoint)

    async def publish(group: list[Any]) -> None:
        for message in group:
            for connection in active:
                await connection.send_json(message)

    async def serve() -> None:
        sock = listening()
        config = uvicorn.Config(app, log_level="error", ws_ping_interval=None, ws_per_message_deflate=False)
        await asyncio.gather(
            uvicorn.Server(config).serve([sock]),
            Publisher(control, documents(groups), publish, asyncio.sleep).serve(),
        )

    uvloop.run(serve())


def websockets(control: Control, groups: list[Group]) -> None:
    """The ``broadcast`` of websockets, with uvloop and without compression."""
    import uvloop  # noqa: PLC0415 - each process imports one server
    from websockets.asyncio.server import ServerConnection, broadcast  # noqa: PLC0415
    from websockets.asyncio.server import serve as serve_websockets  # noqa: PLC0415

    active: set[ServerConnection] = set()

    async def endpoint(connection: ServerConnection) -> None:
        active.add(connection)
        try:
            await connection.wait_closed()
        finally:
            active.discard(connection)

    async def publish(group: list[Any]) -> None:
        for message in group:
            broadcast(active, compact(message))
        await asyncio.sleep(0)

    async def serve() -> None:
        async with serve_websockets(endpoint, sock=listening(), compression=None, ping_interval=None):
            await Publisher(control, documents(groups), publish, asyncio.sleep).serve()

    uvloop.run(serve())


def aiohttp(control: Control, groups: list[Group]) -> None:
    """Aiohttp with its C frame writer and uvloop: each message made once, then sent to each."""
    import uvloop  # noqa: PLC0415 - each process imports one server
    from aiohttp import web  # noqa: PLC0415

    active: set[web.WebSocketResponse] = set()

    async def endpoint(request: web.Request) -> web.WebSocketResponse:
        response = web.WebSocketResponse(compress=False)
        await response.prepare(request)
        active.add(response)
        try:
            async for _ in response:
                pass
        finally:
            active.discard(response)
        return response

    async def publish(group: list[Any]) -> None:
        for message in group:
            text = compact(message)
            for response in list(active):
                if not response.closed:
                    await response.send_str(text)
        await asyncio.sleep(0)

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/", endpoint)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.SockSite(runner, listening()).start()
        await Publisher(control, documents(groups), publish, asyncio.sleep).serve()

    uvloop.run(serve())


SERVERS: dict[str, Callable[[Control, list[Group]], None]] = {
    "kinora": kinora,
    "kinora-tls": kinora_with_tls,
    "fastapi": fastapi,
    "websockets": websockets,
    "aiohttp": aiohttp,
}


def main() -> None:
    """Run the server that the command line names."""
    name, control, stream = sys.argv[1:]
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # nobody reads the output
    SERVERS[name](Control(Path(control)), recorded(Path(stream)))


if __name__ == "__main__":
    main()
