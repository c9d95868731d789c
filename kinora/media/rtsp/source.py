"""RTSP cameras as sources."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from types import TracebackType
from typing import Self

import av
from av.codec.context import Flags
from av.video.frame import VideoFrame

from kinora.media.arrival import Arrivals
from kinora.media.camera_errors import CameraLost
from kinora.media.images.image_header import may_have_many_scans
from kinora.media.network.auth import Credentials
from kinora.media.network.url_access import RTSP, SourceUrl
from kinora.media.packets.decoder_packets import packet_of
from kinora.media.rtsp.faults import not_decoded
from kinora.media.rtsp.opening import camera_name, open_session
from kinora.media.rtsp.reader import KEY_FRAME_S, CameraReader
from kinora.media.rtsp.rtp import PictureClock
from kinora.media.rtsp.units import Unit
from kinora.media.source_types import (
    CHANNELS,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceNote,
    changes_size,
    many_scans,
)
from kinora.media.videos.orientation import Orientation
from kinora.media.videos.video import THREADS
from kinora.media.videos.video_errors import check_pixels, pixel_limit
from kinora.media.videos.video_picture import Converter, VideoPicture
from kinora.media.videos.video_reading import JPEGS


class RtspSource:
    """The pictures of an RTSP camera. It is connected to once: what was opened here is what :meth:`frames` reads."""

    def __init__(
        self, url: str, limits: SourceLimits, credentials: Credentials | None = None, name: str | None = None
    ) -> None:
        """Connect, and wait for the first picture. Messages call it ``name``, and tell nothing of its URL then.

        Raises:
            SourceError: the camera cannot be watched; mostly a CameraError.
        """
        self.notes: list[SourceNote] = []
        self._name = name or camera_name(SourceUrl.parse(url, RTSP))
        self._limits = limits
        reader = CameraReader(open_session(url, limits.url_hosts, credentials, name), self._name)
        self.keeper = reader.keeper
        self._reading = _Reading(reader, self._name, limits)
        try:
            *_, first = next(self._reading.frames)
        except BaseException:
            self._reading.close()
            raise
        self._size = Orientation.of(first).size(first.width, first.height)
        width, height = self._size
        self.info = SourceInfo(
            kind="stream",
            width=width,
            height=height,
            max_frame_bytes=width * height * CHANNELS,
            frames_total=None,
            fps=None,
            duration_ms=None,
        )

    def let_go_old(self) -> None:
        """Leave out pictures where decoding falls behind: only the newest count."""
        self._reading.let_go_old()

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, …, counted from the first call on; they can be read once.

        Raises:
            CameraLost: at the end, or at a picture that cannot be shown here.
        """
        converter, clock = Converter(), PictureClock(self._reading.ticks_per_s)
        index = -1
        with closing(self._reading):
            try:
                for let_go, received_s, frame in self._reading.frames:
                    index += 1 + let_go
                    at_ms = clock.read(frame.pts, time.monotonic())
                    self._note_faults()
                    if index >= start and (index - start) % stride == 0:
                        picture = VideoPicture(index, at_ms, frame, converter, received_s)
                        self._note_size(picture)
                        yield picture
            except SourceError as error:
                raise CameraLost.by(error) from error

    def _note_faults(self) -> None:
        """Have the user told at once: the end of a camera may be months away."""
        if self._reading.lacks_packets:
            self._note(
                SourceNote(
                    f"Packets of {self._name} are lost: after each loss its pictures are left out up to the next key"
                    " frame. Look at the network, or have the camera send less."
                )
            )
        if self._reading.damaged:
            self._note(
                SourceNote(
                    f"{self._name} sends damaged pictures: those that cannot be decoded are left out, and others may"
                    " lack parts.",
                    "low",
                )
            )
        if self._reading.behind:
            self._note(
                SourceNote(
                    f"{self._name} sends more than can be decoded here: it goes on at the newest key frame each time."
                    " Have the camera send smaller pictures, or fewer."
                )
            )

    def _note_size(self, picture: VideoPicture) -> None:
        size = picture.width, picture.height
        if size != self._size:
            self._note(changes_size(self._name, self._size, size))

    def _note(self, note: SourceNote) -> None:
        if all(one.message != note.message for one in self.notes):
            self.notes.append(note)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._reading.close()


class _Reading:
    """Decodes what a reader, which it takes over, gives."""

    def __init__(self, reader: CameraReader, name: str, limits: SourceLimits) -> None:
        self.damaged = False
        """True once a unit could not be decoded."""
        self.behind = False
        """True once units were let go because they came faster than they were taken."""
        self.ticks_per_s = reader.track.ticks_per_s
        self._reader = reader
        self._name = name
        self._limits = limits
        self._codec = av.CodecContext.create(reader.track.codec, "r")
        self._codec.options = pixel_limit(limits)
        # Threads that decode several pictures at once would each hold one back.
        self._codec.thread_type = "SLICE"
        self._codec.thread_count = THREADS
        self._codec.flags |= int(Flags.low_delay)
        self._arrivals = Arrivals()
        self.frames = self._decode()
        """Each picture, with the number of units that were let go before it, and when its last packet came."""

    @property
    def lacks_packets(self) -> bool:
        """True once packets were missing."""
        return self._reader.lost

    def let_go_old(self) -> None:
        """Keep near the present."""
        self._reader.let_go_old()

    def close(self) -> None:
        """End the session with the camera."""
        self._reader.close()

    def _decode(self) -> Iterator[tuple[int, float, VideoFrame]]:
        deadline, let_go = time.monotonic() + KEY_FRAME_S, 0
        while True:
            taken = self._reader.take(deadline)
            if taken is not None:
                let_go += taken[1]
                self.behind |= taken[1] > 0
                for frame in self._decode_unit(taken[0]):
                    check_pixels(self._name, frame.width, frame.height, self._limits)
                    yield let_go, self._arrivals.take(frame.pts), frame
                    deadline, let_go = time.monotonic() + KEY_FRAME_S, 0
            if time.monotonic() >= deadline:
                raise not_decoded(self._name)

    def _decode_unit(self, unit: Unit) -> list[VideoFrame]:
        if self._codec.name == JPEGS and may_have_many_scans(unit.data):
            raise many_scans(f"A picture of {self._name}")
        if unit.after_gap and self._codec.is_open:
            self._codec.flush_buffers()
        packet = packet_of(unit.data)
        packet.pts = unit.timestamp
        self._arrivals.note(unit.timestamp, unit.received_s)
        try:
            frames = self._codec.decode(packet)
        except av.FFmpegError:
            check_pixels(self._name, self._codec.width, self._codec.height, self._limits)
            self.damaged = True
            return []
        self.damaged |= any(frame.is_corrupt for frame in frames)
        return frames
