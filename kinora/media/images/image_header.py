"""Reads an image's size and its number of scans without decoding it.

So a small file can make a decoder neither allocate gigabytes nor work for minutes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from typing import Any, BinaryIO

from kinora.media.images.heif import Heif, NotReadable, has_film, is_heif
from kinora.media.images.tiff import is_tiff, read_pages
from kinora.media.source_types import MAX_JPEG_SCANS

MAGIC_BYTES = 16
MAX_JPEG_SEGMENTS = 10_000
_JPEG_NO_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
_JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_START = b"\xff\xd8\xff"
_JPEG_MARK, _JPEG_SCAN, _JPEG_END = 0xFF, 0xDA, 0xD9
_JPEG_SCAN_MARK = bytes((_JPEG_MARK, _JPEG_SCAN))
_JPEG_SEGMENT = re.compile(rb"\xff([^\x00\x01\xd0-\xd8\xff])", re.DOTALL)
"""The mark of a segment, or of the end: not the marks within a scan's data, which stand alone."""
_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_AROUND_CHUNK = 12
MAX_PNG_CHUNKS = 1000
"""The chunks of a PNG within which it must say that it is animated."""
MAX_PNM_HEAD_BYTES = 4096
_PNM_HEAD = re.compile(rb"P[1-6]\s(?:\s|#[^\n]*\n)*([0-9]{1,9})\s(?:\s|#[^\n]*\n)*([0-9]{1,9})\s")


def is_image(head: bytes) -> bool:
    """True if a file that begins like this claims to be an image of a known kind."""
    return any(matches(head[:MAGIC_BYTES]) for matches, _ in _READERS)


def is_jpeg(head: bytes) -> bool:
    """True if a file that begins like this claims to be a JPEG."""
    return head.startswith(_JPEG_START)


def is_png(head: bytes) -> bool:
    """True if a file that begins like this claims to be a PNG."""
    return head.startswith(_PNG_START)


def is_gif(head: bytes) -> bool:
    """True if a file that begins like this claims to be a GIF."""
    return head.startswith((b"GIF87a", b"GIF89a"))


def is_film(file: BinaryIO) -> bool:
    """True for an image whose pictures FFmpeg reads as a video's: GIF, animated PNG, film in a HEIF or AVIF file.

    Moves the file's position.
    """
    file.seek(0)
    head = file.read(MAGIC_BYTES)
    if is_heif(head):
        return has_film(file)
    return is_gif(head) or (is_png(head) and _is_animated_png(file))


def read_size(file: BinaryIO) -> tuple[int, int] | None:
    """Width and height in pixels as stored, before any rotation; None unless it is an image with a sound header.

    Of a file of several pictures, those of the first. Moves the file's position.
    """
    file.seek(0)
    magic = file.read(MAGIC_BYTES)
    for matches, reader in _READERS:
        if matches(magic):
            try:
                width, height = reader(file)
            except (struct.error, ValueError, NotReadable):
                return None
            return (width, height) if width > 0 and height > 0 else None
    return None


def has_many_scans(data: bytes | bytearray) -> bool:
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


def is_torn_png(data: bytes | bytearray) -> bool:
    """True if these are a PNG in which a chunk is longer than the rest: a decoder may make room for it all the same."""
    if not data.startswith(_PNG_START):
        return False
    at = len(_PNG_START)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        at += _PNG_AROUND_CHUNK + length
        if kind == b"IEND":
            break
    return at > len(data)


def may_have_many_scans(data: bytes | bytearray) -> bool:
    """True if a decoder can find more than ``MAX_JPEG_SCANS`` scans in these bytes, wherever it looks for them."""
    return data.count(_JPEG_SCAN_MARK) > MAX_JPEG_SCANS


def _read(file: BinaryIO, offset: int, layout: str) -> tuple[Any, ...]:
    file.seek(offset)
    return struct.unpack(layout, file.read(struct.calcsize(layout)))


def _is_animated_png(file: BinaryIO) -> bool:
    """True if the chunk that announces several pictures comes before the first picture's data, as it has to."""
    at = len(_PNG_START)
    for _ in range(MAX_PNG_CHUNKS):
        try:
            length, kind = _read(file, at, ">I4s")
        except struct.error:
            return False
        if kind == b"acTL":
            (count,) = _read(file, at + 8, ">I")
            return bool(count > 1)
        if kind == b"IDAT":
            return False
        at += _PNG_AROUND_CHUNK + length
    return False


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
    return read_pages(file)[0].size


def _heif(file: BinaryIO) -> tuple[int, int]:
    heif = Heif(file)
    return heif.still(heif.items[0], file).size


def _gif(file: BinaryIO) -> tuple[int, int]:
    width, height = _read(file, 6, "<HH")
    return width, height


def _pnm(file: BinaryIO) -> tuple[int, int]:
    file.seek(0)
    found = _PNM_HEAD.match(file.read(MAX_PNM_HEAD_BYTES))
    if found is None:
        raise ValueError("no header")
    return int(found[1]), int(found[2])


_READERS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO], tuple[int, int]]], ...] = (
    (is_png, _png),
    (is_jpeg, _jpeg),
    (lambda magic: magic.startswith(b"RIFF") and magic[8:14] == b"WEBPVP", _webp),
    (lambda magic: magic.startswith(b"BM") and magic[14:16] in (b"\x28\0", b"\x6c\0", b"\x7c\0"), _bmp),
    (is_tiff, _tiff),
    (is_heif, _heif),
    (is_gif, _gif),
    (lambda magic: magic[:1] == b"P" and magic[1:2] in b"123456" and magic[2:3].isspace(), _pnm),
)
