"""JPEGs one behind the other: each comes whole, at once, and none is taken for a part of another."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import cv2
import pytest

from kinora.media.images import jpeg_row
from kinora.media.images.jpeg_row import read_jpegs
from kinora.media.source_types import SourceError
from tests.media.videos import numbered, with_scans


def jpeg(number: int, *options: int) -> bytes:
    """A picture that shows its number."""
    return cv2.imencode(".jpg", numbered(number), options)[1].tobytes()


def with_segment(data: bytes, kind: int, content: bytes) -> bytes:
    """The JPEG with a further segment at its beginning."""
    return data[:2] + struct.pack(">BBH", 0xFF, kind, len(content) + 2) + content + data[2:]


class Slow(io.RawIOBase):
    """A file that gives a few bytes at a time, and counts those that it has given."""

    def __init__(self, data: bytes, step: int) -> None:
        self.given = 0
        self._data = data
        self._step = step

    def read(self, size: int = -1, /) -> bytes:
        """Give the next bytes."""
        piece = self._data[self.given : self.given + self._step]
        self.given += len(piece)
        return piece


PICTURES = [
    jpeg(0),
    with_segment(jpeg(1), 0xE1, b"Exif\0\0" + jpeg(99)),
    jpeg(2, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    jpeg(3, cv2.IMWRITE_JPEG_RST_INTERVAL, 1),
    with_segment(jpeg(4), 0xFE, b"\xff\xd9\xff\xd8\xff"),
    jpeg(5).replace(b"\xff\xda", b"\xff\xff\xff\xda", 1),
    with_scans(numbered(6), 20),
]


@pytest.mark.parametrize("step", [1, 7, 10**6])
def test_every_picture_comes_as_it_is(step: int) -> None:
    """Thumbnails, several scans, restart marks, fill bytes and marks in a comment do not end a picture."""
    assert list(read_jpegs("a", Slow(b"".join(PICTURES), step))) == PICTURES


def test_a_picture_comes_before_anything_behind_it_is_read() -> None:
    """A live picture is not held up by the next one."""
    file = Slow(b"".join(PICTURES), 1)
    pictures = read_jpegs("a", file)
    sizes: Iterator[int] = (len(b"".join(PICTURES[: number + 1])) for number in range(len(PICTURES)))
    for size in sizes:
        next(pictures)
        assert file.given == size


def test_what_lies_between_pictures_is_passed_over() -> None:
    """Padding, line ends and a head before the first picture cost none."""
    data = b"\0\0head" + PICTURES[0] + b"\r\n\0\0\xff" + PICTURES[1] + b"\0" * 99
    assert list(read_jpegs("a", Slow(data, 5))) == PICTURES[:2]


def test_a_picture_that_breaks_off_costs_no_other() -> None:
    """It is given as far as it goes: up to the next start, or to the end of the file."""
    half = PICTURES[0][: len(PICTURES[0]) * 2 // 3]
    data = half + PICTURES[2] + half
    assert list(read_jpegs("a", Slow(data, 5))) == [half, PICTURES[2], half]
    assert list(read_jpegs("a", Slow(PICTURES[0][:3], 5))) == [PICTURES[0][:3]]
    assert list(read_jpegs("a", Slow(b"", 5))) == []


def test_what_has_no_end_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture without an end, and a row without pictures, are refused at the limit."""
    monkeypatch.setattr(jpeg_row, "MAX_IMAGE_BYTES", 10**5)
    for data, kind in ((PICTURES[0][:-2] + bytes(10**6), "too_large"), (bytes(10**6), "unreadable")):
        file = Slow(data, 10**4)
        with pytest.raises(SourceError) as caught:
            list(read_jpegs("a", file))
        assert caught.value.kind == kind
        assert file.given < 2 * 10**5
