"""Writes HEIC and AVIF files of one or several pictures, whole or in tiles, for tests of the sources."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from fractions import Fraction
from typing import cast

import attrs
import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.media.videos import Image, ordinary_priority

CODERS = {"hvc1": ("libx265", {"x265-params": "log-level=none:keyint=1"}), "av01": ("libsvtav1", {"preset": "12"})}
CONFIGURATIONS = {"hvc1": b"hvcC", "av01": b"av1C"}


@attrs.frozen(kw_only=True)
class Photo:
    """One picture of a file."""

    image: Image
    tile: int | None = None
    """The width and height of its tiles; None: it is coded in one piece."""
    turns: Sequence[tuple[bytes, bytes]] = ()
    """What a reader is to do with it: kinds of properties and their contents."""
    tiles_kept: int | None = None
    """The tiles that are in the file; None: all."""


@attrs.define
class _File:
    kind: str
    items: list[tuple[bytes, bytes]] = attrs.field(factory=list)
    """Each item's kind and data."""
    properties: list[bytes] = attrs.field(factory=list)
    uses: list[list[int]] = attrs.field(factory=list)
    """The numbers of each item's properties."""
    references: list[bytes] = attrs.field(factory=list)

    def add(self, kind: bytes, data: bytes, properties: Sequence[bytes]) -> int:
        """Add an item; its number."""
        self.items.append((kind, data))
        numbers = range(len(self.properties) + 1, len(self.properties) + 1 + len(properties))
        self.properties += properties
        self.uses.append(list(numbers))
        return len(self.items)


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of the file format."""
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full(kind: bytes, version: int, *parts: bytes) -> bytes:
    """A box with a version."""
    return box(kind, struct.pack(">I", version << 24), *parts)


def write_heif(*photos: Photo, kind: str = "hvc1") -> bytes:
    """A file of these pictures, coded as ``hvc1`` (HEIC) or ``av01`` (AVIF); the first is the main one."""
    file = _File(kind)
    shown = [_add(file, photo) for photo in photos]
    brand = b"heic" if kind == "hvc1" else b"avif"
    begin = box(b"ftyp", brand, bytes(4), b"mif1", brand)
    meta = _meta(file, shown[0], 0)
    return begin + _meta(file, shown[0], len(begin) + len(meta) + 8) + box(b"mdat", *(data for _, data in file.items))


def _add(file: _File, photo: Photo) -> int:
    height, width = photo.image.shape[:2]
    turns = [box(kind, content) for kind, content in photo.turns]
    if photo.tile is None:
        configuration, data = _encode(photo.image, file.kind)
        return file.add(file.kind.encode(), data, [configuration, _size(width, height), *turns])
    rows, columns = -(-height // photo.tile), -(-width // photo.tile)
    padded = np.zeros((rows * photo.tile, columns * photo.tile, 3), np.uint8)
    padded[:height, :width] = photo.image
    parts = []
    for number in range(rows * columns)[: photo.tiles_kept]:
        top, left = (number // columns) * photo.tile, (number % columns) * photo.tile
        piece = np.ascontiguousarray(padded[top : top + photo.tile, left : left + photo.tile])
        configuration, data = _encode(piece, file.kind)
        parts.append(file.add(file.kind.encode(), data, [configuration, _size(photo.tile, photo.tile)]))
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width, height)
    item = file.add(b"grid", grid, [_size(width, height), *turns])
    file.references.append(
        box(b"dimg", struct.pack(">HH", item, len(parts)), *(struct.pack(">H", part) for part in parts))
    )
    return item


def _size(width: int, height: int) -> bytes:
    return full(b"ispe", 0, struct.pack(">II", width, height))


def _meta(file: _File, main: int, at: int) -> bytes:
    numbers = range(1, len(file.items) + 1)
    places, infos, uses = b"", b"", b""
    for number, (kind, data), properties in zip(numbers, file.items, file.uses, strict=True):
        places += struct.pack(">HHHII", number, 0, 1, at, len(data))
        infos += full(b"infe", 2, struct.pack(">HH4s", number, 0, kind), b"\0")
        uses += struct.pack(">HB", number, len(properties)) + bytes(properties)
        at += len(data)
    count = struct.pack(">H", len(file.items))
    associations = full(b"ipma", 0, struct.pack(">I", len(file.items)), uses)
    return full(
        b"meta",
        0,
        full(b"hdlr", 0, struct.pack(">I4s", 0, b"pict"), bytes(13)),
        full(b"pitm", 0, struct.pack(">H", main)),
        full(b"iloc", 0, b"\x44\x00", count, places),
        full(b"iinf", 0, count, infos),
        full(b"iref", 0, *file.references),
        box(b"iprp", box(b"ipco", *file.properties), associations),
    )


@ordinary_priority()
def _encode(image: Image, kind: str) -> tuple[bytes, bytes]:
    """The box that sets up a decoder, and the coded picture."""
    coder, options = CODERS[kind]
    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as container:
        stream = cast(VideoStream, container.add_stream(coder, rate=1, options={**options, "crf": "10"}))
        stream.height, stream.width, stream.pix_fmt = *image.shape[:2], "yuv420p"
        frame = VideoFrame.from_ndarray(image, format="bgr24").reformat(format="yuv420p")
        frame.pts, frame.time_base = 0, Fraction(1, 1)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with av.open(io.BytesIO(out.getvalue()), "r") as written:
        data = b"".join(bytes(packet) for packet in written.demux(video=0))
    name = CONFIGURATIONS[kind]
    at = out.getvalue().index(name) - 4
    (length,) = struct.unpack_from(">I", out.getvalue(), at)
    return out.getvalue()[at : at + length], data
