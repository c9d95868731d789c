"""A file without a name for what an export can only write later; small ones stay in memory."""

from __future__ import annotations

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from typing import IO

IN_MEMORY_BYTES = 4 * 2**20
"""A larger one goes on in the folder for temporary files."""
PART_BYTES = 256 * 1024


def open_spool() -> IO[bytes]:
    """Open one; it is gone once it is closed or forgotten."""
    return SpooledTemporaryFile(max_size=IN_MEMORY_BYTES)


def in_parts(file: IO[bytes]) -> Iterator[bytes]:
    """Yield the whole content, part by part."""
    file.seek(0)
    while part := file.read(PART_BYTES):
        yield part
