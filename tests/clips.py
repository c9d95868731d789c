"""Small videos made on the spot, for tests that need no real footage."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

PEOPLE = Path(__file__).parents[1] / "../shared/data/people.mp4"
"""Real footage, where it is at hand."""


def make_clip(path: Path, *, frames: int = 30, width: int = 160, height: int = 120, fps: int = 10) -> Path:
    """A light square that moves over a dark ground; the suffix of the path chooses the container."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.time_base = Fraction(1, fps)
        for index in range(frames):
            image = np.full((height, width, 3), 40, np.uint8)
            left = index * 4 % (width - 40)
            image[40:80, left : left + 40] = 220
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path
