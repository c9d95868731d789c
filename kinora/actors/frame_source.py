"""The frames of a job's source, from as many decoders as that takes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

import attrs
import trio

from kinora.actors.breaker import Breaker
from kinora.actors.job_ring import JobRing
from kinora.actors.source_reader import OpenSource, RingTooSmall, SourceBroke, SourceReader, SourceSpec, start_reading
from kinora.actors.ticket import FrameTicket
from kinora.media.source_types import CHANNELS, SourceError, SourceNote
from kinora.runtime.workers import ForkServerGone

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


class SourceLost(Exception):
    """The source cannot be read any further; the text is a sentence that says how far it was read, and why."""


class FrameSource:
    """Reads the frames of one source, each once and in order; a decoder that fails is replaced behind its last frame.

    Each decoder has a ring of its own, since a ring is sealed against a second writer, and a larger one before a frame
    that the ring is too small for. The next ring is made once all frames have left the one before, so that there is
    one at a time. A live stream has one decoder only.
    """

    def __init__(
        self,
        spec: SourceSpec,
        *,
        open_decoder: Callable[[], AbstractAsyncContextManager[OpenSource]],
        make_ring: Callable[[int], JobRing],
        note_restart: NoteRestart,
        tell: Tell,
    ) -> None:
        """``make_ring`` gets the size in bytes of the largest frame; ``tell`` gets each note of a decoder once."""
        self.live = False
        """True once a live stream is open."""
        self.truncated: str | None = None
        """The reason why the source broke off early; None while it is read, and if it did not."""
        self._spec = spec
        self._open_decoder = open_decoder
        self._make_ring = make_ring
        self._note_restart = note_restart
        self._tell = tell
        self._told: list[SourceNote] = []
        self._breaker = Breaker(max_deaths=MAX_DEATHS, max_errors=1)
        self._next_index = spec.start
        self._left = spec.max_frames
        self._decoder = AsyncExitStack()
        self._reader: SourceReader | None = None
        self._growth = 1

    async def open(self) -> JobRing:
        """Open the source, and return the ring of its first frame.

        Raises:
            SourceError: it cannot be read; the text says what to do.
            SourceLost: its decoders kept failing.
        """
        try:
            reader = await self._begin()
        except (SourceBroke, ForkServerGone) as failure:
            reader = await self._begin_again(failure)
        return reader.ring

    async def read(self, take: Take) -> None:
        """Pass each frame to ``take``, until the source ends or as many as wanted were taken and not dropped.

        Raises:
            SourceLost: its decoders kept failing.
        """
        reader = self._reader
        if reader is None:
            raise RuntimeError("open must come first")
        while (failure := await self._read_from(reader, take)) is not None:
            if self.live:
                self.truncated = str(failure)
                return
            reader = await self._begin_again(failure)
        self.truncated = reader.truncated

    async def aclose(self) -> None:
        """End the decoder, and close its ring. Completes even if cancelled."""
        try:
            await self._decoder.aclose()
        finally:
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
                    self._note_read(ticket)
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
            if note not in self._told:
                self._told.append(note)
                await self._tell(note)

    def _note_read(self, ticket: FrameTicket) -> None:
        self._breaker.succeeded()
        self._next_index = ticket.index + self._spec.stride

    async def _begin(self) -> SourceReader:
        """Open the source in a new decoder with a new ring, behind the last frame that was read."""
        opened = await self._decoder.enter_async_context(self._open_decoder())
        self.live = opened.info.kind == "stream"
        ring = self._make_ring(opened.info.max_frame_bytes)
        rest = attrs.evolve(self._spec, start=self._next_index, max_frames=self._left)
        try:
            self._reader = await start_reading(opened, ring, rest)
        except BaseException:
            ring.close()
            raise
        return self._reader

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
        reader, self._reader = self._reader, None
        if reader is not None:
            await self._give_up_ring(reader)
