"""Decodes a source into the frame ring of a job, by the requests in :mod:`kinora.media.messages`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import islice
from pathlib import PurePath

import attrs

from kinora.media.camera_errors import CameraError, CameraLost
from kinora.media.live.camera import CameraSource
from kinora.media.live.newest import Newest
from kinora.media.live.push_source import PushSource
from kinora.media.live.webcam import WebcamSource
from kinora.media.messages import (
    DECODER,
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
)
from kinora.media.packets.packet_memory import PacketWriter
from kinora.media.programs.confining import confine_to
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_mark import source_mark
from kinora.media.source_names import PUSH, device_of
from kinora.media.source_types import CHANNELS
from kinora.media.sources import Picture, Source, SourceError, SourceTruncated, open_served, open_source
from kinora.media.videos.spans import read_spans
from kinora.media.videos.video import VideoSource
from kinora.runtime.forking.channel import Channel, close_all
from kinora.runtime.forking.program import Line, serve
from kinora.runtime.shared_memory.frames import RingWriter

LIVE = RtspSource | CameraSource | VideoSource | PushSource | WebcamSource
"""The sources that may be live: their packets pass by a keeper."""


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
        self._slot_bytes = 0
        self._pictures: Iterator[Picture] = iter(())
        self._next: Picture | None = None
        """The next picture: decoded ahead so that a free slot never waits for it, unless the newest one is wanted."""
        self._newest = False
        """True if each slot is for the newest picture of a live source."""
        self._waits_for_ring = False
        self._ended = False
        self._notes_told = 0
        self._cpu_s = time.process_time()
        """The processor time that had been used when the last frame was written."""

    def answer(self, request: DecoderRequest, fds: list[int]) -> Iterator[DecoderAnswer]:
        match request:
            case Open():
                yield self._open(request, fds)
            case FindKeyFrames():
                yield KeyFrames(self._source.key_frames() if isinstance(self._source, VideoSource) else [])
            case Map():
                self._begin_to_keep(request, fds[1:])
                self._begin(request)
                yield self._map(request, fds[:1])
                if not self._newest:
                    yield from self._decode_next()
            case MapLarger():
                yield self._map(request, fds)
            case Slot(slot):
                if self._next is None:
                    yield from self._decode_next()
                # Otherwise the slot came after the end, or is one of the ring that is given up.
                if self._next is not None and not self._waits_for_ring:
                    yield self._write(self._next, slot)
                    self._next = None
                    if not self._newest:
                        yield from self._decode_next()

    def _open(self, request: Open, fds: list[int]) -> Opened | Refused:
        try:
            source = _open_pushed(fds, request) if request.location == PUSH else _open_located(request)
        except SourceError as error:
            return Refused(error.kind, str(error), error.reason if isinstance(error, CameraError) else None)
        self._source = self._resources.enter_context(source)
        mark = "" if request.served is not None else source_mark(request.location)
        return Opened(attrs.evolve(source.info, mark=mark))

    def _begin_to_keep(self, request: Map, fds: list[int]) -> None:
        """Keep packets in the memory that was sent along, if one was."""
        keeper = self._source.keeper if isinstance(self._source, LIVE) else None
        if keeper is None:
            close_all(fds)
            return
        keeper.begin(PacketWriter(fds[0], keeper.codec, request.keep_s) if fds else None)

    def _begin(self, request: Map) -> None:
        if self._source is None:
            raise RuntimeError("Map came before Open")
        self._newest = request.newest and self._source.info.kind == "stream"
        if self._newest and isinstance(self._source, RtspSource):
            self._source.let_go_old()
        pictures = _pictures(self._source, request)
        self._pictures = islice(Newest(pictures) if self._newest else pictures, request.max_frames)

    def _map(self, request: Map | MapLarger, fds: list[int]) -> Mapped:
        (ring_fd,) = fds
        self._ring, self._slot_bytes = RingWriter(ring_fd, request.slots, request.slot_bytes), request.slot_bytes
        self._waits_for_ring = False
        return Mapped()

    def _write(self, picture: Picture, slot: int) -> FrameReady:
        if self._ring is None:
            raise RuntimeError("Slot came before Map")
        picture.write_to(self._ring.view(slot, picture.height, picture.width))
        before, self._cpu_s = self._cpu_s, time.process_time()
        return FrameReady(
            cpu_s=self._cpu_s - before,
            slot=slot,
            index=picture.index,
            timestamp_ms=picture.timestamp_ms,
            width=picture.width,
            height=picture.height,
            file=picture.file,
            received_s=picture.received_s,
        )

    def _decode_next(self) -> Iterator[Noted | NeedsLarger | Ended]:
        """Decode the next picture; report what was found out, then if it needs a larger ring, or the end, once."""
        self._next, end = None, Ended()
        if self._ended:
            return
        try:
            self._next = next(self._pictures, None)
        except SourceTruncated as error:
            end = Ended(str(error), error.reason if isinstance(error, CameraLost) else None)
        yield from self._new_notes()
        if self._next is None:
            self._ended = True
            yield end
        elif (size := self._next.width * self._next.height * CHANNELS) > self._slot_bytes:
            self._waits_for_ring = True
            yield NeedsLarger(size)

    def _new_notes(self) -> Iterator[Noted]:
        notes = () if self._source is None else self._source.notes[self._notes_told :]
        self._notes_told += len(notes)
        yield from map(Noted, notes)


def _pictures(source: Source, request: Map) -> Iterator[Picture]:
    if request.spans and isinstance(source, VideoSource):
        return read_spans(source, request.spans, request.start, request.stride)
    return source.frames(request.start, request.stride)


def _open_located(request: Open) -> Source:
    if request.served is not None:
        file_name = PurePath(request.location).name
        return open_served(request.served, file_name, request.name, limits=request.limits, found=confine_to)
    return open_source(
        request.location,
        limits=request.limits,
        name=request.name,
        found=partial(confine_to, device=device_of(request.location)),
        credentials=request.credentials,
    )


def _open_pushed(fds: list[int], request: Open) -> Source:
    (fd,) = fds
    confine_to([])
    return PushSource(fd, request.limits)
