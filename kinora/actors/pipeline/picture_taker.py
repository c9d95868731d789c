"""PictureTaker: makes pictures of a job's frames while clients watch, without holding up the pipeline."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import FrameImage
from kinora.actors.realtime.filters import next_due
from kinora.media.messages import LIVE_JPEG, EncodeSlot, Jpeg, UseRing
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import Conversation, ForkServer, ForkServerGone, WorkerGone

TIMEOUT_S = 10.0
"""The time for one picture; long, because the encoder runs at low priority."""
MAX_FAILURES = 3
"""The failures after which a job has no more pictures."""
LAST_PICTURE_S = 0.25
"""The time for the picture in progress when the job has finished its frames."""

log = structlog.get_logger()

Encoder = Conversation[UseRing | EncodeSlot, Jpeg]
Show = Callable[[FrameImage], Awaitable[None]]


class PictureTaker:
    """Has a worker process encode frames from the job's rings, one at a time, once for all clients.

    It shares the frame's slot until that is done. A frame that comes while it is busy gets no picture.
    """

    def __init__(self, job_id: str, fork_server: ForkServer) -> None:
        self.fps = 0.0
        """The wanted rate of pictures, per second: ``inf`` for one of each frame, 0 for none."""
        self._job_id = job_id
        self._fork_server = fork_server
        self._running = False
        self._due: float | None = None
        self._offered, self._taken = trio.open_memory_channel[FrameTicket](0)  # room only for a frame begun at once
        self._scope = trio.CancelScope()
        self._ended = trio.Event()

    def offer(self, ticket: FrameTicket) -> None:
        """Have a picture made of this frame if one is due and the encoder is free; then mark the ticket as pictured."""
        now = ticket.queued_at
        if not self._running or not self.fps or (self._due is not None and now < self._due):
            return
        try:
            self._offered.send_nowait(ticket)
        except trio.WouldBlock:
            return
        ticket.share()
        ticket.pictured = True
        self._due = None if math.isinf(self.fps) else next_due(self._due, 1 / self.fps, now)

    async def run(self, show: Show) -> None:
        """Make pictures until ``finish`` or too many failures; the worker process is gone then."""
        self._running = True
        try:
            with self._scope:
                for _ in range(MAX_FAILURES):
                    if not await self._take_until_failure(show):
                        break
        finally:
            self._running = False
            self._ended.set()

    async def finish(self) -> None:
        """Wait for the picture in progress, for a short time, and end."""
        self._offered.close()
        with trio.move_on_after(LAST_PICTURE_S):
            await self._ended.wait()
        self._scope.cancel(reason="the job has finished its frames")

    async def _take_until_failure(self, show: Show) -> bool:
        """Make pictures in one worker, started for the first frame. Return False at the end, True after a failure."""
        encoder: Encoder | None = None
        ring: JobRing | None = None
        async with AsyncExitStack() as stack:
            async for ticket in self._taken:
                try:
                    with trio.fail_after(TIMEOUT_S):
                        if encoder is None:
                            encoder = await self._start(stack)
                        if ticket.ring is not ring:
                            ring = ticket.ring
                            await encoder.send(UseRing(slots=ring.slots, slot_bytes=ring.slot_bytes), [ring.fd])
                        picture = await encoder.ask(
                            EncodeSlot(slot=ticket.slot, width=ticket.width, height=ticket.height)
                        )
                except (WorkerGone, ForkServerGone, ProtocolError) as error:
                    log.warning("a picture could not be made", reason=str(error))
                    return True
                except trio.TooSlowError:
                    log.warning("a picture could not be made", reason=f"no answer within {TIMEOUT_S:.0f} s")
                    return True
                finally:
                    ticket.release()
                if picture.data:
                    await show(_image(self._job_id, ticket, picture.data))
        return False

    async def _start(self, stack: AsyncExitStack) -> Encoder:
        return await stack.enter_async_context(self._fork_server.worker(LIVE_JPEG, f"{self._job_id}/pictures"))


def _image(job_id: str, ticket: FrameTicket, jpeg: bytes) -> FrameImage:
    return FrameImage(
        job_id=job_id,
        frame_id=ticket.frame_id,
        index=ticket.index,
        width=ticket.width,
        height=ticket.height,
        jpeg=jpeg,
    )
