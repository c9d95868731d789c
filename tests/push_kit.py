"""A client that pushes pictures, for the tests."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import cv2
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from kinora.serve import RunningServer
from tests.client_kit import get, post
from tests.media.videos import numbered

SAFETY_S = 90.0
SEEN = """
@tool("seen")
def seen(frame):
    height, width = frame.image.shape[:2]
    bars = [frame.image[: height // 2, bit * (width // 8) : (bit + 1) * (width // 8)].mean() > 125 for bit in range(8)]
    return {"number": sum(1 << bit for bit, on in enumerate(bars) if on), "width": width}
"""


def picture(number: int, kind: str = ".jpg", width: int = 160, height: int = 120) -> bytes:
    """A picture that shows its number."""
    return bytes(cv2.imencode(kind, numbered(number, width, height))[1])


async def start(server: RunningServer, *plugins: str, **options: Any) -> str:
    """Start a job whose pictures are pushed; return its id."""
    request = {"source": "push:", "plugins": [*plugins], "options": options}
    answer = await post(f"{server.url}/v1/jobs", request, **headers_of(server))
    assert answer.status == 202, answer.body
    return str(answer.json()["job_id"])


async def extended(server: RunningServer, job_id: str) -> dict[str, Any]:
    """The job's state."""
    answer = await get(f"{server.url}/v1/jobs/{job_id}/extended", **headers_of(server))
    state: dict[str, Any] = answer.json()
    return state


async def until(server: RunningServer, job_id: str, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The job's state once this is true of it."""
    with trio.fail_after(SAFETY_S):
        while not true(state := await extended(server, job_id)):  # noqa: ASYNC110 - as clients of the REST API do
            await trio.sleep(0.02)
    return state


async def in_stage(server: RunningServer, job_id: str, stage: str) -> dict[str, Any]:
    """The job's state once it is in this stage."""
    return await until(server, job_id, lambda state: state["stage"] == stage)


async def ended(server: RunningServer, job_id: str) -> dict[str, Any]:
    """The job's state once it has ended."""
    return await until(server, job_id, lambda state: state["status"] not in {"queued", "running", "paused"})


async def with_frames(server: RunningServer, job_id: str, count: int) -> dict[str, Any]:
    """The job's state once so many frames are done."""
    return await until(server, job_id, lambda state: state["frames_done"] >= count)


def headers_of(server: RunningServer) -> dict[str, str]:
    """What shows the server's own token, if it has one."""
    return {} if server.token is None else {"authorization": f"Bearer {server.token}"}


@asynccontextmanager
async def pushing(
    server: RunningServer, job_id: str, query: str = "", **headers: str
) -> AsyncIterator[WebSocketConnection]:
    """A WebSocket to push by; at the end of the block it is cut, without a goodbye."""
    with trio.fail_after(SAFETY_S):
        async with await _connected(server) as stream, trio.open_nursery() as nursery:
            yield await _upgraded(stream, nursery, f"/v1/jobs/{job_id}/push{query}", headers)
            nursery.cancel_scope.cancel()


async def refusal(server: RunningServer, job_id: str, query: str = "", **headers: str) -> int:
    """The status by which the server refuses a client that would push."""
    key = b64encode(bytes(16)).decode()
    upgrade = {"connection": "upgrade", "upgrade": "websocket", "sec_websocket_version": "13", "sec_websocket_key": key}
    return (await get(f"{server.url}/v1/jobs/{job_id}/push{query}", **upgrade, **headers)).status


async def _connected(server: RunningServer) -> trio.SocketStream:
    address = urlsplit(server.url)
    return await trio.open_tcp_stream(address.hostname or "", address.port or 0)


async def _upgraded(
    stream: trio.SocketStream, nursery: trio.Nursery, target: str, headers: Mapping[str, str]
) -> WebSocketConnection:
    address, port = stream.socket.getpeername()
    shown = [(name.encode(), value.encode()) for name, value in headers.items()]
    return await wrap_client_stream(nursery, stream, f"{address}:{port}", target, extra_headers=shown)


async def told_until_close(opened: WebSocketConnection) -> tuple[list[dict[str, Any]], int, str]:
    """What the server still says, and the code and the reason of its close."""
    told: list[dict[str, Any]] = []
    with trio.fail_after(SAFETY_S), suppress(ConnectionClosed):
        while True:
            told.append(json.loads(await opened.get_message()))
    assert opened.closed is not None
    return told, opened.closed.code, opened.closed.reason or ""
