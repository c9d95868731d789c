"""Shared by the tests of the realtime side: messages, a client in memory, and a running manager."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio
import trio.testing

from kinora.actors.messages import (
    BinaryMessage,
    FrameImage,
    FramePayload,
    MetadataPayload,
    PluginStatusPayload,
    ProgressPayload,
    RealtimeMessage,
    Stage,
    StageStatus,
    WarningPayload,
)
from kinora.actors.messages import Code as WarningCode
from kinora.actors.realtime.client_session import ClientSession, TransportKind
from kinora.actors.realtime.connection_manager import ConnectionManager
from kinora.actors.realtime.filters import Filters

SESSION_ID = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"


def frame(
    index: int,
    job_id: str = "job",
    plugin: str = "motion",
    size: int = 0,
    *,
    pictured: bool = False,
    side: bool = False,
) -> RealtimeMessage:
    """A frame message, its data ``size`` bytes long."""
    return RealtimeMessage(
        FramePayload(
            job_id=job_id,
            frame_id=f"frame-{index:06d}",
            index=index,
            plugin=plugin,
            data=msgspec.Raw(msgspec.json.encode("x" * size)),
            device_used="cpu",
            queue_ms=0.0,
            timing_ms=1.0,
            width=4,
            height=3,
            timestamp_ms=index * 40.0,
            image_url=None,
            pictured=pictured,
            side=side or msgspec.UNSET,
        )
    )


def picture(index: int, job_id: str = "job", size: int = 4) -> FrameImage:
    """The picture of a frame, its JPEG ``size`` bytes long."""
    return FrameImage(job_id=job_id, frame_id=f"frame-{index:06d}", index=index, width=4, height=3, jpeg=b"\xff" * size)


def progress(percent: int, job_id: str = "job", stage: Stage = "running") -> RealtimeMessage:
    """A progress message."""
    return RealtimeMessage(ProgressPayload(job_id=job_id, progress=percent, stage=stage))


def status(value: StageStatus, job_id: str = "job", plugin: str = "motion") -> RealtimeMessage:
    """A plugin_status message."""
    return RealtimeMessage(
        PluginStatusPayload(
            job_id=job_id,
            plugin=plugin,
            status=value,
            timing_ms=None,
            frames_processed=0,
            warnings_count=0,
            health="ok",
        )
    )


def warning(text: str, job_id: str = "job") -> RealtimeMessage:
    """A warning, which is never dropped."""
    return RealtimeMessage(
        WarningPayload(job_id=job_id, plugin=None, message=text, severity="low", code=WarningCode.PLUGIN_WARNING)
    )


class Client:
    """A session's transport in memory, and the messages that came through it.

    ``direct``: it takes messages without waiting. ``cut_after``: the connection breaks after this many messages.
    """

    kind: TransportKind = "websocket"

    def __init__(self, *, direct: bool = True, hears: bool = True, cut_after: float = math.inf) -> None:
        self.last_heard = trio.current_time() if hears else math.inf
        self.direct = direct
        self.cut_after = cut_after
        self.received: list[dict[str, Any]] = []
        self.pictures: list[int] = []
        """The indices of the pictures that came."""
        self.batches = 0
        self.pings = 0
        self.closed: tuple[int, str] | None = None
        self.hangs_at_close = False
        self._say, self._said = trio.open_memory_channel[str | bytes | None](100)
        self._open = trio.Event()
        self._open.set()

    def stop_reading(self) -> None:
        """Take no more messages."""
        if self._open.is_set():
            self._open = trio.Event()

    def read_on(self) -> None:
        """Take all messages again."""
        self._open.set()

    async def say(self, message: object) -> None:
        """Send text as it is, a dict as JSON, or None for hanging up; and wait until the session has handled it."""
        if isinstance(message, dict):
            message = msgspec.json.encode(message).decode()
        assert message is None or isinstance(message, str | bytes)
        await self._say.send(message)
        await settle()

    def types(self) -> list[str]:
        """The types of the received messages, in order."""
        return [message["type"] for message in self.received]

    def of_type(self, *types: str) -> list[dict[str, Any]]:
        """The received messages of these types."""
        return [message for message in self.received if message["type"] in types]

    def send_nowait(self, batch: Sequence[bytes]) -> bool:
        """Take the batch if reading."""
        if not (self.direct and self._open.is_set() and self.cut_after >= len(batch)):
            return False
        self._take(batch)
        return True

    def ping(self) -> None:
        """Count the ping."""
        self.pings += 1

    async def send(self, batch: Sequence[bytes]) -> None:
        """Take the batch once reading."""
        await self._open.wait()
        self._take(batch)

    async def receive(self) -> str | bytes | None:
        """The next message from the test."""
        said = await self._said.receive()
        self.last_heard = max(self.last_heard, trio.current_time())
        return said

    async def close(self, code: int, reason: str) -> None:
        """Note the code and the reason."""
        self.closed = (code, reason)
        if self.hangs_at_close:
            await trio.sleep_forever()

    def _take(self, batch: Sequence[bytes]) -> None:
        self.batches += 1
        for message in batch:
            if self.cut_after <= 0:
                raise trio.BrokenResourceError
            self.cut_after -= 1
            if isinstance(message, BinaryMessage):
                length = int.from_bytes(message[:4])
                self.pictures.append(msgspec.json.decode(message[4 : 4 + length])["index"])
            else:
                self.received.append(msgspec.json.decode(message))


async def settle() -> None:
    """Wait until everything that can happen now has happened."""
    await trio.testing.wait_all_tasks_blocked()


@asynccontextmanager
async def running(manager: ConnectionManager) -> AsyncIterator[trio.Nursery]:
    """The manager at work, and a nursery for sessions; all end with the block."""
    async with trio.open_nursery() as nursery:
        await nursery.start(manager.run)
        yield nursery
        nursery.cancel_scope.cancel()


def manager_of(*plugins: str, active: Sequence[RealtimeMessage] = ()) -> ConnectionManager:
    """A manager that knows these plugins, and these messages as the state of its jobs."""
    manager = ConnectionManager()
    manager.plugins = lambda: [MetadataPayload(plugin=name, metadata={}) for name in plugins]
    payloads = [message.payload for message in active]
    manager.active = lambda: [p for p in payloads if isinstance(p, ProgressPayload | PluginStatusPayload)]
    return manager


async def connect(
    nursery: trio.Nursery,
    manager: ConnectionManager,
    client: Client | None = None,
    *,
    session_id: str = SESSION_ID,
    filters: Filters | None = None,
    last_event_id: str | None = None,
) -> Client:
    """A client whose session runs and has sent what it had to send at first."""
    client = client or Client()
    session = ClientSession(manager, client, session_id=session_id, filters=filters, last_event_id=last_event_id)
    nursery.start_soon(session.run)
    await settle()
    return client
