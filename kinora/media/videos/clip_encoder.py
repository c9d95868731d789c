"""Encodes a clip, whose pictures were copied, as H.264, which browsers play."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from math import sqrt
from pathlib import Path

from kinora.media.images.pixels import pixels_of
from kinora.media.source_types import Source, SourceError, SourceTruncated
from kinora.media.videos.video_writer import open_writer

PICTURE_PIXELS = 1920 * 1080
"""The most pixels of a picture; larger ones are made smaller."""
CLIP_PIXELS = 1_500_000_000
"""The most pixels of all pictures together, as of 24 s of 1920x1080 or 54 s of 1280x720 at 30 pictures a second. Those
of a longer clip are made smaller."""
THREADS = 2
"""The encoder's threads: each takes memory, and other work goes first."""
USUAL_FPS = 25.0
"""The nominal rate of a clip of one picture; the pictures' own times decide when each is shown."""


def encode_clip(source: Source, out: Path, *, progress: Callable[[int], object] = lambda _: None) -> None:
    """Write the pictures of a video at their times into the MP4 ``out``. Those that are damaged are left out.

    ``progress`` is called with the number of pictures written so far.

    Raises:
        SourceError: none of its pictures can be decoded.
        OSError: the file cannot be written.
    """
    info = source.info
    width, height = encoded_size(info.width, info.height, info.frames_total or 1)
    with open_writer(out, width=width, height=height, fps=info.fps or USUAL_FPS, threads=THREADS) as writer:
        written = 0
        with suppress(SourceTruncated):  # what the source sent was damaged, which its job has told
            for picture in source.frames():
                writer.write(pixels_of(picture), picture.timestamp_ms)
                written += 1
                progress(written)
        if not written:
            raise SourceError("unreadable", "None of its pictures can be decoded.")


def encoded_size(width: int, height: int, pictures: int) -> tuple[int, int]:
    """The size of a clip's pictures so that all of them are within the bounds, in the same proportions."""
    most = min(PICTURE_PIXELS, CLIP_PIXELS / pictures)
    scale = min(1.0, sqrt(most / (width * height)))
    return max(2, int(width * scale)), max(2, int(height * scale))
