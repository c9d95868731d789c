"""Sizes in the headers of images."""

from __future__ import annotations

import io
import struct

import pytest

from kinora.media.images.image_header import has_many_scans, read_size
from kinora.media.source_types import MAX_JPEG_SCANS
from tests.media.videos import numbered, with_scans

WIDTH, HEIGHT, LONG = 256, 257, 4


@pytest.mark.parametrize("widths", [(30_000, 16), (16, 30_000)])
def test_a_tiff_that_has_a_size_twice_is_as_large_as_the_larger(widths: tuple[int, int]) -> None:
    """Decoders take the first of two tags or the last: the limit of pixels must hold for either."""
    entries = [*((WIDTH, width) for width in widths), (HEIGHT, 30_000), (HEIGHT, 16)]
    directory = b"".join(struct.pack("<HHII", tag, LONG, 1, value) for tag, value in entries)
    tiff = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    assert read_size(io.BytesIO(tiff)) == (30_000, 30_000)


def test_the_scans_of_a_jpeg_are_counted_as_a_decoder_finds_them() -> None:
    """A hundred are allowed; a scan's own data, other segments and what follows the end do not count."""
    few, many = with_scans(numbered(1), MAX_JPEG_SCANS), with_scans(numbered(1), MAX_JPEG_SCANS + 1)
    comment = b"\xff\xfe" + struct.pack(">H", 2 + 2 * 200) + b"\xff\xda" * 200
    assert not has_many_scans(few)
    assert has_many_scans(many)
    assert has_many_scans(many[:2] + comment + many[2:-2])
    assert has_many_scans(many[:2] + b"\xff\xff\xff" + many[2:])  # bytes that fill the space before a mark
    assert not has_many_scans(few[:2] + comment + few[2:] + b"\xff\xda" * 200)
    assert not has_many_scans(b"\x89PNG\r\n\x1a\n" + b"\xff\xda" * 200)


@pytest.mark.parametrize("filler", [b"\xff", b"\xff\xfe\0\2", b"\xff\0", b"\xff\xda"])
def test_counting_scans_takes_no_longer_than_reading(filler: bytes) -> None:
    """Megabytes of any filler are looked at once, or given up: this test ends."""
    data = b"\xff\xd8\xff\xfe\0\2" + filler * (16 * 2**20 // len(filler)) + b"\xff\xda\0\2" * 101
    has_many_scans(data)
