"""Sizes in the headers of images."""

from __future__ import annotations

import io
import struct

import pytest

from kinora.media.image_header import read_size

WIDTH, HEIGHT, LONG = 256, 257, 4


@pytest.mark.parametrize("widths", [(30_000, 16), (16, 30_000)])
def test_a_tiff_that_has_a_size_twice_is_as_large_as_the_larger(widths: tuple[int, int]) -> None:
    """Decoders take the first of two tags or the last: the limit of pixels must hold for either."""
    entries = [*((WIDTH, width) for width in widths), (HEIGHT, 30_000), (HEIGHT, 16)]
    directory = b"".join(struct.pack("<HHII", tag, LONG, 1, value) for tag, value in entries)
    tiff = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + directory + bytes(4)
    assert read_size(io.BytesIO(tiff)) == (30_000, 30_000)
