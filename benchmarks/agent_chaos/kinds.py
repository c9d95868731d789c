"""The kinds of jobs: the stateful plugins, which save their states, those without memory, and uploads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import av
import numpy as np

from benchmarks.chaos.book import Order
from benchmarks.chaos.final import DIGEST

STATEFUL = ("motion", "scenes", "tracker")
STATELESS = ("quality",)
SIZE = (96, 160)
"""Height and width in pixels."""
SCENE_FRAMES = 130


@attrs.frozen
class Kind:
    """What a job does."""

    source: str
    plugins: tuple[str, ...]
    """Beside the digest of each frame, whose label names the job's order."""
    uploaded: bool = False


CLIPS = {"short.mp4": 600, "long.mp4": 1_000}
"""File → number of frames."""
KINDS: Mapping[str, Kind] = {
    "stateful": Kind("short.mp4", STATEFUL),
    "stateless": Kind("long.mp4", STATELESS),
    "both": Kind("long.mp4", (*STATEFUL, *STATELESS)),
    "uploaded": Kind("short.mp4", STATEFUL, uploaded=True),
}


@attrs.define
class KindOrder(Order):
    """An order of one of the kinds."""

    kind: str = ""

    @property
    def request(self) -> dict[str, Any]:
        """The JSON of the request."""
        names = KINDS[self.kind].plugins
        plugins = [{"name": DIGEST, "options": {"label": self.label}}, *({"name": name} for name in names)]
        return {"plugins": plugins} if self.uploaded else {"source": self.source, "plugins": plugins}


def make_clips(folder: Path) -> None:
    """Write the clips: things that move, in scenes with cuts."""
    for name, frames in CLIPS.items():
        _make_clip(folder / name, frames)


def _make_clip(path: Path, frames: int) -> None:
    height, width = SIZE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for index in range(frames):
            picture = av.VideoFrame.from_ndarray(_picture(index, height, width), format="bgr24")
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def _picture(index: int, height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    scene = index // SCENE_FRAMES
    image = np.random.default_rng(scene).integers(0, 60, (height, width, 3), np.uint8) + np.uint8(scene % 3 * 60)
    for thing in range(2):
        top, left = thing * height // 2 + 8, index * (3 + 2 * thing) % (width - 24)
        image[top : top + 24, left : left + 24] = 255 - 90 * thing
    return image
