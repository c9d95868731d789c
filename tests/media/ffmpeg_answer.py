"""FFmpeg's own answer to what is in a video: its count of pictures, their times, sizes and colours."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import cast

import attrs
import av
import numpy as np
from av.buffer import Buffer
from av.container import InputContainer
from av.filter import Graph
from av.format import Flags
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.media.videos import Image

NO_CLOCK_FPS = 25
DEFAULT_WORTH = 5_000_000
"""The pixels that the mark of a default track counts as, when ``ffmpeg`` chooses a track by itself."""
FILTERS = {
    (1, 0, 0, 1): [],
    (-1, 0, 0, 1): ["hflip"],
    (1, 0, 0, -1): ["vflip"],
    (-1, 0, 0, -1): ["hflip", "vflip"],
    (0, 1, 1, 0): ["transpose=cclock_flip"],
    (0, 1, -1, 0): ["transpose=clock"],
    (0, -1, 1, 0): ["transpose=cclock"],
    (0, -1, -1, 0): ["transpose=clock_flip"],
}
"""The signs of a display matrix's four numbers → the filters that ``ffmpeg`` puts in by itself."""


@attrs.frozen
class Shown:
    """One picture."""

    at_ms: float
    size: tuple[int, int]
    colours: tuple[float, ...]
    """The mean blue, green and red of each quarter."""


def shown(at_ms: float, image: Image) -> Shown:
    """A picture's facts."""
    height, width = image.shape[:2]
    halves = [slice(0, (height + 1) // 2), slice(height // 2, height)]
    sides = [slice(0, (width + 1) // 2), slice(width // 2, width)]
    means = [image[rows, columns].mean(axis=(0, 1)) for rows in halves for columns in sides]
    return Shown(at_ms, (width, height), tuple(float(mean) for quarter in means for mean in quarter))


def by_libraries(path: Path) -> list[Shown]:
    """All pictures, decoded and set upright by FFmpeg's libraries."""
    with av.open(str(path)) as container:
        track = _track(container)
        frames = list(_decode(container, track))
        fps = track.average_rate or track.guessed_rate or Fraction(NO_CLOCK_FPS)
        zero = frames[0].pts if frames else None
        tick = track.time_base or Fraction(1)
        untimed = bool(container.format.flags & cast(int, Flags.no_timestamps.value))
        return [
            shown(
                float(1000 * number / fps)
                if untimed or frame.pts is None or zero is None
                else float(1000 * (frame.pts - zero) * tick),
                upright(frame),
            )
            for number, frame in enumerate(frames)
        ]


def by_command(path: Path, ffmpeg: str) -> list[tuple[float, tuple[int, int]]]:
    """Time and size of all pictures, by the command ``ffmpeg``; the size is that of the first."""
    command = [ffmpeg, "-hide_banner", "-loglevel", "error", "-i", str(path), "-an", "-sn", "-dn"]
    command += ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-f", "framecrc", "-"]
    told = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout.splitlines()
    tick, size, stamps = Fraction(0), (0, 0), []
    for line in told:
        if line.startswith("#tb 0:"):
            tick = Fraction(line.split(":")[1].strip())
        elif line.startswith("#dimensions 0:"):
            width, height = line.split(":")[1].split("x")
            size = (int(width), int(height))
        elif not line.startswith("#"):
            stamps.append(int(line.split(",")[2]))
    return [(float(1000 * (stamp - stamps[0]) * tick), size) for stamp in stamps]


def upright(frame: VideoFrame) -> Image:
    """The pixels of a frame as FFmpeg's filters set it upright."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return pixels(frame)
    a, b, _, c, d = struct.unpack("=9i", bytes(cast(Buffer, data)))[:5]
    return filtered(pixels(frame), FILTERS[_sign(a), _sign(b), _sign(c), _sign(d)])


def filtered(image: Image, filters: list[str]) -> Image:
    """The picture after filters of FFmpeg."""
    graph = Graph()
    frame = VideoFrame.from_ndarray(image, format="bgr24")
    nodes = [graph.add_buffer(width=frame.width, height=frame.height, format=frame.format, time_base=Fraction(1))]
    nodes += [graph.add(*text.split("=", 1)) for text in [*filters, "format=bgr24", "buffersink"]]
    for one, following in pairwise(nodes):
        one.link_to(following)
    graph.configure()
    graph.push(frame)
    pulled = graph.pull()
    assert isinstance(pulled, VideoFrame)
    return pixels(pulled)


def pixels(frame: VideoFrame) -> Image:
    """As swscale makes them."""
    return np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)


def _track(container: InputContainer) -> VideoStream:
    def worth(track: VideoStream) -> int:
        cover = track.disposition & Disposition.attached_pic
        default = bool(track.disposition & Disposition.default)
        return 1 if cover else track.width * track.height + DEFAULT_WORTH * default

    return max(container.streams.video, key=worth)


def _decode(container: InputContainer, track: VideoStream) -> Iterator[VideoFrame]:
    for packet in container.demux(track):
        try:
            yield from packet.decode()
        except av.FFmpegError:
            continue


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
