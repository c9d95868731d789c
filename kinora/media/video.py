"""Video files as sources, read by FFmpeg."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from types import TracebackType
from typing import Self

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinora.media.clock import Clock
from kinora.media.heif import is_heif
from kinora.media.image_header import may_have_many_scans
from kinora.media.orientation import Orientation
from kinora.media.seeking import SEEKABLE, Place, find_place
from kinora.media.source_types import (
    CHANNELS,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceNote,
    SourceTruncated,
    many_scans,
)
from kinora.media.video_file import VideoFile

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpegts,mpeg,mpegvideo,ogg,asf,gif,apng,ivf,obu,"
    "h264,hevc,m4v,mxf,nut,dv,yuv4mpegpipe,rm,wtv"
)
"""Containers that hold their own pictures: no playlists, no scripts, nothing that opens other files."""
NO_PROTOCOL = "none"
"""FFmpeg reads every video through our own file object: it may open nothing itself."""
THREADS = 3
"""FFmpeg's threads, which decode several frames at once where the codec allows it. With two, a core is idle while
a picture is converted."""
SEEK_WORTH = 50
"""From this frame on, seeking is faster than decoding all frames before it."""
JPEGS = "mjpeg"
"""The codec of videos in which every picture is a JPEG."""
EARLY_END_MS = 500.0
"""A video may end this much before its stated duration: containers round, and audio tracks are longer."""
_NO_CLOCK_FPS = 25.0
_MP4_MARK = b"ftyp"


class Converter:
    """Turns decoded frames into upright BGR pictures. It keeps buffers, so each stream needs its own."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, orientation: Orientation, out: NDArray[np.uint8]) -> None:
        """Write ``frame`` into ``out``, which has its upright size: HxWx3, uint8, BGR."""
        # One thread: at this size the work is done before others have woken up.
        bgr = self._reformatter.reformat(frame, format="bgr24", threads=1)
        orientation.apply(np.asarray(bgr.to_ndarray(), np.uint8), out)  # a view


@attrs.frozen(eq=False)
class VideoPicture:
    """A decoded frame that has not been converted yet."""

    index: int
    timestamp_ms: float
    _frame: VideoFrame
    _converter: Converter
    _orientation: Orientation = attrs.field(init=False)

    @_orientation.default
    def _find_orientation(self) -> Orientation:
        return Orientation.of(self._frame)

    @property
    def width(self) -> int:
        """In pixels, after rotation."""
        return self._orientation.size(self._frame.width, self._frame.height)[0]

    @property
    def height(self) -> int:
        """In pixels, after rotation."""
        return self._orientation.size(self._frame.width, self._frame.height)[1]

    @property
    def file(self) -> None:
        """None: all pictures are in one file."""

    def write_to(self, out: NDArray[np.uint8]) -> None:
        """Convert straight into ``out``: HxWx3, uint8, BGR, C-contiguous."""
        self._converter.convert(self._frame, self._orientation, out)


class Reading:
    """One pass over the pictures of an opened file. It remembers in ``damaged`` if part of the file was unreadable.

    A JPEG of too many scans or a picture over the limit ends it with a SourceError that calls the file ``name``.
    """

    def __init__(self, name: str, limits: SourceLimits, container: InputContainer, stream: VideoStream) -> None:
        self._name = name
        self._limits = limits
        self._container = container
        self._stream = stream
        self.damaged = False
        self.frames = self._decode()
        """Every frame that can be decoded; packets that cannot are skipped."""

    def skip_to(self, place: Place) -> VideoFrame | None:
        """Go to a place in the file and return its picture; None if the picture is not found there."""
        with contextlib.suppress(av.FFmpegError):
            self._container.seek(place.time, stream=self._stream)
            for frame in self.frames:
                number = place.numbers.get(frame.pts) if frame.pts is not None else None
                if number == place.wanted:
                    self.damaged = False  # only pictures before this one lacked their reference frames
                    return frame
                if number is None or number > place.wanted:  # the file's index is wrong
                    break
        return None

    def _decode(self) -> Iterator[VideoFrame]:
        packets = self._container.demux(self._stream)
        jpegs = self._stream.codec_context.name == JPEGS
        while True:
            try:
                packet = next(packets, None)
                if packet is None:
                    return
            except av.FFmpegError:
                self.damaged = True
                return
            if packet.is_corrupt:  # an incomplete packet would spoil pictures before it
                self.damaged = True
                continue
            if jpegs and may_have_many_scans(bytes(packet)):
                raise many_scans(f"A picture of {self._name}")
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._check_size(self._stream.codec_context)
                self.damaged = True
                continue
            for frame in frames:
                self._check_size(frame)
                self.damaged |= frame.is_corrupt
                yield frame

    def _check_size(self, sized: VideoFrame | VideoCodecContext) -> None:
        check_pixels(self._name, sized.width, sized.height, self._limits)


