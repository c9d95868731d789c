"""Writes pictures into an MP4 file that appears only once it is complete."""

from __future__ import annotations

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
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinora.media.part_file import part_file

TIME_BASE = Fraction(1, 90_000)
CODECS = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"q": "4"}}
"""The first that FFmpeg was built with is taken."""
_TICKS_PER_MS = TIME_BASE.denominator / 1000


class VideoWriter:
    """Encodes pictures at their own times; all get the size of the first, made even."""

    def __init__(self, container: OutputContainer, stream: VideoStream) -> None:
        self._container = container
        self._stream = stream
        self._last_pts = -1

    def write(self, image: NDArray[np.uint8], timestamp_ms: float) -> None:
        """Append a picture: HxWx3, uint8, BGR. Timestamps must not decrease."""
        size = (self._stream.width, self._stream.height)
        if image.shape[1::-1] != size:
            image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        frame = VideoFrame.from_ndarray(image, format="bgr24")
        frame.pts = self._last_pts = max(self._last_pts + 1, round(timestamp_ms * _TICKS_PER_MS))
        frame.time_base = TIME_BASE
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write out the pictures that the encoder still holds."""
        self._container.mux(self._stream.encode(None))


@contextmanager
def open_writer(path: Path, *, width: int, height: int, fps: float, threads: int = 0) -> Iterator[VideoWriter]:
    """A writer for pictures of about this size; ``path`` is made, or replaced, when the block ends without an error.

    ``threads`` are the encoder's; 0 lets it choose, 1 gives the same bytes on every machine.

    Raises:
        OSError: the file cannot be written.
    """
    codec = next(name for name in CODECS if name in av.codecs_available)
    with (
        part_file(path) as part,
        av.open(str(part), "w", format="mp4", options={"movflags": "faststart"}) as container,
    ):
        rate = Fraction(fps).limit_denominator(1001)
        stream = cast(VideoStream, container.add_stream(codec, rate=rate, options=CODECS[codec]))
        stream.width, stream.height = max(2, width & ~1), max(2, height & ~1)  # two by two pixels share a colour
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = TIME_BASE
        stream.thread_count = threads
        writer = VideoWriter(container, stream)
        yield writer
        writer.finish()
