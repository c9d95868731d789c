"""Several files as one zip archive, made while they come."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from kinora.results.exporter import Piece

OLDEST = (1980, 1, 1, 0, 0, 0)
"""The time of all files in an archive: the same results give the same bytes."""
QUICK = 1
"""The level of compression: text of numbers shrinks little more by higher ones, at several times the work."""


class _Outlet(io.RawIOBase):
    """Where an archive is written to: gives what has come, and cannot go back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # ZipFile writes bytes only
        self._parts.append(bytes(data))
        return len(data)

    def take(self) -> bytes:
        taken = b"".join(self._parts)
        self._parts.clear()
        return taken


class ZipStream:
    """Packs pieces of files into an archive."""

    def __init__(self) -> None:
        self._outlet = _Outlet()
        self._zip = ZipFile(self._outlet, "w", ZIP_DEFLATED, compresslevel=QUICK)
        self._name: str | None = None
        self._file: IO[bytes] | None = None

    def add(self, pieces: Iterable[Piece]) -> Iterator[bytes]:
        """Yield the bytes of the archive that the pieces give."""
        for name, data in pieces:
            if name != self._name:
                self._close_file()
                self._name, self._file = name, self._zip.open(_info(name), "w", force_zip64=True)
            if self._file is not None:
                self._file.write(data)
            if packed := self._outlet.take():
                yield packed

    def end(self) -> bytes:
        """Return the archive's end."""
        self._close_file()
        self._zip.close()
        return self._outlet.take()

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name, OLDEST)
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
