"""Writes a video of a source with the plugins' detections drawn in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing.lettering import take_undrawn
from kinora.media.drawing.overlay import draw
from kinora.media.images.pixels import pixels_of
from kinora.media.messages import Skeletons
from kinora.media.sources import Found, Source, SourceLimits, SourceTruncated, open_again
from kinora.media.videos.video_writer import open_writer

DEFAULT_FPS = 25.0
"""The nominal rate for sources without a clock; the frames' own timestamps decide when each is shown."""


def annotate(
    location: str,
    frames: Iterable[Mapping[str, Any]],
    out: Path,
    *,
    limits: SourceLimits,
    skeletons: Skeletons | None = None,
    progress: Callable[[int], object] = lambda _: None,
    note: Callable[[str], object] = lambda _: None,
    found: Found = lambda _: None,
) -> int:
    """Draw each frame's results into its picture and write them as the video ``out``, at the source's timing.

    The suffix of ``out`` names the kind of file. ``frames`` are FrameData as mappings, in the order of their indexes;
    pictures without one are left out. ``progress`` is called with the number of pictures written so far, ``note`` at
    the end with a sentence if not all have the size of the first, and with one if letters could not be drawn. Returns
    the number written in all; if it is 0, ``out`` is not touched. ``out`` is made, or replaced, only when it is
    complete.

    Raises:
        SourceError: the source cannot be opened.
        OSError: ``out`` cannot be written.
    """
    with open_again(location, limits=limits, found=found) as source:
        take_undrawn()  # what earlier pictures lacked is not about this video
        pairs = _pair(source, iter(frames))
        first = next(pairs, None)
        if first is None:
            return 0
        fps = source.info.fps or DEFAULT_FPS
        with open_writer(out, width=first[0].shape[1], height=first[0].shape[0], fps=fps) as writer:
            written = fitted = 0
            for image, frame in chain((first,), pairs):
                fitted += image.shape != first[0].shape
                draw(image, frame["results"], skeletons)
                writer.write(image, frame["timestamp_ms"])
                written += 1
                progress(written)
        if fitted:
            size = f"{first[0].shape[1]}x{first[0].shape[0]}"
            note(f"{fitted} of {written} pictures have another size than the first: they are fitted into {size}.")
        if lacking := take_undrawn():
            note(f"No font here has {lacking}, so boxes stand for them: install one, such as fonts-noto-cjk.")
    return written


def read_frames(path: Path) -> Iterator[dict[str, Any]]:
    """The FrameData in a file, one per line."""
    with path.open("rb") as lines:
        for line in lines:
            yield msgspec.json.decode(line)


def _pair(source: Source, frames: Iterator[Mapping[str, Any]]) -> Iterator[tuple[NDArray[np.uint8], Mapping[str, Any]]]:
    wanted = next(frames, None)
    with contextlib.suppress(SourceTruncated):  # reported when the frames were made
        for picture in source.frames(wanted["index"] if wanted else 0):
            while wanted and wanted["index"] < picture.index:
                wanted = next(frames, None)
            if wanted is None:
                return
            if wanted["index"] == picture.index:
                yield pixels_of(picture), wanted
