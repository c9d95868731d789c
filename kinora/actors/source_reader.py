"""The source of a job: a worker process that decodes it into the frame ring.

FFmpeg can hang or crash on hostile input, so it never runs in the server. The decoder only writes to slots that it was
given as free: this bounds the memory of a job and carries back-pressure to the decoder.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import attrs
import trio

from kinora.actors.ticket import FrameTicket
from kinora.media.messages import (
    DECODER,
    DecoderAnswer,
    DecoderRequest,
    Ended,
    FrameReady,
    Map,
    Mapped,
    Open,
    Opened,
    Refused,
    Slot,
)
from kinora.media.source_types import SourceError, SourceInfo, SourceLimits
from kinora.runtime.channel import ProtocolError
from kinora.runtime.frames import FrameRing
from kinora.runtime.workers import Conversation, ForkServer, WorkerGone

OPEN_TIMEOUT_S = 30.0
"""The time for a decoder that runs to open a source; after it the source is refused."""
FRAME_TIMEOUT_S = 30.0
"""A decoder that has a free slot and sends nothing for this long counts as hung."""

Decoder = Conversation[DecoderRequest, DecoderAnswer]


class SourceBroke(Exception):
    """The decoder failed, and not because it cannot read the source; the text says how.

    After the source was opened, that is any end but a regular one.
    """


@attrs.frozen(kw_only=True)
class SourceSpec:
    """The frames to read, and their source."""

    location: str
    """An absolute path or a URL."""
    name: str
    """The name of the source in messages."""
    limits: SourceLimits
    start: int
    """The index of the first frame to read."""
    stride: int
    max_frames: int | None
    policy: Literal["wait", "latest"]


@attrs.frozen
class OpenSource:
    """A source that its decoder has opened."""

    decoder: Decoder
    info: SourceInfo


@asynccontextmanager
async def open_source(
    fork_server: ForkServer, name: str, location: str, shown_as: str, limits: SourceLimits
) -> AsyncIterator[OpenSource]:
    """Open a source in a decoder called ``name``, whose process is gone when the block is left.

    Messages call the source ``shown_as``: clients do not know the location of an upload.

    Raises:
        SourceError: the source cannot be read, or the decoder crashed; the text says what to do.
        SourceBroke: the decoder is gone, and not because of the source.
        ForkServerGone: no decoder can be started.
    """
    async with fork_server.worker(DECODER, name) as decoder:
        info = None
        with trio.move_on_after(OPEN_TIMEOUT_S):
            info = await _open(decoder, Open(location=location, name=shown_as, limits=limits))
        if info is None:
            raise SourceError("unreadable", f"The source did not open within {OPEN_TIMEOUT_S:.0f} s.")
        yield OpenSource(decoder, info)


async def _open(decoder: Decoder, request: Open) -> SourceInfo:
    try:
        answer = await decoder.ask(request)
    except (WorkerGone, ProtocolError) as error:
        if isinstance(error, WorkerGone) and not error.by_its_work:
            raise SourceBroke(f"the decoder is gone: {error}") from error
        raise SourceError("unsupported", f"The source cannot be decoded: {error}. Try to convert it.") from error
    match answer:
        case Opened(info):
            return info
        case Refused(kind, message):
            raise SourceError(kind, message)
        case _:
            raise SourceError("unsupported", "The source cannot be decoded: its process sent an unexpected answer.")


async def start_reading(source: OpenSource, ring: FrameRing, spec: SourceSpec) -> SourceReader:
    """Have the decoder map the ring, and seal the ring: nobody can map it for writing after that.

    Raises:
        SourceBroke: the decoder is gone.
    """
    request = Map(
        slots=ring.slots, slot_bytes=ring.slot_bytes, start=spec.start, stride=spec.stride, max_frames=spec.max_frames
    )
    with trio.move_on_after(OPEN_TIMEOUT_S):
        try:
            mapped = isinstance(await source.decoder.ask(request, [ring.fd]), Mapped)
        except (WorkerGone, ProtocolError) as error:
            raise SourceBroke(f"the decoder is gone: {error}") from error
        if mapped:
            ring.seal()
            return SourceReader(source.decoder, ring)
    raise SourceBroke("the decoder did not map the frame ring")


class SourceReader:
    """Reads the frames of one source into one ring."""

    def __init__(self, decoder: Decoder, ring: FrameRing) -> None:
        self.truncated: str | None = None
        """The reason why the source broke off early, set before :meth:`next_frame` returns None; else None."""
        self._decoder = decoder
        self._ring = ring
        self._freed = trio.Event()
        self._owed = 0
        """The number of slots that the decoder was given and has not filled yet."""

    async def give_slots(self) -> None:
        """Give the decoder each slot that becomes free, until cancelled.

        This needs a task of its own: the decoder may be too busy to read a slot while the pipeline waits for frames.

        Raises:
            SourceBroke: the decoder is gone.
        """
        while True:
            while (slot := self._ring.lease()) is not None:
                self._owed += 1
                try:
                    await self._decoder.send(Slot(slot))
                except WorkerGone as error:
                    raise SourceBroke(f"the decoder is gone: {error}") from error
            await self._freed.wait()
            self._freed = trio.Event()

    async def next_frame(self) -> FrameTicket | None:
        """Wait for the next frame; return None at the end of the source.

        Raises:
            SourceBroke: the decoder hung or is gone.
        """
        match await self._next():
            case FrameReady() as ready:
                self._owed -= 1
                return FrameTicket(
                    slot=ready.slot,
                    index=ready.index,
                    timestamp_ms=ready.timestamp_ms,
                    width=ready.width,
                    height=ready.height,
                )
            case Ended(truncated):
                self.truncated = truncated
                return None
            case _:
                raise SourceBroke("the decoder sent an unexpected answer")

    def release(self, slot: int) -> None:
        """Release one use of the frame in a slot; after the last one the decoder may write there again."""
        self._ring.release(slot)
        self._freed.set()

    async def _next(self) -> DecoderAnswer:
        """Wait for the decoder's next message; without a time limit only while it has no slot to write to."""
        while True:
            owed = self._owed
            with trio.move_on_after(FRAME_TIMEOUT_S):
                try:
                    return await self._decoder.receive()
                except (WorkerGone, ProtocolError) as error:
                    raise SourceBroke(f"the decoder is gone: {error}") from error
            if owed:
                raise SourceBroke(f"the decoder sent nothing for {FRAME_TIMEOUT_S:.0f} s")
