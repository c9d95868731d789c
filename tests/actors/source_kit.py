"""A source over several decoders, which act by a script, on the virtual clock."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Literal

import attrs
import msgspec
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.live_count import Moment
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.sources.frame_source import FrameSource
from kinora.actors.sources.reconnecting import Lost, Reconnecting
from kinora.actors.sources.source_reader import MAX_NOTES, OpenSource, SourceSpec
from kinora.media.messages import (
    DecoderAnswer,
    DecoderRequest,
    Ended,
    FrameReady,
    Map,
    MapLarger,
    Mapped,
    NeedsLarger,
    Noted,
    Slot,
)
from kinora.media.source_types import SourceInfo, SourceLimits, SourceNote
from kinora.runtime.forking.workers import Conversation, WorkerGone

TOTAL = 40
"""The pictures in the source."""
WIDTH, HEIGHT = 4, 2
SLOWER = 1000.0
"""Arrivals are told by a clock so much slower than the virtual one, which may be ahead of the machine's."""
WIDE = 4_000
"""The width of frames that fit into no slot of the first ring."""
DEAD = WorkerGone("source", -signal.SIGKILL)
ORPHANED = WorkerGone("source", None, orphaned=True)
HANG: Literal["hang"] = "hang"
INFO = SourceInfo(
    kind="video",
    width=WIDTH,
    height=HEIGHT,
    max_frame_bytes=WIDTH * HEIGHT * 3,
    frames_total=TOTAL,
    fps=25.0,
    duration_ms=None,
)
Ending = Exception | DecoderAnswer | Literal["hang"]


def picture(slot: int, index: int, *, width: int = WIDTH) -> FrameReady:
    """A message about a frame."""
    return FrameReady(slot=slot, index=index, timestamp_ms=40.0 * index, width=width, height=HEIGHT)


@attrs.frozen
class Life:
    """What becomes of one decoder: it gives so many frames, then comes to an ending, unless the source has ended."""

    frames: int = TOTAL
    ending: Ending = HANG
    grows_at: int | None = None
    """The index from which on frames are ``WIDE``; None if none is."""
    wider: int = 0
    """The pixels by which each frame from ``grows_at`` on is wider than the one before."""
    unopened: Exception | None = None
    """The reason why it does not open the source."""
    notes: Sequence[SourceNote] = ()
    """What it tells before its first frame."""
    pace_s: float = 0.0
    """The time before each frame of a live source."""
    opens_in_s: float = 0.0
    """The time that it takes to open the source."""
    kind: Literal["video", "stream"] | None = None
    """What it finds there; None: the kind of the reading."""
    size: tuple[int, int] = (WIDTH, HEIGHT)
    """Of the first picture, as it tells it."""


class FakeDecoder(Conversation[DecoderRequest, DecoderAnswer]):
    """A decoder that lives a life; it answers as the real one."""

    def __init__(self, life: Life) -> None:
        self._life = life
        self._left: list[int] = []
        self._slot_bytes = 0
        self._say, self._said = trio.open_memory_channel[Ending](TOTAL + MAX_NOTES + 3)

    async def send(self, message: DecoderRequest, fds: Sequence[int] = ()) -> None:  # noqa: ASYNC124 - as the real one
        """Take a request, and answer it."""
        match message:
            case Map(start=start, stride=stride, max_frames=most, slot_bytes=slot_bytes):
                assert len(fds) == 1
                self._slot_bytes = slot_bytes
                indexes = list(range(start, TOTAL, stride))[:most]
                self._left = indexes[: self._life.frames]
                self._ending = Ended() if self._left == indexes else self._life.ending
                self._say.send_nowait(Mapped())
                for note in self._life.notes:
                    self._say.send_nowait(Noted(note))
                self._tell_next()
            case MapLarger(slot_bytes=slot_bytes):
                assert len(fds) == 1
                self._slot_bytes = slot_bytes
                self._say.send_nowait(Mapped())
            case Slot(slot) if self._left and self._next_bytes() <= self._slot_bytes:
                await trio.sleep(self._life.pace_s)
                ready = picture(slot, self._left[0], width=self._width())
                self._say.send_nowait(msgspec.structs.replace(ready, received_s=trio.current_time() / SLOWER))
                self._left.pop(0)
                self._tell_next()

    async def receive(self) -> DecoderAnswer:
        """Wait for the next answer."""
        said = await self._said.receive()
        if isinstance(said, Exception):
            raise said
        if isinstance(said, str):
            await trio.sleep_forever()
        assert not isinstance(said, str)
        return said

    def _tell_next(self) -> None:
        if not self._left:
            self._say.send_nowait(self._ending)
        elif self._next_bytes() > self._slot_bytes:
            self._say.send_nowait(NeedsLarger(self._next_bytes()))

    def _width(self) -> int:
        grows_at, index = self._life.grows_at, self._left[0]
        if grows_at is None or index < grows_at:
            return WIDTH
        return WIDE + (index - grows_at) * self._life.wider

    def _next_bytes(self) -> int:
        return self._width() * HEIGHT * 3


