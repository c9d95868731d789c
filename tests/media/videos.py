"""Videos and images in which every picture shows its number, for tests of the sources."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from kinora.media.sources import Source, SourceTruncated

BITS = 8
Image = NDArray[np.uint8]


def numbered(number: int, width: int = 160, height: int = 120) -> Image:
    """A picture with ``number`` as eight light or dark bars, and a colour ramp below them."""
    image = np.zeros((height, width, 3), np.uint8)
    bar = width // BITS
    for bit in range(BITS):
        image[:, bit * bar : (bit + 1) * bar] = 210 if number >> bit & 1 else 40
    image[height * 3 // 4 :] = np.linspace(30, 220, width).astype(np.uint8)[None, :, None] // (1, 2, 3)
    return image


def read_number(image: Image) -> int:
    """The number in a picture made by :func:`numbered`."""
    bar = image.shape[1] // BITS
    rows = image[: image.shape[0] // 2]
    return sum(int(rows[:, bit * bar : (bit + 1) * bar].mean() > 125) << bit for bit in range(BITS))


@contextmanager
def ordinary_priority() -> Iterator[None]:
    """Undo what SVT-AV1's encoder does to a thread of root: it gives it a core for itself, and all others starve."""
    policy, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, policy, parameter)


@ordinary_priority()
def write_video(
    path: Path,
    images: Iterable[Image],
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    muxer: dict[str, str] | None = None,
    colorspace: int | None = None,
    color_range: int | None = None,
    rotation: float = 0,
    title: str = "",
    matrix: tuple[int, ...] | None = None,
) -> Path:
    """Encode ``images`` (all of one size) at 25 frames a second; the suffix of ``path`` chooses the container."""
    with av.open(str(path), "w", options=muxer or {}) as container:
        stream = cast(VideoStream, container.add_stream(codec, rate=25, options=options or {}))
        stream.pix_fmt = pix_fmt
        container.metadata.update({"title": title} if title else {})
        pictures = iter(images)
        first = next(pictures)
        stream.height, stream.width = first.shape[:2]
        if rotation:
            stream.set_display_rotation(rotation)
        if matrix is not None:
            stream.set_display_matrix(matrix)
        if colorspace is not None and color_range is not None:
            stream.codec_context.colorspace, stream.codec_context.color_range = colorspace, color_range
        for image in chain((first,), pictures):
            frame = VideoFrame.from_ndarray(image, format="bgr24")
            converted = frame.reformat(format=pix_fmt, dst_colorspace=colorspace, dst_color_range=color_range)
            container.mux(stream.encode(converted))
        container.mux(stream.encode(None))
    return path


def cut(path: Path, share: float) -> Path:
    """A copy of the file that breaks off after this share of its bytes."""
    data = path.read_bytes()
    broken = path.with_name(f"cut-{path.name}")
    broken.write_bytes(data[: int(len(data) * share)])
    return broken


def write_rotated_jpeg(path: Path, image: Image, orientation: int) -> Path:
    """A JPEG with this EXIF orientation, 1 to 8."""
    data = cv2.imencode(".jpg", image)[1].tobytes()
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, 0x112, 3, 1, orientation, 0, 0)
    exif = b"Exif\0\0" + tiff
    path.write_bytes(data[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + data[2:])
    return path


def with_scans(image: Image, scans: int) -> bytes:
    """A progressive JPEG of the picture; its last scan, which refines a colour, is repeated up to this number."""
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * (scans - data.count(b"\xff\xda") + 1) + data[-2:]


def write_jpeg_video(path: Path, jpegs: Iterable[bytes], width: int, height: int) -> Path:
    """A video of pictures that are encoded already."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuvj420p"
        for number, jpeg in enumerate(jpegs):
            packet = Packet(jpeg)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            packet.pts = packet.dts = number
            container.mux(packet)
    return path


def read(source: Source, start: int = 0, stride: int = 1) -> tuple[list[tuple[int, float, Image]], str | None]:
    """All pictures as index, time and pixels, and why the source broke off."""
    got: list[tuple[int, float, Image]] = []
    try:
        for picture in source.frames(start, stride):
            image = np.empty((picture.height, picture.width, 3), np.uint8)
            picture.write_to(image)
            got.append((picture.index, picture.timestamp_ms, image))
    except SourceTruncated as error:
        return got, str(error)
    return got, None
