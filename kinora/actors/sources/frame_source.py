"""The frames of a job's source, from as many decoders as that takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import attrs
import trio

from kinora.actors.breaker import Breaker
from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.live_count import LiveCount
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.sources.reconnecting import Lost, Reconnecting
from kinora.actors.sources.recording import Recording
from kinora.actors.sources.source_reader import (
    MAX_NOTES,
    OpenSource,
    RingTooSmall,
    SourceBroke,
    SourceEnded,
    SourceReader,
    SourceSpec,
    start_reading,
)
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.source_types import CHANNELS, SourceError, SourceNote, changes_size
from kinora.runtime.forking.workers import ForkServerGone

MAX_DEATHS = 3
"""The deaths of decoders in a row, without a frame between them, after which the source counts as unreadable."""
SPARE = 2
"""The slots of a ring made because frames outgrew one again are this much larger than the frame, up to the limit."""

Failure = SourceBroke | ForkServerGone | SourceError
Take = Callable[[FrameTicket], Awaitable[bool]]
"""Takes a frame, and sees to it that it is released; returns False if a frame was dropped, this or an earlier one."""
NoteRestart = Callable[[str, int], Awaitable[None]]
"""Called with the reason and the index at which the reading goes on."""
Tell = Callable[[SourceNote], Awaitable[None]]
NoteLost = Callable[[Lost], Awaitable[None]]
"""Called when a live source is lost, and again when there is another reason for which it stays away."""
NoteBack = Callable[[float, int], Awaitable[None]]
"""Called with the length of an outage, in seconds, and the index of the first frame after it."""


class SourceLost(Exception):
    """The source cannot be read any further; the text is a sentence that says how far it was read, and why."""


class FrameSource:
    """Reads the frames of one source, each once and in order; a decoder that fails is replaced behind its last frame.

    Each decoder has a ring of its own, since a ring is sealed against a second writer, and a larger one before a frame
    that the ring is too small for. The next ring is made once all frames have left the one before, so that there is
    one at a time. A live source that ends or fails is lost, and opened again by :class:`Reconnecting`; the decoder
    before is gone by then, so that it is never connected to twice at once.
    """

    def __init__(
        self,
        spec: SourceSpec,
        *,
        open_decoder: Callable[[], AbstractAsyncContextManager[OpenSource]],
        make_ring: Callable[[int], JobRing],
        note_restart: NoteRestart,
        note_lost: NoteLost,
        note_back: NoteBack,
        tell: Tell,
        reconnecting: Reconnecting,
        recording: Recording | None = None,
    ) -> None:
        """``make_ring`` gets the size in bytes of the largest frame; ``tell`` gets each note of a decoder once.

        The packets of a live source are kept in ``recording``.
        """
        self.live = spec.patient and spec.start > 0
        """True once a live source is open, and from the start if the job goes on after frames of one."""
        self.truncated: str | None = None
        """The reason why the source broke off early; None while it is read, and if it did not."""
        self._spec = spec
        self._open_decoder = open_decoder
        self._make_ring = make_ring
        self._note_restart = note_restart
        self._note_lost = note_lost
        self._note_back = note_back
        self._tell = tell
        self._told: list[SourceNote] = []
        """At most ``MAX_NOTES``; what decoders find out beyond them is not told."""
        self._breaker = Breaker(max_deaths=MAX_DEATHS, max_errors=1)
        self._reconnecting = reconnecting
        self._recording = recording
        self._count = LiveCount(spec.start, spec.after)
        self._size: tuple[int, int] | None = None
        """Of the last frame."""
        self._next_index = spec.start
        self._left = spec.max_frames
        self._decoder = AsyncExitStack()
        self._reader: SourceReader | None = None
        self._growth = 1

    async def open(self) -> JobRing | None:
        """Open the source, and return the ring of its first frame; None if it is waited for in vain, or for nothing.

        Raises:
            SourceError: it cannot be read; the text says what to do.
            SourceLost: its decoders kept failing.
        """
        if self._spec.patient:
            reader = None if self._left == 0 else await self._open_patiently()
            return None if reader is None else reader.ring
        try:
            reader = await self._begin()
        except (SourceBroke, ForkServerGone) as failure:
            reader = await self._begin_again(failure)
        except SourceEnded:
            return None
        return reader.ring

    async def read(self, take: Take) -> None:
        """Pass each frame to ``take``, until the source ends or as many as wanted were taken and not dropped.

        Raises:
            SourceLost: its decoders kept failing.
        """
        reader = self._reader
        if reader is None:
            raise RuntimeError("open must come first")
        while reader is not None:
            failure = await self._read_from(reader, take)
            if self.live and self._left != 0 and not (self._spec.pushed and failure is None):
                reader = await self._come_back(failure or _end_of(reader))
            elif failure is not None and not self.live:
                reader = await self._begin_again(failure)
            else:
                self.truncated = reader.truncated
                return

    async def aclose(self) -> None:
        """End the decoder, and close its ring. Completes even if cancelled."""
        try:
            await self._decoder.aclose()
        finally:
            self._stop_recording()
            if self._reader is not None:
                self._reader.ring.close()

    async def _read_from(self, reader: SourceReader, take: Take) -> SourceBroke | ForkServerGone | None:
        """Read up to the end of the source or the last wanted frame; return the reason if the decoder fails before."""
        try:
            while (frame_bytes := await self._read_in_ring(reader, take)) is not None:
                await self._give_up_ring(reader)
                await reader.use_larger(self._make_ring(self._room_for(frame_bytes)))
        except (SourceBroke, ForkServerGone) as failure:
            return failure
        return None

    def _room_for(self, frame_bytes: int) -> int:
        """The bytes of a slot in the next ring: with room to spare if frames have outgrown one before.

        So a source whose every frame is a little larger needs few rings.
        """
        factor, self._growth = self._growth, SPARE
        return max(frame_bytes, min(factor * frame_bytes, self._spec.limits.max_pixels * CHANNELS))

    async def _read_in_ring(self, reader: SourceReader, take: Take) -> int | None:
        """Read as far as the ring serves; return the bytes of the frame that it is too small for, None at the end.

        Raises:
            SourceBroke, ForkServerGone: the decoder failed before.
        """
        outcome: SourceBroke | ForkServerGone | RingTooSmall | None = None
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader.give_slots)
            try:
                while self._left != 0 and (ticket := await reader.next_frame()) is not None:
                    await self._note_read(ticket)
                    await self._pass_notes(reader)
                    if await take(ticket) and self._left is not None:
                        self._left -= 1
                await self._pass_notes(reader)
            except (SourceBroke, ForkServerGone, RingTooSmall) as error:
                outcome = error
            nursery.cancel_scope.cancel()
        if isinstance(outcome, SourceBroke | ForkServerGone):
            raise outcome
        return None if outcome is None else outcome.frame_bytes

    async def _give_up_ring(self, reader: SourceReader) -> None:
        """Close the ring once all frames have left it; the decoder fills no slot of it any more."""
        reader.take_back_slots()
        try:
            await reader.ring.wait_unused()
        finally:
            reader.ring.close()

    async def _pass_notes(self, reader: SourceReader) -> None:
        """Pass on what its decoder has found; a decoder that was restarted finds it again."""
        for note in reader.notes:
            await self._tell_once(note)

    async def _tell_once(self, note: SourceNote) -> None:
        if note not in self._told and len(self._told) < MAX_NOTES:
            self._told.append(note)
            await self._tell(note)

    async def _note_read(self, ticket: FrameTicket) -> None:
        self._breaker.succeeded()
        self._size = ticket.width, ticket.height
        outage_s = None
        if self.live:
            self._count.place(ticket, self._spec.stride)
            if self._recording is not None:
                self._recording.note(ticket)
            outage_s = self._reconnecting.see_frame(trio.current_time())
        self._next_index = ticket.index + self._spec.stride
        if outage_s is not None:
            await self._note_back(outage_s, ticket.index)

    async def _begin(self) -> SourceReader:
        """Open the source in a new decoder with a new ring, behind the last frame that was read."""
        opened = await self._decoder.enter_async_context(self._open_decoder())
        self._require_live(opened)
        ring = self._make_ring(opened.info.max_frame_bytes)
        try:
            self._reader = await start_reading(opened, ring, self._rest(), self._recording if self.live else None)
        except BaseException:
            ring.close()
            raise
        return self._reader

    def _rest(self) -> SourceSpec:
        """What is left to read. Most live sources are counted from 0 by each decoder, and frames that count here."""
        if self.live:
            self._count.connect(numbered=self._spec.pushed)
            return attrs.evolve(self._spec, start=self._next_index if self._spec.pushed else 0, max_frames=None)
        return attrs.evolve(self._spec, start=self._next_index, max_frames=self._left)

    def _require_live(self, opened: OpenSource) -> None:
        """Raise a CameraError if a live source has become a file."""
        is_live = opened.info.kind == "stream"
        if self.live and not is_live:
            raise CameraError(LostReason.NO_VIDEO, "Where the live source was there is a file now: submit it again.")
        self.live = is_live

    async def _open_patiently(self) -> SourceReader | None:
        """Open the source, in as many attempts as it takes; None once it has been waited for too long."""
        try:
            return await self._begin()
        except (SourceBroke, ForkServerGone, SourceError) as failure:
            return await self._come_back(failure)

    async def _come_back(self, failure: Failure) -> SourceReader | None:
        """Open a lost live source again, in as many attempts as it takes; None if it has ended, or is away too long."""
        reader = None
        while reader is None:
            lost = Lost.by(failure)
            if self._reconnecting.lose(lost.reason, trio.current_time()):
                await self._note_lost(lost)
            await self._end()
            with trio.CancelScope(deadline=self._reconnecting.ends_at) as limit:
                await trio.sleep(self._reconnecting.next_pause_s())
                try:
                    reader = await self._begin()
                except (SourceBroke, ForkServerGone, SourceError) as error:
                    failure = error
                except SourceEnded:
                    return None
            if limit.cancelled_caught:
                self.truncated = f"The source did not come back in time: {lost.sentence}"
                return None
        await self._note_size(reader)
        return reader

    async def _note_size(self, reader: SourceReader) -> None:
        """Tell if a live source has come back with pictures of another size."""
        if self._size is not None and reader.size != self._size:
            await self._tell_once(changes_size("The source", self._size, reader.size))

    async def _begin_again(self, failure: Failure) -> SourceReader:
        """Replace a decoder that has failed, in several attempts if need be."""
        reason, reader = str(failure), None
        while reader is None:
            self._judge(failure)
            await self._end()
            await trio.sleep(self._breaker.restart_delay_s)
            try:
                reader = await self._begin()
            except (SourceBroke, ForkServerGone, SourceError) as error:
                failure = error
        await self._note_restart(reason, self._next_index)
        return reader

    def _judge(self, failure: Failure) -> None:
        """Count a failure.

        Raises:
            SourceLost: it was one too many.
        """
        if isinstance(failure, ForkServerGone):
            self._breaker.lost()
        else:
            self._breaker.died()
        if self._breaker.disabled:
            last = self._next_index - self._spec.stride
            so_far = f" beyond frame {last}" if last >= 0 else ""
            raise SourceLost(f"The source could not be read{so_far}: {str(failure).removesuffix('.')}.") from failure

    async def _end(self) -> None:
        """End the decoder, and close its ring once all frames have left it."""
        await self._decoder.aclose()
        self._stop_recording()
        reader, self._reader = self._reader, None
        if reader is not None:
            await self._give_up_ring(reader)

    def _stop_recording(self) -> None:
        if self._recording is not None:
            self._recording.disconnect()


def _end_of(reader: SourceReader) -> CameraError:
    """Why a live source has ended by itself."""
    return CameraError(reader.lost or LostReason.CLOSED, reader.truncated or "The source sends no more.")
