"""Unpacks what a server sends as gzip, piece by piece as it arrives."""

from __future__ import annotations

import io
import zlib
from http.client import HTTPResponse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

READ_BYTES = 16 * 1024
_GZIP_FORMAT = 16 + zlib.MAX_WBITS


class Gunzip(io.RawIOBase):
    """The unpacked body of an answer. No more of it is in memory than was asked for, however well it was packed."""

    def __init__(self, response: HTTPResponse) -> None:
        super().__init__()
        self._response = response
        self._unpacker = zlib.decompressobj(_GZIP_FORMAT)

    def readable(self) -> bool:
        """True: it is open for reading."""
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        """Unpack what has arrived, at most as much as fits, and return its length; 0 at the end.

        Raises:
            zlib.error: it is not gzip.
            ConnectionError: it breaks off.
        """
        room = memoryview(buffer).cast("B")
        while not self._unpacker.eof:
            packed = self._unpacker.unconsumed_tail or self._response.read1(READ_BYTES)
            data = self._unpacker.decompress(packed, len(room))
            if data:
                room[: len(data)] = data
                return len(data)
            if not packed:
                raise ConnectionError("the server has closed the connection")
        return 0

    def close(self) -> None:
        """Close the connection."""
        self._response.close()
        super().close()
