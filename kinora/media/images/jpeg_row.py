"""Takes apart JPEGs that stand one behind the other, as raw MJPEG files have them, and what some cameras send."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Protocol

from kinora.media.source_types import MAX_IMAGE_BYTES, SourceError

READ_BYTES = 64 * 1024
JPEG_START = b"\xff\xd8\xff"
"""The first bytes of a JPEG."""
_START, _END = b"\xd8", b"\xd9"
_MARK = re.compile(rb"\xff([^\x00\x01\xd0-\xd7\xff])", re.DOTALL)
"""The mark of a segment, of the end, or of the next start: not the marks within a scan's data, which stand alone."""


class Readable(Protocol):
    """A file, or a connection, that is read piece by piece."""

    def read(self, size: int, /) -> bytes | None:
        """Give some of the next bytes; none at the end."""


def read_jpegs(name: str, file: Readable, passed_over: Callable[[int], object] = lambda _size: None) -> Iterator[bytes]:
    """The JPEGs in ``file``, which messages call ``name``, each as soon as its last byte has come.

    Holds one picture at a time. What lies between two is passed over; ``passed_over`` gets its length. A picture
    without an end is given up to the next one's start, or to the end of the file. A thumbnail inside a picture belongs
    to it.

    Raises:
        SourceError: a picture, or what lies between two, is larger than ``MAX_IMAGE_BYTES``; or the file raised it.
    """
    rest = _Rest(name, file)
    while rest.skip_to_start():
        passed_over(rest.skipped)
        yield rest.use_picture()


class _Rest:
    """The part of a file that has not been used yet, of which as little as possible is in memory."""

    def __init__(self, name: str, file: Readable) -> None:
        self._name = name
        self._file = file
        self._data = bytearray()
        self.skipped = 0
        """The bytes before the picture that this begins with, behind the one before."""

    def skip_to_start(self) -> bool:
        """Use all before the next picture; False at the end of the file."""
        self.skipped = 0
        while (at := self._data.find(JPEG_START)) < 0:
            self.skipped += self._drop(len(self._data) - len(JPEG_START) + 1)
            if self.skipped > MAX_IMAGE_BYTES:
                raise SourceError("unreadable", f"{self._name} holds no JPEG in {MAX_IMAGE_BYTES // 2**20} MiB.")
            if not self._fill():
                return False
        self.skipped += self._drop(at)
        return True

    def use_picture(self) -> bytes:
        """Use and return the picture that this begins with."""
        size = self._picture_bytes()
        picture = bytes(self._data[:size])
        self._drop(size)
        return picture

    def _picture_bytes(self) -> int:
        at = len(JPEG_START) - 1
        while (mark := self._find_mark(at)) is not None:
            if mark[1] == _START:
                return mark.start()
            if mark[1] == _END:
                return mark.end()
            if not self._reach(mark.end() + 2):
                break
            at = mark.end() + int.from_bytes(self._data[mark.end() : mark.end() + 2], "big")
        return len(self._data)

    def _find_mark(self, at: int) -> re.Match[bytes] | None:
        if not self._reach(at):
            return None
        while (mark := _MARK.search(self._data, at)) is None:
            at = max(at, len(self._data) - 1)
            if not self._fill():
                return None
        return mark

    def _reach(self, size: int) -> bool:
        """Have this many bytes in memory; False if the file ends before."""
        while len(self._data) < size:
            if not self._fill():
                return False
        return True

    def _fill(self) -> bool:
        """Read some more; False at the end of the file."""
        if len(self._data) > MAX_IMAGE_BYTES:
            limit = MAX_IMAGE_BYTES // 2**20
            raise SourceError(
                "too_large", f"A picture of {self._name} is larger than {limit} MiB; have it made in smaller ones."
            )
        piece = self._file.read(READ_BYTES)
        self._data += piece or b""
        return bool(piece)

    def _drop(self, size: int) -> int:
        """Use the first bytes; return their number."""
        del self._data[: max(0, size)]
        return max(0, size)
