"""The decoder of a source: a worker process that decodes it into a frame ring.

FFmpeg can hang or crash on hostile input, so it never runs in the server. The decoder only writes to slots that it was
given as free: this bounds the memory of a job and carries back-pressure to the decoder.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Literal

import attrs
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.live_count import Moment
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.recording import Recording
from kinora.media.arrival import clock_s
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.messages import (
    DECODER,
    MOST_KEY_FRAMES,
    DecoderAnswer,
    DecoderRequest,
    Ended,
    FindKeyFrames,
    FrameReady,
    KeyFrames,
    Map,
    MapLarger,
    Mapped,
    NeedsLarger,
    Noted,
    Open,
    Opened,
    Refused,
    Slot,
    Span,
)
from kinora.media.source_names import PUSH
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.workers import Conversation, ForkServer, ForkServerGone, WorkerGone

OPEN_TIMEOUT_S = 30.0
"""The time for a decoder that runs to open a source; after it the source is refused."""
FRAME_TIMEOUT_S = 30.0
"""A decoder that has a free slot and sends nothing for this long counts as hung."""
MAX_NAME = 255
"""The characters that the name of a frame's file may have, as on Linux."""
MAX_NOTES = 100
"""A decoder that has more than that to tell the user counts as broken."""

Decoder = Conversation[DecoderRequest, DecoderAnswer]


class SourceBroke(Exception):
    """The decoder failed, and not because it cannot read the source; the text says how.

    After the source was opened, that is any end but a regular one.
    """


class DecoderHung(SourceBroke):
    """The decoder has a slot to fill, and sends nothing."""


class RingTooSmall(Exception):
    """The next frame does not fit in the ring's slots. The decoder waits for a larger ring."""

    def __init__(self, frame_bytes: int) -> None:
        super().__init__(frame_bytes)
        self.frame_bytes = frame_bytes


class SourceEnded(Exception):
    """There is nothing to open: the pushed source has ended behind its last picture."""


@attrs.frozen(kw_only=True)
class SourceSpec:
    """The frames to read, and their source."""

    location: str
    """An absolute path, a URL, the name of a camera of the operator's, or ``push:``."""
    name: str
    """The name of the source in messages."""
    limits: SourceLimits
    start: int
    """The index of the first frame to read."""
    stride: int
    max_frames: int | None
    """The number of frames to process; None for all."""
    policy: Literal["wait", "latest"]
    after: Moment | None = None
    """The last frame before ``start``, if the source is live and the job goes on after one."""
    patient: bool = False
    """True if the first opening is tried again as well, as the later ones of a live source are."""
    max_outage_s: float | None = None
    """A live source that is away for longer than that has ended; None: it is waited for without end."""
    spans: tuple[Span, ...] = ()
    """Those parts of the file that are read, in order, each from a frame that is wanted on; empty for all."""

    @property
    def pushed(self) -> bool:
        """True for a live source that ends when it says so, and whose pictures bring their indexes along."""
        return self.location == PUSH


@attrs.frozen
class OpenSource:
    """A source that its decoder has opened."""

    decoder: Decoder
    info: SourceInfo


@asynccontextmanager
async def open_source(
    fork_server: ForkServer,
    name: str,
    location: str,
    shown_as: str,
    *,
    limits: SourceLimits,
    cameras: Cameras,
    fds: Sequence[int] = (),
    timeout_s: float = OPEN_TIMEOUT_S,
) -> AsyncIterator[OpenSource]:
    """Open a source in a decoder called ``name``, whose process is gone when the block is left.

    Messages call the source ``shown_as``: clients do not know the location of an upload. ``fds`` go with the request;
    they stay the caller's.

    Raises:
        SourceError: the source cannot be read, or the decoder crashed; the text says what to do.
        SourceBroke: the decoder is gone, and not because of the source.
        ForkServerGone: no decoder can be started.
    """
    async with cameras.taken(location), fork_server.worker(DECODER, name) as decoder:
        info = None
        with trio.move_on_after(timeout_s):
            info = await _open(decoder, await cameras.request(location, shown_as, limits), fds)
        if info is None:
            raise CameraError(LostReason.SILENT, f"The source did not open within {timeout_s:.0f} s.", "unreadable")
        yield OpenSource(decoder, info)