class VideoSource:
    """The first video track of a file, which it takes over. Pixels count as square; the file's rotation is applied."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        self.notes: list[SourceNote] = []
        self._file = file
        self._limits = limits
        with self._open() as (container, stream):
            first = next(Reading(file.name, limits, container, stream).frames, None)
            if first is None:
                raise _index_at_end(file) or no_picture(file.name)
            self._seekable = container.format.name in SEEKABLE
            rate = stream.average_rate or stream.guessed_rate
            self._first = first
            self._frame_ms = 1000 / float(rate or _NO_CLOCK_FPS)
            self._ms_per_tick = float(stream.time_base or 0) * 1000
            duration_ms = _duration_ms(container, stream)
            total = stream.frames or (round(duration_ms / self._frame_ms) if duration_ms and rate else None)
        width, height = Orientation.of(first).size(first.width, first.height)
        self.info = SourceInfo(
            kind="stream" if file.endless and total is None else "video",
            width=width,
            height=height,
            max_frame_bytes=width * height * CHANNELS,
            frames_total=total,
            fps=float(rate) if rate else None,
            duration_ms=duration_ms,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, …; the ones between are decoded but not converted.

        Raises:
            SourceTruncated: at the end, if the file ends early or packets could not be decoded.
        """
        converter = Converter()
        zero = None if self.info.kind == "stream" else self._first.pts  # the first picture of a stream is past by now
        clock = Clock(zero, self._ms_per_tick, self._frame_ms)
        wanted, at_ms = start, 0.0
        try:
            with self._reading(start) as (reading, numbered):
                for index, frame in numbered:
                    at_ms = clock.read(frame.pts)
                    if index == wanted:
                        wanted += stride
                        yield VideoPicture(index, at_ms, frame, converter)
        except SourceError as error:
            raise broken_off(error, at_ms) from error
        if reading.damaged or self._ends_early(at_ms + self._frame_ms):
            raise damaged(self._file.name, at_ms)

    @contextlib.contextmanager
    def _reading(self, start: int) -> Iterator[tuple[Reading, Iterator[tuple[int, VideoFrame]]]]:
        """Frames with their numbers, beginning at ``start`` or at 0."""
        if (place := self._place(start)) is not None:
            with self._open() as (container, stream):
                reading = Reading(self._file.name, self._limits, container, stream)
                if (first := reading.skip_to(place)) is not None:
                    yield reading, enumerate(chain([first], reading.frames), start)
                    return
        with self._open() as (container, stream):
            reading = Reading(self._file.name, self._limits, container, stream)
            yield reading, enumerate(reading.frames)

    def _place(self, start: int) -> Place | None:
        if start < SEEK_WORTH or not self._seekable:
            return None
        with self._open() as (container, stream):
            return find_place(container, stream, start)

    def _ends_early(self, end_ms: float) -> bool:
        return self.info.duration_ms is not None and end_ms < self.info.duration_ms - EARLY_END_MS

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        limit = pixel_limit(self._limits)
        with self._file.open() as readable:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": NO_PROTOCOL, **limit}
            try:
                container = av.open(readable, "r", options=options)
            except av.FFmpegError as error:
                raise _not_opened(self._file) from error
            with container:
                yield container, self._track(container, limit)

    def _track(self, container: InputContainer, limit: dict[str, str]) -> VideoStream:
        stream = film_of(
            [s for s in container.streams.video if not s.disposition & Disposition.attached_pic], self._file
        )
        if stream is None or stream.codec_context is None:
            raise SourceError(
                "unsupported", f"{self._file.name} has no video track that can be decoded; give another file."
            )
        check_pixels(self._file.name, stream.width, stream.height, self._limits)
        stream.codec_context.options = limit
        stream.thread_type = "AUTO"
        stream.thread_count = THREADS
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def film_of(tracks: Sequence[VideoStream], file: VideoFile) -> VideoStream | None:
    """The track to read: the first, but in an image file that moves the one that has most pictures."""
    return max(tracks, key=lambda track: track.frames if is_heif(file.head) else 0, default=None)


def pixel_limit(limits: SourceLimits) -> dict[str, str]:
    """FFmpeg's option for the most pixels of a picture.

    It counts whole blocks. A picture that still exceeds the limit is caught by check_pixels or scaled down.
    """
    return {"max_pixels": str(2 * limits.max_pixels)}


def check_pixels(name: str, width: int, height: int, limits: SourceLimits) -> None:
    """Raise a SourceError if pictures are too large."""
    if width * height > limits.max_pixels:
        raise SourceError(
            "too_large", f"{name} is {width}x{height}, over the limit of {limits.max_pixels} pixels; make it smaller."
        )


def no_picture(name: str) -> SourceError:
    """The error for a video of which nothing can be shown."""
    return SourceError("unreadable", f"No picture of {name} can be decoded: the file is damaged or incomplete.")


def broken_off(error: SourceError, at_ms: float) -> SourceTruncated:
    """The end of a source by an error after that time."""
    return SourceTruncated(f"{error} What could be read ends at {at_ms / 1000:.1f} s.")


def damaged(name: str, at_ms: float) -> SourceTruncated:
    """The end of a source of which a part could not be decoded."""
    return SourceTruncated(
        f"{name} is damaged or incomplete: what could be read ends at {at_ms / 1000:.1f} s."
        " Copy or download it again if you need all of it."
    )


def _duration_ms(container: InputContainer, stream: VideoStream) -> float | None:
    """The video track's own length if it is stated; the file's length only if there is no other track."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base) * 1000
    stated = re.fullmatch(r"(\d+):(\d+):(\d+\.?\d*)", stream.metadata.get("DURATION", ""))
    if stated:
        hours, minutes, seconds = stated.groups()
        return (int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 1000
    if container.duration and len(container.streams) == 1:
        return container.duration / av.time_base * 1000
    return None


def no_video(name: str) -> SourceError:
    """The error for a file of another kind."""
    return SourceError("unsupported", f"{name} is not a video or image that can be read here; convert it to MP4.")


def _not_opened(file: VideoFile) -> SourceError:
    if file.head[4:8] != _MP4_MARK:
        return no_video(file.name)
    return _index_at_end(file) or SourceError(
        "unreadable", f"{file.name} is incomplete: the index of its pictures is missing. Copy or download it again."
    )


def _index_at_end(file: VideoFile) -> SourceError | None:
    if file.head[4:8] != _MP4_MARK or not file.one_pass:
        return None
    return SourceError(
        "unreadable",
        f"{file.name} has the index of its pictures at the end, and its server gives whole files only:"
        " download it and upload it here.",
    )
