"""Video files as sources, read by FFmpeg."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from types import TracebackType
from typing import Self, cast

import attrs
import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinora.media.broken_streams import Beginning, JoinedPieces
from kinora.media.clock import Clock
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
from kinora.media.tracks import can_be_decoded, main_track, real_tracks
from kinora.media.video_file import VideoFile
from kinora.media.video_length import COUNT_BYTES, VideoLength, count_pictures

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
TS = "mpegts"
UNTIMED = frozenset({"avi", "mxf"})
"""Containers in which pictures are stored at their times, one after the other, but have none of their own."""
MAX_STORED = 64
"""The most packets that a decoder holds back before their pictures come; beyond it the oldest are forgotten."""
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

    A JPEG of too many scans, a picture over the limit or an encrypted one ends it with a SourceError that calls the
    file ``name``.
    """

    def __init__(self, name: str, limits: SourceLimits, container: InputContainer, stream: VideoStream) -> None:
        self._name = name
        self._limits = limits
        self._container = container
        self._stream = stream
        self._jpegs = stream.codec_context.name == JPEGS
        self._joins = JoinedPieces(stream) if container.format.name == TS else None
        self._beginning: Beginning | None = Beginning()
        self._stored = deque[int](maxlen=MAX_STORED) if container.format.name in UNTIMED else None
        self.damaged = False
        self.left_out = 0
        """The pictures at the beginning that cannot be decoded, once there is a frame: they refer to earlier ones."""
        self.first_dts: int | None = None
        """Where the first packet is stored, in ticks of the stream."""
        self.last_dts: int | None = None
        """Where the packet that was read last is stored, in ticks of the stream."""
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
        for packet in self._packets():
            for frame in self._decode_packet(packet):
                self._check_size(frame)
                if self._stored:
                    frame.pts = self._stored.popleft()
                self.damaged |= frame.is_corrupt
                if self._beginning is not None:
                    self.left_out, self._beginning = self._beginning.left_out(frame), None
                yield frame
        if self._joins is not None:
            self.damaged |= self._joins.lost

    def _packets(self) -> Iterator[Packet[VideoStream]]:
        """Every packet that is worth decoding, and an empty one at the end."""
        try:
            for packet in self._container.demux(self._stream):
                if self._is_whole(packet):
                    self._check(packet)
                    yield packet
        except av.FFmpegError:
            self.damaged = True
            yield _end_mark(self._stream)

    def _is_whole(self, packet: Packet[VideoStream]) -> bool:
        """False for an incomplete packet, which would spoil pictures before it."""
        if packet.dts is not None:
            self.first_dts, self.last_dts = packet.dts if self.first_dts is None else self.first_dts, packet.dts
        if self._joins is not None:
            self._joins.add(packet)
            return True
        self.damaged |= packet.is_corrupt
        return not packet.is_corrupt

    def _check(self, packet: Packet[VideoStream]) -> None:
        if packet.has_sidedata("encryption_info"):
            raise encrypted(self._name)
        if self._jpegs and may_have_many_scans(bytes(packet)):
            raise many_scans(f"A picture of {self._name}")
        if self._beginning is not None:
            self._beginning.add(packet)

    def _decode_packet(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        if self._stored is not None and packet.size and packet.dts is not None:
            self._stored.append(packet.dts)
        try:
            return packet.decode()
        except av.FFmpegError:
            if self._stored:
                self._stored.pop()
            self._check_size(self._stream.codec_context)
            self.damaged |= self._beginning is None or self._beginning.at_key
            return []

    def _check_size(self, sized: VideoFrame | VideoCodecContext) -> None:
        check_pixels(self._name, sized.width, sized.height, self._limits)


class VideoSource:
    """The main video track of a file, which it takes over. Pixels count as square; the file's rotation is applied."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        self.notes: list[SourceNote] = []
        self._changed = False
        self._file = file
        self._limits = limits
        with self._open() as (container, stream):
            reading = Reading(file.name, limits, container, stream)
            first = next(reading.frames, None)
            if first is None:
                raise _index_at_end(file) or no_picture(file.name)
            # The numbers of packets and of pictures differ where pictures are left out.
            self._seekable = container.format.name in SEEKABLE and not reading.left_out
            self._may_jump = has_flag(container, Flags.ts_discont)
            self._timed = not has_flag(container, Flags.no_timestamps)
            rate = frame_rate(stream)
            self._first = first
            self._frame_ms = 1000 / float(rate or _NO_CLOCK_FPS)
            self._ms_per_tick = float(stream.time_base or 0) * 1000
            self._length = VideoLength.of(container, stream, first, reading.first_dts)
            self._note_tracks(container, stream)
        if reading.left_out:
            self._note(begins_late(file.name, reading.left_out))
        total = self._count(reading.left_out, has_rate=rate is not None)
        width, height = Orientation.of(first).size(first.width, first.height)
        self.info = SourceInfo(
            kind="stream" if file.endless and total is None else "video",
            width=width,
            height=height,
            max_frame_bytes=width * height * CHANNELS,
            frames_total=total,
            fps=float(rate) if rate else None,
            duration_ms=self._length.duration_ms,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, …; the ones between are decoded but not converted.

        Raises:
            SourceTruncated: at the end, if the file ends early or packets could not be decoded.
        """
        converter = Converter()
        # The first picture of a stream is past by now.
        zero = None if self.info.kind == "stream" else self._first.pts
        clock = Clock(zero, self._ms_per_tick, self._frame_ms, may_jump=self._may_jump)
        wanted, at_ms, end_ms = start, 0.0, 0.0
        try:
            with self._reading(start) as (reading, numbered):
                for index, frame in numbered:
                    at_ms = clock.read(frame.pts if self._timed else None, frame.dts)
                    end_ms = at_ms + (frame.duration * self._ms_per_tick or self._frame_ms)
                    if index == wanted:
                        wanted += stride
                        picture = VideoPicture(index, at_ms, frame, converter)
                        self._note_size(picture)
                        yield picture
        except SourceError as error:
            raise broken_off(error, at_ms) from error
        if reading.damaged or self._length.ends_early(end_ms, reading.last_dts):
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

    def _count(self, left_out: int, *, has_rate: bool) -> int | None:
        """The number of pictures: exact by an index or for a small file, else estimated; None if nothing tells."""
        if self._length.pictures is not None:
            return self._length.pictures - left_out
        if self._file.size is not None and self._file.size <= COUNT_BYTES:
            with self._open() as (container, stream):
                counted = count_pictures(container, stream)
            return counted and counted - left_out
        duration_ms = self._length.duration_ms
        return round(duration_ms / self._frame_ms) if duration_ms and has_rate else None

    def _note(self, note: SourceNote) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _note_tracks(self, container: InputContainer, stream: VideoStream) -> None:
        tracks = real_tracks(container.streams.video)
        if len(tracks) > 1:
            self._note(other_tracks(self._file.name, stream, len(tracks)))

    def _note_size(self, picture: VideoPicture) -> None:
        if (picture.width, picture.height) != (self.info.width, self.info.height) and not self._changed:
            self._changed = True
            self._note(changes_size(self._file.name, self.info, picture))

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        limit = pixel_limit(self._limits)
        with self._file.open() as readable:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": NO_PROTOCOL, **limit}
            try:
                # Titles and the like are not looked at, and need not be in UTF-8.
                container = av.open(readable, "r", options=options, metadata_errors="replace")
            except av.FFmpegError as error:
                raise _not_opened(self._file) from error
            with container:
                yield container, self._track(container, limit)

    def _track(self, container: InputContainer, limit: dict[str, str]) -> VideoStream:
        stream = main_track(container.streams.video)
        if stream is None:
            raise no_track(self._file.name, container)
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


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second, as far as anything tells: the mean, unless that counts ticks of a clock instead of pictures."""
    known = [stream.average_rate, stream.guessed_rate]
    if stream.average_rate is None:
        known.append(stream.codec_context.framerate)
    return min(filter(None, known), default=None)


def has_flag(container: InputContainer, flag: Flags) -> bool:
    """True if FFmpeg has marked the kind of container so."""
    return bool(container.format.flags & cast(int, flag.value))


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


def encrypted(name: str) -> SourceError:
    """The error for a video under copy protection."""
    return SourceError("unsupported", f"{name} is encrypted, as protected films are; give a copy without protection.")


def no_track(name: str, container: InputContainer) -> SourceError:
    """The error for a file without a track that can be read; it says what the file holds instead."""
    if any(not can_be_decoded(track) for track in container.streams.video):
        reason = "its video has a format that is unknown here; convert it to H.264"
    elif container.streams.video:
        reason = "only a cover picture; give another file"
    elif container.streams.audio:
        reason = "only sound; give another file"
    else:
        reason = "nothing to decode; give another file"
    return SourceError("unsupported", f"{name} has no video track that can be decoded: {reason}.")


def begins_late(name: str, left_out: int) -> SourceNote:
    """The note on a file that begins between two key frames, as what is cut out of a longer one may."""
    pictures = "its first picture refers" if left_out == 1 else f"its first {left_out} pictures refer"
    return SourceNote(f"{name} begins between key frames: {pictures} to earlier ones and cannot be decoded.", "low")


def other_tracks(name: str, taken: VideoStream, tracks: int) -> SourceNote:
    """The note on a file of several videos."""
    return SourceNote(
        f"{name} has {tracks} video tracks: only track {taken.index}, of {taken.width}x{taken.height}, is read.", "low"
    )


def changes_size(name: str, info: SourceInfo, picture: VideoPicture) -> SourceNote:
    """The note on a stream whose pictures are not all of one size."""
    return SourceNote(
        f"{name} changes its size from {info.width}x{info.height} to {picture.width}x{picture.height}: each frame has"
        " its own, and an annotated video fits all into the first.",
        "low",
        "SOURCE_RESIZED",
    )


def no_video(name: str) -> SourceError:
    """The error for a file of another kind."""
    return SourceError("unsupported", f"{name} is not a video or image that can be read here; convert it to MP4.")


def _end_mark(stream: VideoStream) -> Packet[VideoStream]:
    packet = cast("Packet[VideoStream]", Packet())
    packet.stream = stream
    return packet


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