async def _open(decoder: Decoder, request: Open, fds: Sequence[int]) -> SourceInfo:
    try:
        answer = await decoder.ask(request, fds)
    except (WorkerGone, ProtocolError) as error:
        raise _unopened(error) from error
    match answer:
        case Opened(info):
            return info
        case Refused(kind, message, reason):
            raise SourceError(kind, message) if reason is None else CameraError(reason, message, kind)
        case _:
            raise SourceError("unsupported", "The source cannot be decoded: its process sent an unexpected answer.")


async def find_key_frames(source: OpenSource) -> tuple[int, ...]:
    """Return the frames at which a source that was just opened may be cut, in order; none if it is not a whole file.

    Raises:
        SourceBroke, ForkServerGone: the decoder is gone, or does not answer.
    """
    if source.info.kind != "video":
        return ()
    with trio.move_on_after(OPEN_TIMEOUT_S):
        try:
            answer = await source.decoder.ask(FindKeyFrames())
        except (WorkerGone, ProtocolError) as error:
            raise _broken(error) from error
        if isinstance(answer, KeyFrames) and _is_rising(answer.indexes):
            return tuple(answer.indexes)
    raise SourceBroke("the decoder did not tell the key frames")


def _is_rising(indexes: Sequence[int]) -> bool:
    return len(indexes) <= MOST_KEY_FRAMES and all(0 <= low < high for low, high in pairwise(indexes))


async def start_reading(
    source: OpenSource, ring: JobRing, spec: SourceSpec, recording: Recording | None = None
) -> SourceReader:
    """Have the decoder map the ring, and seal the ring: nobody can map it for writing after that.

    It keeps the packets of the source in the next memory of ``recording``.

    Raises:
        SourceBroke, ForkServerGone: the decoder is gone.
    """
    request = Map(
        slots=ring.slots,
        slot_bytes=ring.slot_bytes,
        start=spec.start,
        stride=spec.stride,
        max_frames=None if spec.policy == "latest" else spec.max_frames,  # those that are dropped do not count
        newest=spec.policy == "latest",
        spans=spec.spans,
        keep_s=0.0 if recording is None else recording.keep_s,
    )
    await _have_mapped(source.decoder, request, ring, () if recording is None else [recording.connect()])
    return SourceReader(source, ring, spec)


async def _have_mapped(
    decoder: Decoder, request: Map | MapLarger, ring: JobRing, other_fds: Sequence[int] = ()
) -> None:
    with trio.move_on_after(OPEN_TIMEOUT_S):
        try:
            mapped = isinstance(await decoder.ask(request, [ring.fd, *other_fds]), Mapped)
        except (WorkerGone, ProtocolError) as error:
            raise _broken(error) from error
        if mapped:
            ring.seal()
            return
    raise SourceBroke("the decoder did not map the frame ring")


