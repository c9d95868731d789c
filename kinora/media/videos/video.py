"""Video files as sources, read by FFmpeg."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from io import BufferedReader
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
from av.container import InputContainer
from av.format import Flags
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from kinora.media.arrival import clock_s
from kinora.media.camera_errors import CameraLost, stream_ended
from kinora.media.packets.packet_keeper import PacketKeeper
from kinora.media.packets.raw_packets import kept_codec
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote, changes_size
from kinora.media.videos.clock import Clock
from kinora.media.videos.cut_clip import Cut, cut_clip
from kinora.media.videos.key_frames import find_key_frames
from kinora.media.videos.mp4_outline import FEW_BOXES, MAX_BOXES, Mp4Outline
from kinora.media.videos.orientation import Orientation
from kinora.media.videos.seeking import SEEKABLE, Place, find_place
from kinora.media.videos.tracks import main_track, real_tracks
from kinora.media.videos.video_errors import (
    begins_late,
    broken_off,
    check_pixels,
    damaged,
    index_at_end,
    joined_bytes,
    no_picture,
    no_track,
    not_opened,
    other_tracks,
    pixel_limit,
)
from kinora.media.videos.video_file import VideoFile
from kinora.media.videos.video_length import COUNT_BYTES, MP4, VideoLength, count_pictures
from kinora.media.videos.video_picture import Converter, VideoPicture
from kinora.media.videos.video_reading import Reading

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
_NO_CLOCK_FPS = 25.0


class VideoSource:
    """The main video track of a file, which it takes over. Pixels count as square; the file's rotation is applied."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        self.notes: list[SourceNote] = []
        self._changed = False
        self._file = file
        self._limits = limits
        self._begun: tuple[Reading, contextlib.ExitStack] | None = None
        """A live stream, read so far as its first picture: it is connected to once."""
        with contextlib.ExitStack() as opened:
            container, stream = opened.enter_context(self._open())
            codec = kept_codec(stream) if file.endless else None
            self.keeper = None if codec is None else PacketKeeper(codec)
            """Gets the packets of a live stream; None if it is none, or of a codec that is not kept."""
            reading = Reading(file.name, limits, container, stream, self.keeper)
            first = next(reading.frames, None)
            if first is None:
                raise index_at_end(file) or no_picture(file.name)
            # The numbers of packets and of pictures differ where pictures are left out.
            self._seekable = container.format.name in SEEKABLE and not reading.left_out
            self._may_jump = has_flag(container, Flags.ts_discont)
            self._timed = not has_flag(container, Flags.no_timestamps)
            rate = frame_rate(stream)
            self._first = first
            self._frame_ms = 1000 / float(rate or _NO_CLOCK_FPS)
            self._ms_per_tick = float(stream.time_base or 0) * 1000
            self._length = VideoLength.of(container, stream, first, reading.first_dts, endless=file.endless)
            self._outline = self._outlined(container)
            self._note_films()
            self._note_tracks(container, stream)
            if reading.left_out:
                self._note(begins_late(file.name, reading.left_out))
            total = self._count(reading.left_out, has_rate=rate is not None)
            if file.endless and total is None:
                self._begun = reading, opened.pop_all()
        width, height = Orientation.of(first).size(first.width, first.height)
        self.info = SourceInfo(
            kind="video" if self._begun is None else "stream",
            width=width,
            height=height,
            max_frame_bytes=width * height * CHANNELS,
            frames_total=total,
            fps=float(rate) if rate else None,
            duration_ms=self._length.duration_ms,
        )

    def frames(self, start: int = 0, stride: int = 1, stop: int | None = None) -> Iterator[VideoPicture]:
        """Pictures ``start``, ``start + stride``, … before ``stop``; the ones between are decoded but not converted.

        Raises:
            SourceTruncated: at the end, if the file ends early or packets could not be decoded.
        """
        converter = Converter()
        is_live = self.info.kind == "stream"
        # The first picture of a stream is past by now.
        zero = None if is_live else self._first.pts
        clock = Clock(zero, self._ms_per_tick, self._frame_ms, may_jump=self._may_jump)
        wanted, at_ms, end_ms = start, 0.0, 0.0
        try:
            with self._reading(start) as (reading, numbered):
                for index, frame in numbered:
                    now_s = clock_s() if is_live else None
                    at_ms = clock.read(frame.pts if self._timed else None, frame.dts, now_s=now_s)
                    end_ms = at_ms + (frame.duration * self._ms_per_tick or self._frame_ms)
                    if index == wanted:
                        wanted += stride
                        came_s = reading.arrivals.take(frame.pts) if is_live else None
                        picture = VideoPicture(index, at_ms, frame, converter, came_s)
                        self._note_size(picture)
                        yield picture
                        if stop is not None and wanted >= stop:
                            break
        except SourceError as error:
            raise (CameraLost.by(error) if is_live else broken_off(error, at_ms)) from error
        if is_live:
            raise stream_ended(self._file.name)
        if reading.damaged or ((stop is None or wanted < stop) and self._ends_early(clock, end_ms, reading.last_dts)):
            raise damaged(self._file.name, at_ms)

    def _ends_early(self, clock: Clock, end_ms: float, last_dts: int | None) -> bool:
        """True if a file that was read to its end should have more."""
        if self._outline.is_cut and self._length.pictures is None:
            return True
        return not clock.was_set_anew and self._length.ends_early(end_ms, last_dts)

    def key_frames(self) -> list[int]:
        """The pictures at which reading may begin without decoding others; empty if the video is not to be cut.

        They are known without reading the file only if it has an index of all its packets.
        """
        if not self._seekable or self.info.kind != "video" or self._outline.films > 1:
            return []
        with self._open() as (container, stream):
            return find_key_frames(container, stream, self.info.frames_total, self._file.size)

    def cut(self, start_ms: float, end_ms: float, out: Path) -> Cut:
        """Write the part between two times of its pictures into the MP4 ``out``, without decoding it.

        Raises:
            SourceError: it is live, has no such part, or one that cannot be in an MP4.
            OSError: the file cannot be written.
        """
        if self.info.kind != "video":
            raise SourceError("unsupported", f"{self._file.name} is live: no clip can be cut of what is past.")
        with self._open() as (container, stream):
            first = self._first.pts or 0
            return cut_clip(container, stream, out, first_pts=first, start_ms=start_ms, end_ms=end_ms)

    @contextlib.contextmanager
    def _reading(self, start: int) -> Iterator[tuple[Reading, Iterator[tuple[int, VideoFrame]]]]:
        """Frames with their numbers, beginning at ``start`` or at 0. Those of a live stream are counted from now on."""
        begun, self._begun = self._begun, None
        if begun is not None:
            reading, opened = begun
            with opened:
                yield reading, enumerate(reading.frames)
            return
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
        if self._file.fd is not None and self._file.size is not None and self._file.size <= COUNT_BYTES:
            with self._open() as (container, stream):
                counted = count_pictures(container, stream)
            return counted and counted - left_out
        duration_ms = self._length.duration_ms
        return round(duration_ms / self._frame_ms) if duration_ms and has_rate else None

    def _note(self, note: SourceNote) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def _outlined(self, container: InputContainer) -> Mp4Outline:
        if container.format.name != MP4 or self._file.size is None:
            return Mp4Outline(films=1, is_cut=False)
        with BufferedReader(self._file.open()) as opened:
            return Mp4Outline.of(opened, self._file.size, MAX_BOXES if self._file.fd is not None else FEW_BOXES)

    def _note_films(self) -> None:
        """Have the user told of films behind the one whose index is read; fragments behind it are read too."""
        if self._outline.films > 1 and self._length.pictures is not None:
            self._note(joined_bytes(self._file.name, self._outline.films))

    def _note_tracks(self, container: InputContainer, stream: VideoStream) -> None:
        tracks = real_tracks(container.streams.video)
        if len(tracks) > 1:
            self._note(other_tracks(self._file.name, stream, len(tracks)))

    def _note_size(self, picture: VideoPicture) -> None:
        first, now = (self.info.width, self.info.height), (picture.width, picture.height)
        if now != first and not self._changed:
            self._changed = True
            self._note(changes_size(self._file.name, first, now, film=True))

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[InputContainer, VideoStream]]:
        limit = pixel_limit(self._limits)
        with self._file.open() as readable:
            options = {"format_whitelist": FORMATS, "protocol_whitelist": NO_PROTOCOL, **limit}
            try:
                # Titles and the like are not looked at, and need not be in UTF-8.
                container = av.open(readable, "r", options=options, metadata_errors="replace")
            except av.FFmpegError as error:
                raise not_opened(self._file) from error
            with container:
                yield container, self._track(container, limit)

    def _track(self, container: InputContainer, limit: dict[str, str]) -> VideoStream:
        stream = main_track(container.streams.video)
        if stream is None:
            raise no_track(self._file.name, container)
        check_pixels(self._file.name, stream.width, stream.height, self._limits)
        stream.codec_context.options = limit
        # Threads that decode several pictures at once would each hold one back.
        stream.thread_type = "SLICE" if self._file.endless else "AUTO"
        stream.thread_count = THREADS
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._begun is not None:
            self._begun[1].close()
        self._file.close()


def frame_rate(stream: VideoStream) -> Fraction | None:
    """Frames a second, as far as anything tells: the mean, unless that counts ticks of a clock instead of pictures."""
    known = [stream.average_rate, stream.guessed_rate]
    if stream.average_rate is None:
        known.append(stream.codec_context.framerate)
    return min(filter(None, known), default=None)


def has_flag(container: InputContainer, flag: Flags) -> bool:
    """True if FFmpeg has marked the kind of container so."""
    return bool(container.format.flags & cast(int, flag.value))
