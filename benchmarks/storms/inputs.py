"""What the storms send: videos, requests and forms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import av
import numpy as np

BOUNDARY = "storm"
FORM = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
LARGE = 7000
"""The width and height of a picture of 49 megapixels, just within the limit of 50."""


def flat_clip(path: Path, frames: int, size: int) -> None:
    """Make a grey h264 video of ``size`` x ``size``, small in bytes however large its pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = size, size, "yuv420p"
        picture = av.VideoFrame.from_ndarray(np.full((size, size), 128, np.uint8), format="gray")
        for _ in range(frames):
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))


def job(source: str, *plugins: str | dict[str, Any]) -> bytes:
    """The body of a job."""
    named = [{"name": plugin} if isinstance(plugin, str) else plugin for plugin in plugins]
    return json.dumps({"source": source, "plugins": named}, separators=(",", ":")).encode()


def with_options(plugin: str, options: dict[str, Any]) -> bytes:
    """The body of a job with one plugin and its options."""
    return job("clip.mp4", {"name": plugin, "options": options})


def hostile_options() -> list[bytes]:
    """Jobs whose options take long to check."""
    return [
        with_options("tracker", {"classes": [{"x": number} for number in range(1_500)]}),
        with_options("tracker", {"classes": [{"x": number} for number in range(3_000)]}),
        with_options("motion", {f"k{number:05}": 0 for number in range(80_000)}),
        with_options("storm-backtracking", {"word": "a" * 28 + "!"}),
    ]


def form(video: bytes, plugin: str) -> bytes:
    """The body of an upload."""
    request = json.dumps({"plugins": [{"name": plugin}]})
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="request"\r\n\r\n{request}\r\n'
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'
    ).encode() + b"%b\r\n--%b--\r\n" % (video, BOUNDARY.encode())
