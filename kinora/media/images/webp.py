"""Takes apart animated WebP files, which FFmpeg does not read: each picture is a still, put onto those before."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import attrs

_ANIMATED = 0x02
_HAS_ALPHA = 0x10
_CLEARED, _COVERS = 0x01, 0x02
_FRAME_HEAD = 16
_PARTS = (b"ALPH", b"VP8 ", b"VP8L")


@attrs.frozen
class Step:
    """One picture of an animation, of which only a part may be new."""

    x: int
    y: int
    width: int
    height: int
    duration_ms: int
    blends: bool
    """True if what is under its transparent pixels stays."""
    clears: bool
    """True if its place becomes transparent before the next picture."""
    still: bytes
    """That part, as a WebP file of its own."""


def is_animated(data: bytes) -> bool:
    """True for the beginning of a WebP file that says it is animated."""
    return data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8X" and len(data) > 20 and bool(data[20] & _ANIMATED)  # noqa: PLR2004


def read_steps(data: bytes) -> list[Step]:
    """The pictures of an animated WebP file in order; those after a place that cannot be read are missing."""
    return [_step(content) for kind, content in _chunks(data, 12) if kind == b"ANMF" and len(content) > _FRAME_HEAD]


def _step(content: memoryview) -> Step:
    x, y, width, height, duration = (int.from_bytes(content[at : at + 3], "little") for at in range(0, 15, 3))
    flags = content[15]
    return Step(
        x=2 * x,
        y=2 * y,
        width=width + 1,
        height=height + 1,
        duration_ms=duration,
        blends=not flags & _COVERS,
        clears=bool(flags & _CLEARED),
        still=_still(content[_FRAME_HEAD:], width, height),
    )


def _still(parts: memoryview, width: int, height: int) -> bytes:
    """A file of its own from the parts of one picture; ``width`` and ``height`` are one less, as they are stored."""
    kept = [(kind, content) for kind, content in _chunks(parts, 0) if kind in _PARTS]
    body = b"".join(_chunk(kind, content) for kind, content in kept)
    if any(kind == b"ALPH" for kind, _ in kept):
        size = struct.pack("<I", width)[:3] + struct.pack("<I", height)[:3]
        body = _chunk(b"VP8X", struct.pack("<I", _HAS_ALPHA) + size) + body
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def _chunk(kind: bytes, content: bytes | memoryview) -> bytes:
    return kind + struct.pack("<I", len(content)) + bytes(content) + b"\0" * (len(content) & 1)


def _chunks(data: bytes | memoryview, at: int) -> Iterator[tuple[bytes, memoryview]]:
    """Each chunk's kind and content; one that breaks off is the last and left out."""
    view = memoryview(data)
    while at + 8 <= len(view):
        kind, (size,) = bytes(view[at : at + 4]), struct.unpack("<I", view[at + 4 : at + 8])
        content = view[at + 8 : at + 8 + size]
        if len(content) < size:
            return
        yield kind, content
        at += 8 + size + (size & 1)
