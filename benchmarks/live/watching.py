"""Follows a job on a camera: how late its results are, and what it says of outages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import attrs
import msgspec
import trio

from benchmarks.live.camera import Cameras
from benchmarks.live.checks import Outage, outage
from kinora.client import KinoraClient, connect

BACK_S = 120.0
"""The time within which a camera that broke must be back."""
MAX_WARNINGS = 10_000
LOST, BACK = "SOURCE_LOST", "SOURCE_BACK"


@attrs.define
class Watched:
    """A job that is followed."""

    job_id: str
    url: str
    cameras: Cameras
    delays_ms: list[float] = attrs.field(factory=list)
    """From the sending of each picture to its result at this client."""
    codes: dict[str, int] = attrs.field(factory=dict)
    """Code → the number of its warnings."""
    ended: str | None = None
    """The status at its end, once it has ended."""
    _told: tuple[trio.MemorySendChannel[tuple[str, str]], trio.MemoryReceiveChannel[tuple[str, str]]] = attrs.field(
        factory=lambda: trio.open_memory_channel[tuple[str, str]](MAX_WARNINGS)
    )

    async def follow(self) -> None:
        """Take its messages for ever."""
        types = ("frame", "warning", "complete")
        async with connect(self.url, job_ids=(self.job_id,), types=types) as messages:
            async for message in messages:
                self._take(message.type, message.payload)

    def _take(self, kind: str, payload: dict[str, Any]) -> None:
        if kind == "frame":
            self.delays_ms.append((time.monotonic() - self.cameras.sent_at[payload["data"]["number"]]) * 1000)
        elif kind == "warning":
            self.codes[payload["code"]] = self.codes.get(payload["code"], 0) + 1
            self._told[0].send_nowait((payload["code"], payload["message"]))
        elif kind == "complete":
            self.ended = payload["status"]

    async def next_outage(self, name: str) -> Outage | None:
        """Wait for the next outage that is told, from its beginning to its end; None if it has no end in time."""
        lost = list[str]()
        with trio.move_on_after(BACK_S):
            async for code, message in self._told[1]:
                if code == LOST:
                    lost.append(message)
                elif code == BACK and lost:
                    return outage(name, lost, message)
        return None

    async def end(self) -> list[dict[str, Any]]:
        """End the job, and return its frames."""
        client, lines = KinoraClient(self.url), bytearray()
        await client.cancel(self.job_id)

        async def write(data: bytes) -> None:  # noqa: ASYNC124 - as it is called
            lines.extend(data)

        await client.download_frames(self.job_id, "application/x-ndjson", write)
        return [msgspec.json.decode(line) for line in lines.splitlines()]


@asynccontextmanager
async def watching(url: str, cameras: Cameras, camera: int) -> AsyncIterator[Watched]:
    """A job on a camera, followed during the block."""
    job = await KinoraClient(url).submit({"source": cameras.urls[camera], "plugins": ["live-seen"]})
    watched = Watched(job.job_id, url, cameras)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watched.follow)
        yield watched
        nursery.cancel_scope.cancel()