class SourceReader:
    """Reads frames from one decoder, in one ring at a time."""

    def __init__(self, source: OpenSource, ring: JobRing, spec: SourceSpec) -> None:
        self.ring = ring
        self.size = source.info.width, source.info.height
        """Of the first picture."""
        self.truncated: str | None = None
        """The reason why the source broke off early, set before :meth:`next_frame` returns None; else None."""
        self.lost: LostReason | None = None
        """The same in one word, if the source is a camera that was lost."""
        self.notes: list[SourceNote] = []
        """What the decoder had to tell the user so far."""
        self._decoder = source.decoder
        self._stride = spec.stride
        self._most_bytes = spec.limits.max_pixels * CHANNELS
        self._next_index = spec.start
        """The lowest index that the next frame may have: pictures that cannot be read leave gaps."""
        self._frame_timeout_s = math.inf if spec.location == PUSH else FRAME_TIMEOUT_S
        """A client may push as rarely as it likes; the decoder itself bounds the time for a picture."""
        self._given: set[int] = set()
        """The slots that the decoder was given and has not filled yet."""

    async def give_slots(self) -> None:
        """Give the decoder each slot that becomes free, until cancelled or the decoder is gone.

        This needs a task of its own: the decoder may be too busy to read a slot while the pipeline waits for frames.
        """
        with suppress(WorkerGone):  # next_frame tells, after the frames that were sent before
            while True:
                slot = await self.ring.lease_next()
                self._given.add(slot)
                await self._decoder.send(Slot(slot))

    async def next_frame(self) -> FrameTicket | None:
        """Wait for the next frame; return None at the end of the source. What comes before it is in :attr:`notes` then.

        Raises:
            RingTooSmall: call :meth:`use_larger` before the next frame.
            SourceBroke: the decoder hung, is gone or sent an invalid message.
            ForkServerGone: the decoder ended with the fork server.
        """
        match await self._next():
            case FrameReady() as ready if self._is_valid(ready):
                self._given.remove(ready.slot)
                skipped = (ready.index - self._next_index) // self._stride
                self._next_index = ready.index + self._stride
                return FrameTicket(
                    ring=self.ring,
                    slot=ready.slot,
                    index=ready.index,
                    timestamp_ms=ready.timestamp_ms,
                    width=ready.width,
                    height=ready.height,
                    file=ready.file,
                    received_s=ready.received_s,
                    skipped=skipped,
                    decode_s=ready.cpu_s,
                )
            case NeedsLarger(frame_bytes) if self.ring.slot_bytes < frame_bytes <= self._most_bytes:
                raise RingTooSmall(frame_bytes)
            case Ended(truncated, reason):
                self.truncated, self.lost = truncated, reason
                return None
            case _:
                raise SourceBroke("the decoder sent an unexpected answer")

    async def use_larger(self, ring: JobRing) -> None:
        """Have the decoder map a larger ring, and seal that. All slots of the one before must be free.

        Raises:
            SourceBroke, ForkServerGone: the decoder is gone.
        """
        self.ring = ring
        await _have_mapped(self._decoder, MapLarger(slots=ring.slots, slot_bytes=ring.slot_bytes), ring)

    def take_back_slots(self) -> None:
        """Free the slots that the decoder, which is gone or waits for another ring, will not fill."""
        while self._given:
            self.ring.release(self._given.pop())

    def _is_valid(self, ready: FrameReady) -> bool:
        """Return whether this frame may come next, and fits its slot: the decoder is not trusted."""
        fits = min(ready.width, ready.height) > 0 and ready.width * ready.height * CHANNELS <= self.ring.slot_bytes
        named = ready.file is None or len(ready.file) <= MAX_NAME
        came = ready.received_s is None or 0 <= ready.received_s <= clock_s()
        return fits and named and came and ready.slot in self._given and ready.index >= self._next_index

    async def _next(self) -> DecoderAnswer:
        """Wait for the decoder's next message; without a time limit only while it has no slot to write to."""
        while True:
            waits_for_slot = not self._given
            with trio.move_on_after(self._frame_timeout_s):
                return await self._receive()
            if not waits_for_slot:
                raise DecoderHung(f"the decoder sent nothing for {self._frame_timeout_s:.0f} s")

    async def _receive(self) -> DecoderAnswer:
        """Wait for the decoder's next message that is not a note."""
        try:
            while isinstance(answer := await self._decoder.receive(), Noted):
                self.notes.append(answer.note)
                if len(self.notes) > MAX_NOTES:
                    raise SourceBroke("the decoder has too much to tell")
        except (WorkerGone, ProtocolError) as error:
            raise _broken(error) from error
        return answer


def _unopened(error: WorkerGone | ProtocolError) -> SourceError | SourceBroke | ForkServerGone:
    if isinstance(error, WorkerGone) and not error.by_its_work:
        return _broken(error)
    return SourceError("unsupported", f"The source cannot be decoded: {_cause(error)}. Try to convert it.")


def _broken(error: WorkerGone | ProtocolError) -> SourceBroke | ForkServerGone:
    text = f"the decoder is gone: {_cause(error)}"
    return ForkServerGone(text) if isinstance(error, WorkerGone) and error.orphaned else SourceBroke(text)


def _cause(error: WorkerGone | ProtocolError) -> str:
    if isinstance(error, WorkerGone) and error.killed:
        return f"{error}, probably by the system for lack of memory"
    return str(error)
