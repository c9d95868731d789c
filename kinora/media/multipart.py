"""Takes apart what a camera sends over HTTP: one JPEG after the other, each a part of a MIME message without end.

FFmpeg could do so too, but keeps a part of any size in memory.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

from kinora.media.source_types import MAX_IMAGE_BYTES, SourceError

READ_BYTES = 64 * 1024
MAX_HEAD_LINES, MAX_LINE_BYTES = 64, 4096
"""A part whose head is larger than that is broken."""
_BOUNDARY = b"--"
_NEXT_PART = b"\r\n" + _BOUNDARY
_JPEG = b"image/jpeg"


class BrokenParts(Exception):
    """What comes is no part of such a message, or breaks off."""


def is_multipart(head: bytes) -> bool:
    """True if a file that begins like this may be such a message."""
    return head.lstrip(b"\r\n").startswith(_BOUNDARY)


def read_parts(name: str, file: io.RawIOBase) -> Iterator[bytes]:
    """The JPEGs in ``file``, which messages call ``name``. Holds one of them at a time.

    Raises:
        BrokenParts: the next part cannot be found, is not a JPEG, or breaks off.
        SourceError: the next part is larger than ``MAX_IMAGE_BYTES``; or the file raised it.
    """
    rest = _Rest(file)
    while _begins_part(rest):
        length = _read_head(rest)
        try:
            part = rest.until(_NEXT_PART, MAX_IMAGE_BYTES) if length is None else rest.exactly(length, MAX_IMAGE_BYTES)
        except _TooLong:
            raise _too_large(name) from None
        yield part


def _begins_part(rest: _Rest) -> bool:
    """Read the line between two parts; False at the end of the message."""
    while not (line := rest.line()):
        if rest.ended:
            return False
    if not line.startswith(_BOUNDARY):
        raise BrokenParts
    return not (line.endswith(_BOUNDARY) and len(line) > len(_BOUNDARY))


def _read_head(rest: _Rest) -> int | None:
    """Read a part's head and return the length that it states, if any."""
    kind, length = b"", None
    for _ in range(MAX_HEAD_LINES):
        line = rest.line()
        if not line:
            break
        field, _colon, value = line.partition(b":")
        match field.strip().lower():
            case b"content-type":
                kind = value.strip().lower()
            case b"content-length" if value.strip().isdigit():
                length = int(value)
    if kind != _JPEG:
        raise BrokenParts
    return length


def _too_large(name: str) -> SourceError:
    limit = MAX_IMAGE_BYTES // 2**20
    return SourceError("too_large", f"A picture of {name} is larger than {limit} MiB; have it sent in smaller ones.")


class _TooLong(Exception):
    """More would have to be kept in memory than is allowed."""


class _Rest:
    """The part of a file that has not been used yet, of which as little as possible is in memory."""

    def __init__(self, file: io.RawIOBase) -> None:
        self._file = file
        self._data = bytearray()
        self._read_all = False

    @property
    def ended(self) -> bool:
        """True once the whole file is used."""
        return self._read_all and not self._data

    def line(self) -> bytes:
        """Use the next line and return it without the spaces around it; at the end of the file it is empty."""
        try:
            line = self.until(b"\n", MAX_LINE_BYTES)
        except _TooLong:
            raise BrokenParts from None
        del self._data[:1]
        return line.strip()

    def until(self, mark: bytes, most: int) -> bytes:
        """Use and return what comes before a mark, or the whole rest if it has none."""
        at, searched = -1, 0
        while (at := self._data.find(mark, searched)) < 0 and self._fill(most):
            searched = max(0, searched, len(self._data) - READ_BYTES - len(mark))
        return self._use(len(self._data) if at < 0 else at)

    def exactly(self, size: int, most: int) -> bytes:
        """Use and return the next bytes, as many as that."""
        if size > most:
            raise _TooLong
        while len(self._data) < size:
            if not self._fill(most):
                raise BrokenParts
        return self._use(size)

    def _fill(self, most: int) -> bool:
        """Read some more; False at the end of the file."""
        if len(self._data) > most:
            raise _TooLong
        piece = self._file.read(READ_BYTES)
        self._read_all = not piece
        self._data += piece or b""
        return bool(piece)

    def _use(self, size: int) -> bytes:
        used = bytes(self._data[:size])
        del self._data[:size]
        return used
