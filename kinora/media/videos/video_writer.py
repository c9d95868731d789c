"""Writes pictures into a video file that appears only once it is complete."""

from __future__ import annotations

import errno
import math
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinora.media.files.part_file import part_file
from kinora.media.videos.video_kinds import VideoKind, kind_of

TIME_BASE = Fraction(1, 90_000)
PIXELS = "yuv420p"
BLACK = (0, 0, 0)
MAX_DENOMINATOR = 1001
"""The largest denominator of a rate, as of 30000/1001. A slower one, as of a picture an hour, counts as 1/1001."""
LEAST_RATE = 25
"""The times a second at which a container of a fixed rate can show a picture, or more."""


class VideoWriter:
    """Encodes pictures at their own times; all get the size of the first, made even."""

    def __init__(
        self, container: OutputContainer, stream: VideoStream, kind: VideoKind, first_size: tuple[int, int]
    ) -> None:
        self._container = container
        self._stream = stream
        self._first_size = first_size
        self._time_base = stream.codec_context.time_base
        self._longest = kind.longest_s / self._time_base
        self._zero_ms = None if kind.fixed_rate else 0.0
        """Where the file's clock begins; None: at the first picture, as the time before it would be filled."""
        self._last_pts: int | None = None

    def write(self, image: NDArray[np.uint8], timestamp_ms: float) -> None:
        """Append a picture: HxWx3, uint8, BGR. Timestamps must not decrease.

        A picture of another size than the first is fitted into that, with black beside it.

        Raises:
            av.FFmpegError: FFmpeg cannot write it, or it comes too long after the one before for the kind of file.
        """
        size = (self._stream.width, self._stream.height)
        same = image.shape[1::-1] == self._first_size
        fitting = _resized(image, size) if same else _fitted(image, size)
        frame = VideoFrame.from_ndarray(fitting, format="bgr24").reformat(
            format=PIXELS, dst_colorspace=Colorspace.ITU601, dst_color_range=ColorRange.MPEG
        )
        frame.pts, frame.time_base = self._next_pts(timestamp_ms), self._time_base
        self._container.mux(self._stream.encode(frame))

    def _next_pts(self, timestamp_ms: float) -> int:
        if self._zero_ms is None:
            self._zero_ms = timestamp_ms
        pts, last = round((timestamp_ms - self._zero_ms) / 1000 / self._time_base), self._last_pts
        if last is not None:
            pts = max(last + 1, pts)
            if pts - last >= self._longest:
                raise av.ArgumentError(errno.EINVAL, "pictures too far apart")
        self._last_pts = pts
        return pts

    def finish(self) -> None:
        """Write out the pictures that the encoder still holds."""
        self._container.mux(self._stream.encode(None))


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if image.shape[1::-1] == size:
        return image
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _fitted(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The picture in its own proportions, as large as fits into this width and height, in the middle."""
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    small = _resized(image, (max(1, round(width * scale)), max(1, round(height * scale))))
    beside, above = size[0] - small.shape[1], size[1] - small.shape[0]
    margins = (above // 2, above - above // 2, beside // 2, beside - beside // 2)
    return np.asarray(cv2.copyMakeBorder(small, *margins, cv2.BORDER_CONSTANT, value=BLACK), np.uint8)


@contextmanager
def open_writer(path: Path, *, width: int, height: int, fps: float, threads: int = 0) -> Iterator[VideoWriter]:
    """A writer for pictures of about this size; ``path`` is made, or replaced, when the block ends without an error.

    The suffix of ``path`` names the kind of file. ``threads`` are the encoder's; 0 lets it choose, 1 gives the same
    bytes on every machine.

    Raises:
        ValueError: no such kind of file is written; :func:`~kinora.media.videos.video_kinds.kind_of` tells before.
        OSError: the file cannot be written.
    """
    kind = kind_of(path)
    if kind is None:
        raise ValueError(f"no video file ends in {path.suffix}")
    codec = next(name for name in kind.codecs if name in av.codecs_available)
    rate = max(Fraction(1, MAX_DENOMINATOR), Fraction(fps).limit_denominator(MAX_DENOMINATOR))
    with (
        part_file(path) as part,
        _errors_of_disk(path),
        av.open(str(part), "w", format=kind.container, options=dict(kind.options)) as container,
    ):
        stream = cast(VideoStream, container.add_stream(codec, rate=rate, options=dict(kind.codecs[codec])))
        stream.width, stream.height = max(2, width & ~1), max(2, height & ~1)  # two by two pixels share a colour
        stream.pix_fmt = PIXELS
        _name_colors(stream)
        stream.codec_context.time_base = 1 / _fine(rate) if kind.fixed_rate else TIME_BASE
        stream.thread_count = threads
        writer = VideoWriter(container, stream, kind, (width, height))
        yield writer
        writer.finish()


def _name_colors(stream: VideoStream) -> None:
    """Have the file say how its colours are stored: players guess otherwise, and guess wrong for large pictures."""
    context = stream.codec_context
    context.colorspace, context.color_range = Colorspace.ITU601, ColorRange.MPEG
    context.color_primaries, context.color_trc = ColorPrimaries.BT709, ColorTrc.IEC61966_2_1


def _fine(rate: Fraction) -> Fraction:
    """A multiple of a rate that is no lower than ``LEAST_RATE``: pictures may be unevenly far apart."""
    return rate * max(1, math.ceil(LEAST_RATE / rate))


@contextmanager
def _errors_of_disk(path: Path) -> Iterator[None]:
    """Turn what FFmpeg finds impossible, such as a gap of a day in an MP4, into an error of writing the file."""
    try:
        yield
    except av.FFmpegError as error:
        if isinstance(error, OSError):
            raise
        reason = f"FFmpeg cannot write these pictures and times into {path.suffix or 'an MP4'}; try .mkv"
        raise OSError(errno.EINVAL, reason) from error
