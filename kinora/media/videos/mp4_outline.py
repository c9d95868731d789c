"""The boxes that an MP4 or MOV file consists of, as far as they tell what FFmpeg does not."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, Self

import attrs

MAX_BOXES = 100_000
"""The most boxes that are looked at, as of a day in fragments of a second; further ones do not count."""
FEW_BOXES = 200
"""The same for a file that is not on this machine: each box may take a request."""
_HEAD_BYTES, _LARGE_HEAD_BYTES = 8, 16
_TO_THE_END, _LARGE = 0, 1
_INDEX, _MEDIA = b"moov", frozenset({b"moof", b"mdat"})
_KINDS = _MEDIA | {_INDEX, b"ftyp", b"styp", b"free", b"skip", b"wide", b"pnot", b"pdin", b"uuid", b"meta", b"udta"}
_KINDS |= {b"sidx", b"ssix", b"mfra", b"emsg", b"prft"}
"""The boxes that a file consists of: anything else is not a part of it, such as zeros behind it."""


@attrs.frozen
class Mp4Outline:
    """What the boxes of a file tell."""

    films: int
    """The number of indexes: more than one where files were joined byte by byte."""
    is_cut: bool
    """True if pictures, or a list of them, go on beyond the end of the file."""

    @classmethod
    def of(cls, file: BinaryIO, size: int, most: int = MAX_BOXES) -> Self:
        """The outline of a file up to this size in bytes, by at most so many boxes. Moves the file's position."""
        boxes = list(_boxes(file, size, most))
        return cls(
            films=sum(kind == _INDEX for kind, _ in boxes),
            is_cut=bool(boxes) and boxes[-1][0] in _MEDIA and boxes[-1][1] > size,
        )


def _boxes(file: BinaryIO, size: int, most: int) -> Iterator[tuple[bytes, int]]:
    """The kind of each box and the place of its end, up to the first that is of an unknown kind, or beyond the size."""
    at = 0
    for _ in range(most):
        file.seek(at)
        head = file.read(_LARGE_HEAD_BYTES)
        if len(head) < _HEAD_BYTES or at >= size:
            return
        length, kind = struct.unpack_from(">I4s", head)
        if length == _LARGE and len(head) == _LARGE_HEAD_BYTES:
            (length,) = struct.unpack_from(">Q", head, _HEAD_BYTES)
        if length == _TO_THE_END:
            length = size - at
        if kind not in _KINDS or length < _HEAD_BYTES:
            return
        yield kind, at + length
        at += length
