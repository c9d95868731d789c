"""Reads an image's size and its number of scans without decoding it.

So a small file can make a decoder neither allocate gigabytes nor work for minutes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import BinaryIO

MAGIC_BYTES = 16
MAX_JPEG_SEGMENTS = 10_000
MAX_JPEG_SCANS = 100
"""The scans of a JPEG beyond which it is refused, as by libjpeg's tools. A decoder goes over the whole picture once for
each; encoders write about ten."""
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_START = b"\xff\xd8\xff"
_JPEG_MARK, _JPEG_SCAN, _JPEG_END = 0xFF, 0xDA, 0xD9
_JPEG_SCAN_MARK = bytes((_JPEG_MARK, _JPEG_SCAN))
_JPEG_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""The mark of a segment, or of the end: not the marks within a scan's data, which stand alone."""
_TIFF_WIDTH, _TIFF_HEIGHT, _TIFF_SHORT = 256, 257, 3


def is_image(head: bytes) -> bool:
    """True if a file that begins like this claims to be an image of a known kind."""
    return any(matches(head[:MAGIC_BYTES]) for matches, _ in _READERS)


def is_jpeg(head: bytes) -> bool:
    """True if a file that begins like this claims to be a JPEG."""
    return head.startswith(_JPEG_START)


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height in pixels as stored (before any rotation); None unless it is an image of a known kind.

    The known kinds are PNG, JPEG, WebP, BMP and TIFF. Moves the file's position.
    """
    file.seek(0)
    magic = file.read(MAGIC_BYTES)
    for matches, reader in _READERS:
        if matches(magic):
            try:
                width, height = reader(file)
            except (struct.error, ValueError):
                return None
            return (width, height) if width > 0 and height > 0 else None
    return None


def has_many_scans(data: bytes) -> bool:
    """True if an image's whole data are a JPEG of more than ``MAX_JPEG_SCANS`` scans, or may be one.

    What comes after the picture's end does not count: phones append a video there. Reads at most ``MAX_JPEG_SEGMENTS``
    segments; a JPEG of more counts as one of many scans.
    """
    if not data.startswith(_JPEG_START) or not may_have_many_scans(data):
        return False
    scans, at = 0, len(_JPEG_START) - 1
    for _ in range(MAX_JPEG_SEGMENTS):
        segment = _JPEG_SEGMENT.search(data, at)
        if segment is None or segment[1][0] == _JPEG_END:
            return False
        scans += segment[1][0] == _JPEG_SCAN
        if scans > MAX_JPEG_SCANS:
            return True
        at = segment.end() + int.from_bytes(data[segment.end() : segment.end() + 2], "big")
    return True


def may_have_many_scans(data: bytes) -> bool:
    """True if a decoder can find more than ``MAX_JPEG_SCANS`` scans in these bytes, wherever it looks for them."""
    return data.count(_JPEG_SCAN_MARK) > MAX_JPEG_SCANS


def _read(file: BinaryIO, offset: int, layout: str) -> tuple[int, ...]:
    file.seek(offset)
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _png(file: BinaryIO) -> tuple[int, int]:
    width, height = _read(file, 16, ">II")
    return width, height


def _jpeg(file: BinaryIO) -> tuple[int, int]:
    offset = 2
    for _ in range(MAX_JPEG_SEGMENTS):
        lead, marker = _read(file, offset, ">BB")
        if lead != _JPEG_MARK or marker in (_JPEG_SCAN, _JPEG_END):
            raise ValueError("no frame header before the data")
        if marker == _JPEG_MARK:  # a fill byte
            offset += 1
        elif marker in _JPEG_NO_LENGTH:
            offset += 2
        elif marker in _JPEG_SIZES:
            height, width = _read(file, offset + 5, ">HH")
            return width, height
        else:
            offset += 2 + _read(file, offset + 2, ">H")[0]
    raise ValueError("no frame header")


def _webp(file: BinaryIO) -> tuple[int, int]:
    file.seek(12)
    kind = file.read(4)
    if kind == b"VP8X":
        low_w, high_w, low_h, high_h = _read(file, 24, "<HBHB")
        return 1 + low_w + (high_w << 16), 1 + low_h + (high_h << 16)
    if kind == b"VP8L":
        (bits,) = _read(file, 21, "<I")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    width, height = _read(file, 26, "<HH")
    return width & 0x3FFF, height & 0x3FFF


def _bmp(file: BinaryIO) -> tuple[int, int]:
    width, height = _read(file, 18, "<ii")
    return width, abs(height)  # negative: rows from the top


def _tiff(file: BinaryIO) -> tuple[int, int]:
    file.seek(0)
    order = "<" if file.read(2) == b"II" else ">"
    (directory,) = _read(file, 4, order + "I")
    (entries,) = _read(file, directory, order + "H")
    sizes: dict[int, int] = {}
    for entry in range(entries):
        offset = directory + 2 + 12 * entry
        tag, kind = _read(file, offset, order + "HH")
        if tag in (_TIFF_WIDTH, _TIFF_HEIGHT):
            (size,) = _read(file, offset + 8, order + ("H" if kind == _TIFF_SHORT else "I"))
            sizes[tag] = max(size, sizes.get(tag, 0))  # of a tag that comes twice, decoders may take either
    return sizes.get(_TIFF_WIDTH, 0), sizes.get(_TIFF_HEIGHT, 0)


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], tuple[int, int]]], ...] = (
    (lambda magic: magic.startswith(b"\x89PNG\r\n\x1a\n"), _png),
    (is_jpeg, _jpeg),
    (lambda magic: magic.startswith(b"RIFF") and magic[8:14] == b"WEBPVP", _webp),
    (lambda magic: magic.startswith(b"BM") and magic[14:16] in (b"\x28\0", b"\x6c\0", b"\x7c\0"), _bmp),
    (lambda magic: magic.startswith((b"II*\0", b"MM\0*")), _tiff),
)