class Reading:
    """A source whose decoders live these lives, one after the other, and all that is read of it."""

    def __init__(
        self,
        *lives: Life,
        slots: int = 3,
        kind: Literal["video", "stream"] = "video",
        patient: bool = False,
        after: Moment | None = None,
        reconnecting: Reconnecting | None = None,
        **work: int,
    ) -> None:
        self.frames: list[FrameTicket] = []
        """Those that were read and not released."""
        self.indexes: list[int] = []
        """Of all that were read."""
        self.restarts: list[tuple[str, int]] = []
        """Reason and index of each restart."""
        self.lost: list[tuple[float, str]] = []
        """When a live source was lost, and the reason."""
        self.back: list[tuple[float, int]] = []
        """The length of each outage, and the index of the frame that ended it."""
        self.times: list[float] = []
        """The ``timestamp_ms`` of all that were read."""
        self.notes: list[SourceNote] = []
        self.opened: list[float] = []
        """When a decoder was started, on Trio's clock."""
        self.rings: list[JobRing] = []
        self.decoders = 0
        """The decoders that run now."""
        self._lives = list(lives)
        self._slots = slots
        self._info = attrs.evolve(INFO, kind=kind)
        spec = SourceSpec(
            location="/clip.mp4",
            name="clip.mp4",
            limits=SourceLimits(),
            start=work.get("start", 0),
            stride=work.get("stride", 1),
            max_frames=work.get("max_frames"),
            policy="wait",
            after=after,
            patient=patient,
        )
        self.source = FrameSource(
            spec,
            open_decoder=self._open,
            make_ring=self._make_ring,
            note_restart=self._note_restart,
            note_lost=self._note_lost,
            note_back=self._note_back,
            tell=self._tell,
            reconnecting=reconnecting or Reconnecting(chance=lambda: 0.5),
        )

    async def run(self) -> None:
        """Open the source and read it to the end, and see to it that nothing is left."""
        try:
            async with aclosing(self.source):
                if (ring := await self.source.open()) is not None:
                    assert ring is self.rings[-1]
                    await self.source.read(self.take)
        finally:
            assert self.decoders == 0
            assert all(ring.fd < 0 for ring in self.rings)

    async def take(self, ticket: FrameTicket) -> bool:
        """Take a frame and release it."""
        self.keep(ticket)
        await trio.lowlevel.checkpoint()
        self.frames.remove(ticket)
        ticket.release()
        return True

    def keep(self, ticket: FrameTicket) -> None:
        """Take a frame, and do not release it."""
        assert ticket.ring is self.rings[-1]
        self.frames.append(ticket)
        self.indexes.append(ticket.index)
        self.times.append(ticket.timestamp_ms)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[OpenSource]:
        assert self.decoders == 0, "the last decoder was not ended"
        life = self._lives.pop(0) if self._lives else Life()
        self.opened.append(trio.current_time())
        self.decoders += 1
        try:
            await trio.sleep(life.opens_in_s)
            if life.unopened is not None:
                raise life.unopened
            info = attrs.evolve(self._info, kind=life.kind or self._info.kind, width=life.size[0], height=life.size[1])
            yield OpenSource(FakeDecoder(life), info)
        finally:
            self.decoders -= 1

    def _make_ring(self, frame_bytes: int) -> JobRing:
        assert all(ring.fd < 0 for ring in self.rings), "there would be two rings"
        self.rings.append(JobRing(self._slots, frame_bytes))
        return self.rings[-1]

    async def _note_restart(self, reason: str, index: int) -> None:  # noqa: ASYNC124 - as the pipeline does it
        self.restarts.append((reason, index))

    async def _tell(self, note: SourceNote) -> None:  # noqa: ASYNC124 - as the pipeline does it
        self.notes.append(note)

    async def _note_lost(self, lost: Lost) -> None:  # noqa: ASYNC124 - as the pipeline does it
        self.lost.append((trio.current_time(), f"{lost.reason}: {lost.sentence}"))

    async def _note_back(self, outage_s: float, index: int) -> None:  # noqa: ASYNC124 - as the pipeline does it
        self.back.append((round(outage_s, 6), index))
