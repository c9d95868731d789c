"""Cameras as sources: one JPEG after the other over HTTP, without timestamps and mostly without end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import chain
from types import TracebackType
from typing import Self, cast

import av
from av.packet import Packet
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from kinora.media.clock import ArrivalClock
from kinora.media.image_header import may_have_many_scans
from kinora.media.multipart import BrokenParts, read_parts
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, many_scans
from kinora.media.video import (
    JPEGS,
    THREADS,
    Converter,
    VideoPicture,
    broken_off,
    check_pixels,
    damaged,
    no_picture,
    no_video,
    pixel_limit,
)
from kinora.media.video_file import VideoFile


class CameraSource:
    """The pictures of a camera, or of a file of what one has sent. Each is shown when it comes."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        self._file = file
        self._limits = limits
        with closing(_Reading(file, limits)) as reading:
            first = next(reading.frames, None)
            if first is None:
                raise no_picture(file.name) if reading.parts else no_video(file.name)
        check_pixels(file.name, first.width, first.height, limits)
        self._first = first
        size = Converter(first)
        self.info = SourceInfo(
            kind="stream" if file.endless else "video",
            width=size.width,
            height=size.height,
            max_frame_bytes=size.width * size.height * CHANNELS,
            frames_total=None,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, …, in the size of the first; each call opens the file anew.

        Raises:
            SourceTruncated: at the end, if the connection broke off, or a picture was damaged or too large.
        """
        converter, clock, at_ms = Converter(self._first), ArrivalClock(), 0.0
        with closing(_Reading(self._file, self._limits)) as reading:
            try:
                for index, frame in enumerate(reading.frames):
                    at_ms = clock.read(None)
                    if index >= start and (index - start) % stride == 0:
                        yield VideoPicture(index, at_ms, frame, converter)
            except SourceError as error:
                raise broken_off(error, at_ms) from error
            if reading.damaged:
                raise damaged(self._file.name, at_ms)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


class _Reading:
    """One pass over the pictures."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        self.damaged = False
        """True once a part was unreadable."""
        self.parts = 0
        """The number of parts so far."""
        self._name = file.name
        self._file = file.open()
        self._codec = cast(VideoCodecContext, av.CodecContext.create(JPEGS, "r"))
        self._codec.options = pixel_limit(limits)
        self._codec.thread_type, self._codec.thread_count = "AUTO", THREADS
        self.frames = self._decode()
        """Every picture that can be decoded."""

    def close(self) -> None:
        """Close the connection."""
        self._file.close()

    def _decode(self) -> Iterator[VideoFrame]:
        for packet in chain(self._packets(), [None]):  # None: what the decoder still holds
            try:
                frames = self._codec.decode(packet)
            except av.FFmpegError:
                self.damaged = True
                continue
            for frame in frames:
                self.damaged |= frame.is_corrupt
                yield frame

    def _packets(self) -> Iterator[Packet[Stream]]:
        try:
            for part in read_parts(self._name, self._file):
                self.parts += 1
                if may_have_many_scans(part):
                    raise many_scans(f"A picture of {self._name}")
                yield Packet(part)
        except BrokenParts:
            self.damaged = True
