"""Cameras as sources: one JPEG after the other over HTTP, without timestamps and mostly without end.

They send the parts of a MIME message (``multipart/x-mixed-replace``) or the bare pictures. Boundaries and heads are as
different as the makers of cameras, and often wrong, so the pictures are told by their own bytes.
"""

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

from kinora.media.arrival import clock_s
from kinora.media.camera_errors import CameraError, CameraLost, LostReason, stream_ended
from kinora.media.images.image_header import may_have_many_scans
from kinora.media.images.jpeg_row import read_jpegs
from kinora.media.packets.decoder_packets import packet_of
from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote, many_scans
from kinora.media.videos.clock import ArrivalClock
from kinora.media.videos.orientation import Orientation
from kinora.media.videos.video import THREADS
from kinora.media.videos.video_errors import (
    broken_off,
    check_pixels,
    damaged,
    no_picture,
    no_video,
    pixel_limit,
)
from kinora.media.videos.video_file import VideoFile
from kinora.media.videos.video_picture import Converter, VideoPicture
from kinora.media.videos.video_reading import JPEGS

HEAD_BYTES = 16 * 1024
"""More between two pictures than that is not the head of a part, but a part of another kind."""
DAMAGED = "those that cannot be decoded are left out, and others lack their lower part"
_BOUNDARY = b"--"
_JPEG_END = b"\xff\xd9"


def is_multipart(head: bytes, content_type: str = "") -> bool:
    """True if what begins like this, and is called by this type, may be a message of pictures."""
    return content_type.lower().startswith("multipart/") or head.lstrip(b"\r\n").startswith(_BOUNDARY)


class CameraSource:
    """The pictures of a camera, or of a file of what one has sent. Each is shown when it comes.

    A camera is connected to once, since many allow one client: what was opened here is what :meth:`frames` reads.
    """

    def __init__(self, file: VideoFile, limits: SourceLimits, jpegs: Iterator[bytes] | None = None) -> None:
        """``jpegs`` are those of ``file`` if it is being read already."""
        self.notes: list[SourceNote] = []
        self._file = file
        self._limits = limits
        self.keeper = PacketKeeper(JPEGS)
        self._begun: _Reading | None = _Reading(file, limits, jpegs, self.keeper if file.endless else None)
        try:
            self._first = self._begun.first()
            check_pixels(file.name, self._first.width, self._first.height, limits)
        except BaseException:
            self._begun.close()
            raise
        width, height = Orientation.of(self._first).size(self._first.width, self._first.height)
        self.info = SourceInfo(
            kind="stream" if file.endless else "video",
            width=width,
            height=height,
            max_frame_bytes=width * height * CHANNELS,
            frames_total=None,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, ….

        Those of a camera are counted from the first call on, and cannot be read twice; a file is read anew by each.

        Raises:
            SourceTruncated: at the end, if a camera ended it, the file broke off, or a picture was damaged or large.
        """
        begun, self._begun = self._begun, None
        reading = begun or _Reading(self._file, self._limits)
        before = [] if begun is None or self._file.endless else [self._first]
        converter, clock, at_ms = Converter(), ArrivalClock(), 0.0
        with closing(reading):
            try:
                for index, frame in enumerate(chain(before, reading.frames)):
                    check_pixels(self._file.name, frame.width, frame.height, self._limits)
                    at_ms, received_s = clock.read(None), reading.came_s
                    self._note_faults(reading)
                    if index >= start and (index - start) % stride == 0:
                        yield VideoPicture(index, at_ms, frame, converter, received_s if self._file.endless else None)
            except SourceError as error:
                raise (CameraLost.by(error) if self._file.endless else broken_off(error, at_ms)) from error
        if self._file.endless:
            raise stream_ended(self._file.name)
        if reading.damaged:
            raise damaged(self._file.name, at_ms)

    def _note_faults(self, reading: _Reading) -> None:
        """Have the user told at once: the end of a camera may be months away."""
        if reading.damaged and self._file.endless:
            self._note(f"{self._file.name} sends damaged pictures: {DAMAGED}.")
        if reading.other_parts:
            self._note(f"{self._file.name} also sends what is no JPEG, such as PNG or sound: that is left out.")

    def _note(self, message: str) -> None:
        if (note := SourceNote(message)) not in self.notes:
            self.notes.append(note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun is not None:
            self._begun.close()
        self._file.close()


class _Reading:
    """One pass over the pictures."""

    def __init__(
        self,
        file: VideoFile,
        limits: SourceLimits,
        jpegs: Iterator[bytes] | None = None,
        keeper: PacketKeeper | None = None,
    ) -> None:
        self.damaged = False
        """True once a picture was unreadable."""
        self.came_s = 0.0
        """When the last picture had come."""
        self._keeper = keeper
        self.other_parts = False
        """True once there was more between two pictures than the head of a part."""
        self._name = file.name
        self._live = file.endless
        self._found = 0
        """The number of pictures so far, unreadable ones included."""
        self._codec = cast(VideoCodecContext, av.CodecContext.create(JPEGS, "r"))
        self._codec.options = pixel_limit(limits)
        # Threads that decode several frames at once would each hold one back.
        self._codec.thread_type = "SLICE" if file.endless else "AUTO"
        self._codec.thread_count = THREADS
        self._file = file.open()
        self._jpegs = jpegs or read_jpegs(file.name, self._file, self._pass_over)
        self.frames = self._decode()
        """Every picture that can be decoded."""

    def first(self) -> VideoFrame:
        """Return the first picture.

        Raises:
            SourceError: there is none.
        """
        first = next(self.frames, None)
        if first is None:
            raise self._none_decoded() if self._found else self._no_jpegs()
        return first

    def close(self) -> None:
        """Close the connection."""
        self._file.close()

    def _pass_over(self, size: int) -> None:
        self.other_parts |= size > HEAD_BYTES

    def _none_decoded(self) -> SourceError:
        error = no_picture(self._name)
        return CameraError(LostReason.CODEC, str(error), error.kind) if self._live else error

    def _no_jpegs(self) -> SourceError:
        if not self._live:
            return no_video(self._name)
        return CameraError(
            LostReason.NO_VIDEO, f"{self._name} sends no JPEGs: set the camera to JPEG (MJPEG) pictures."
        )

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
        for jpeg in self._jpegs:
            self._found += 1
            self.came_s = clock_s()
            self.damaged |= not jpeg.endswith(_JPEG_END)  # FFmpeg does not tell that the lower part is missing
            if may_have_many_scans(jpeg):
                raise many_scans(f"A picture of {self._name}")
            if self._keeper is not None and self._keeper.wants:
                self._keeper.put(KeptPacket(jpeg, round(self.came_s * 1_000_000), self.came_s, is_key=True))
            yield packet_of(jpeg)
