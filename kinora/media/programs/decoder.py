"""Decodes a source into the frame ring of a job, by the requests in :mod:`kinora.media.messages`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice

import attrs

from kinora.media.messages import (
    DECODER,
    DecoderAnswer,
    DecoderRequest,
    Ended,
    FrameReady,
    Map,
    Mapped,
    Noted,
    Open,
    Opened,
    Refused,
    Slot,
)
from kinora.media.newest import Newest
from kinora.media.programs.confining import confine_to
from kinora.media.source_mark import source_mark
from kinora.media.sources import Picture, Source, SourceError, SourceTruncated, open_source
from kinora.runtime.channel import Channel
from kinora.runtime.frames import RingWriter
from kinora.runtime.program import Line, serve


def main(channel: Channel) -> None:
    """Decode one source."""
    with ExitStack() as resources:
        serve(Line(DECODER, channel), _Decoder(resources).answer)


class _Decoder:
    """Decodes one source into one ring."""

    def __init__(self, resources: ExitStack) -> None:
        self._resources = resources
        self._source: Source | None = None
        self._ring: RingWriter | None = None
        self._pictures: Iterator[Picture] = iter(())
        self._next: Picture | None = None
        """The next picture, decoded ahead so that a free slot never waits for it; of a live source the newest one."""
        self._newest = False
        """True if the newest picture is wanted for each slot, so that none is decoded ahead."""
        self._ended = False
        self._notes_told = 0

    def answer(self, request: DecoderRequest, fds: list[int]) -> Iterator[DecoderAnswer]:
        match request:
            case Open():
                yield self._open(request)
            case Map():
                yield self._map(request, fds)
                if not self._newest:
                    yield from self._decode_next()
            case Slot(slot):
                if self._newest:
                    yield from self._decode_next()
                if self._next is not None:  # else the slot came after the end
                    yield self._write(self._next, slot)
                    if not self._newest:
                        yield from self._decode_next()

    def _open(self, request: Open) -> Opened | Refused:
        try:
            source = open_source(request.location, limits=request.limits, name=request.name, found=confine_to)
        except SourceError as error:
            return Refused(error.kind, str(error))
        self._source = self._resources.enter_context(source)
        return Opened(attrs.evolve(source.info, mark=source_mark(request.location)))

    def _map(self, request: Map, fds: list[int]) -> Mapped:
        if self._source is None:
            raise RuntimeError("Map came before Open")
        (ring_fd,) = fds
        self._ring = RingWriter(ring_fd, request.slots, request.slot_bytes)
        pictures: Iterator[Picture] = self._source.frames(request.start, request.stride)
        self._newest = request.newest and self._source.info.kind == "stream"
        self._pictures = islice(Newest(pictures) if self._newest else pictures, request.max_frames)
        return Mapped()

    def _write(self, picture: Picture, slot: int) -> FrameReady:
        if self._ring is None:
            raise RuntimeError("Slot came before Map")
        picture.write_to(self._ring.view(slot, picture.height, picture.width))
        return FrameReady(
            slot=slot,
            index=picture.index,
            timestamp_ms=picture.timestamp_ms,
            width=picture.width,
            height=picture.height,
        )

    def _decode_next(self) -> Iterator[Noted | Ended]:
        """Decode the next picture, or report the end, once; before that, what was found out."""
        self._next, truncated = None, None
        if self._ended:
            return
        try:
            self._next = next(self._pictures, None)
        except SourceTruncated as error:
            truncated = str(error)
        yield from self._new_notes()
        if self._next is None:
            self._ended = True
            yield Ended(truncated)

    def _new_notes(self) -> Iterator[Noted]:
        notes = () if self._source is None else self._source.notes[self._notes_told :]
        self._notes_told += len(notes)
        yield from map(Noted, notes)
