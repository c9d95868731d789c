"""PictureTaker: makes pictures of a job's frames while somebody watches, beside the pipeline and never in its way."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog
import trio

from kinora.actors.filters import next_due
from kinora.actors.messages import FrameImage
from kinora.actors.ticket import FrameTicket
from kinora.runtime.channel import ProtocolError
from kinora.runtime.frames import FrameRing
from kinora.runtime.workers import ForkServer, ForkServerGone, Worker, WorkerGone

TARGET = "kinora.media.programs.live_jpeg:main"
TIMEOUT_S = 10.0
"""For one picture; it is made with low priority, so this is long."""
MAX_FAILURES = 3
"""After so many a job has no more pictures."""
LAST_PICTURE_S = 0.25
"""What the picture under way gets when the job is through."""
STOP_LIMIT_S = 15.0
"""More than a worker's stop takes at worst."""

log = structlog.get_logger()


class Watchers(Protocol):
    """Those who may want to see pictures."""

    def picture_fps(self, job_id: str) -> float:
        """How many pictures a second of this job are wanted at most: ``inf`` for all of them, 0 for none."""

    def show(self, image: FrameImage) -> None:
        """Send one to all who want it; never waits."""


class Nobody:
    """Nobody watches."""

    def picture_fps(self, job_id: str) -> float:  # noqa: ARG002 - the protocol's
        """None."""
        return 0.0

    def show(self, image: FrameImage) -> None:
        """There is nobody to show it to."""


class PictureTaker:
    """Has a worker process of its own encode frames from the job's ring, one at a time, once for all who watch.

    It shares the frame's slot until that is done. A frame that comes while it is busy has no picture.
    """

    def __init__(self, job_id: str, watchers: Watchers, fork_server: ForkServer, grace_s: float) -> None:
        self.stuck: int | None = None
        """The pid of a process that could not be killed."""
        self._job_id = job_id
        self._watchers = watchers
        self._fork_server = fork_server
        self._grace_s = grace_s
        self._ring: FrameRing | None = None
        self._worker: Worker | None = None
        self._due: float | None = None
        self._offered, self._taken = trio.open_memory_channel[FrameTicket](0)  # takes only what can be begun at once
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    def offer(self, ticket: FrameTicket) -> None:
        """Make a picture of this frame if one is wanted now and it can be begun at once; then the ticket says so."""
        fps = self._watchers.picture_fps(self._job_id)
        now = ticket.queued_at
        if self._ring is None or not fps or (self._due is not None and now < self._due):
            return
        try:
            self._offered.send_nowait(ticket)
        except trio.WouldBlock:
            return
        self._ring.share(ticket.slot)
        ticket.pictured = True
        self._due = None if math.isinf(fps) else next_due(self._due, 1 / fps, now)

    async def run(self, ring: FrameRing, release: Callable[[int], None]) -> None:
        """Make pictures until ``finish`` or too many failures; then the worker process is gone (see ``stuck``)."""
        self._ring = ring
        failures = 0
        try:
            with self._scope:
                async for ticket in self._taken:
                    if not await self._take(ticket, ring, release):
                        failures += 1
                    if failures == MAX_FAILURES:
                        break
        finally:
            self._ring = None
            with trio.move_on_after(STOP_LIMIT_S, shield=True):
                await self._stop_worker()
            self._ended.set()

    async def finish(self) -> None:
        """Return when the picture under way is out, or its time is up, and nothing is left running."""
        self._offered.close()
        with trio.move_on_after(LAST_PICTURE_S):
            await self._ended.wait()
        self._scope.cancel(reason="the job is through")

    async def _take(self, ticket: FrameTicket, ring: FrameRing, release: Callable[[int], None]) -> bool:
        """Make one picture and show it; False if the worker was of no use, and then it is gone."""
        reason = f"no answer within {TIMEOUT_S:.0f} s"
        try:
            with trio.move_on_after(TIMEOUT_S):
                jpeg = await self._encoded(ticket, ring)
                if jpeg:
                    self._watchers.show(_image(self._job_id, ticket, jpeg))
                return True
        except (WorkerGone, ForkServerGone, ProtocolError) as error:
            reason = str(error)
        finally:
            release(ticket.slot)
        log.warning("a picture could not be made", job_id=self._job_id, reason=reason)
        await self._stop_worker()
        return False

    async def _encoded(self, ticket: FrameTicket, ring: FrameRing) -> bytes:
        if self._worker is None:
            self._worker = await self._fork_server.fork(TARGET, f"{self._job_id}/pictures")
            await self._worker.send(_packed("ring", slots=ring.slots, slot_bytes=ring.slot_bytes), [ring.fd])
        await self._worker.send(_packed("shot", slot=ticket.slot, width=ticket.width, height=ticket.height))
        return await self._worker.receive()

    async def _stop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None and not await worker.stop(self._grace_s):
            self.stuck = worker.pid


def _packed(op: str, **fields: int) -> bytes:
    return msgspec.msgpack.encode({"op": op, **fields})


def _image(job_id: str, ticket: FrameTicket, jpeg: bytes) -> FrameImage:
    return FrameImage(
        job_id=job_id,
        frame_id=ticket.frame_id,
        index=ticket.index,
        width=ticket.width,
        height=ticket.height,
        jpeg=jpeg,
    )
