"""The servers of the polling benchmark, each in a process of its own.

``python -m benchmarks.polling_servers NAME PORT FOLDER`` serves on the port. The peers give the documents in
``FOLDER/documents.json``, which are Kinora's, from dicts.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import trio

from benchmarks.fanout_stream import media
from kinora.serve import open_server
from kinora.settings import Settings


def kinora(port: int, folder: Path, *, lane: bool = True) -> None:
    """The whole server as ``kinora serve`` runs it."""

    async def serve() -> None:
        settings = Settings(port=port, data_dir=folder / f"data-{lane}", media_dir=media()[0], min_free_bytes=0)
        async with open_server(settings, reading_lane=lane):
            await trio.sleep_forever()

    trio.run(serve)


def _documents(folder: Path) -> dict[str, Any]:
    """Name → the document as Python objects."""
    documents: dict[str, Any] = json.loads((folder / "documents.json").read_text(encoding="utf-8"))
    return documents


def fastapi(port: int, folder: Path) -> None:
    """FastAPI on uvicorn with uvloop and httptools; each call returns a dict."""
    import uvicorn  # noqa: PLC0415 - each process imports one server
    from fastapi import FastAPI, Request, Response  # noqa: PLC0415

    app, documents = FastAPI(), _documents(folder)
    tag = '"tag"'

    async def health() -> Any:  # noqa: ASYNC124 - others run in threads
        return documents["health"]

    async def jobs() -> Any:  # noqa: ASYNC124 - others run in threads
        return documents["list"]

    async def extended(job_id: str) -> Any:  # noqa: ASYNC124 - others run in threads
        assert job_id
        return documents["extended"]

    async def job(job_id: str, asked: Any, answer: Any, after: int | None = None) -> Any:  # noqa: ASYNC124 - others run in threads
        assert job_id
        answer.headers["etag"] = tag
        if asked.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"etag": tag})
        return documents["job" if after is None else "tail"]

    job.__annotations__ |= {"asked": Request, "answer": Response}
    app.get("/v1/health")(health)
    app.get("/v1/jobs")(jobs)
    app.get("/v1/jobs/{job_id}")(job)
    app.get("/v1/jobs/{job_id}/extended")(extended)
    uvicorn.run(app, port=port, log_level="error", access_log=False)


def aiohttp(port: int, folder: Path) -> None:
    """Aiohttp with its C parser and uvloop; each call returns ``json_response`` of a dict."""
    import uvloop  # noqa: PLC0415 - each process imports one server
    from aiohttp import web  # noqa: PLC0415

    documents = _documents(folder)
    dumps = partial(json.dumps, separators=(",", ":"))
    tag = '"tag"'

    def give(name: str) -> Callable[[Any], Any]:
        async def answer(_: web.Request) -> web.Response:  # noqa: ASYNC124 - aiohttp takes no others
            return web.json_response(documents[name], dumps=dumps)

        return answer

    async def job(request: web.Request) -> web.Response:  # noqa: ASYNC124 - as above
        if request.headers.get("If-None-Match") == tag:
            return web.Response(status=304, headers={"ETag": tag})
        name = "tail" if "after" in request.query else "job"
        return web.json_response(documents[name], dumps=dumps, headers={"ETag": tag})

    async def serve() -> None:
        app = web.Application()
        app.router.add_get("/v1/health", give("health"))
        app.router.add_get("/v1/jobs", give("list"))
        app.router.add_get("/v1/jobs/{job_id}", job)
        app.router.add_get("/v1/jobs/{job_id}/extended", give("extended"))
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, socket.create_server(("127.0.0.1", port), backlog=1024)).start()
        await asyncio.Event().wait()

    uvloop.run(serve())


def bare(port: int, folder: Path) -> None:
    """A Trio loop that reads, and writes bytes made beforehand: the limit of any server on this loop."""
    answers = {name: _plain_answer(json.dumps(document).encode()) for name, document in _documents(folder).items()}
    unchanged = b'HTTP/1.1 304 \r\netag: "tag"\r\n\r\n'

    async def serve(stream: trio.SocketStream) -> None:
        descriptor = stream.socket.fileno()
        while True:
            await trio.lowlevel.wait_readable(descriptor)
            asked = os.read(descriptor, 4096)
            if not asked:
                return
            target = asked.split(b" ", 2)[1]
            os.write(descriptor, unchanged if b"If-None-Match" in asked else answers[_name_of(target)])

    trio.run(partial(trio.serve_tcp, serve, port, host="127.0.0.1"))


def _plain_answer(body: bytes) -> bytes:
    return b'HTTP/1.1 200 \r\ncontent-length: %d\r\netag: "tag"\r\n\r\n%b' % (len(body), body)


def _name_of(target: bytes) -> str:
    """The name of the document at an address."""
    if target in {b"/v1/health", b"/v1/jobs"}:
        return "health" if target == b"/v1/health" else "list"
    if b"/extended" in target:
        return "extended"
    return "tail" if b"after=" in target else "job"


SERVERS: dict[str, Callable[[int, Path], None]] = {
    "kinora": kinora,
    "without the lane": partial(kinora, lane=False),
    "fastapi": fastapi,
    "aiohttp": aiohttp,
    "bare": bare,
}


def main() -> None:
    """Run the server that the command line names."""
    name, port, folder = sys.argv[1:]
    logging.disable(logging.WARNING)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))  # nobody reads the output
    SERVERS[name](int(port), Path(folder))


if __name__ == "__main__":
    main()
