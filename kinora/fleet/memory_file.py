"""A file without a name, to give to a process what neither arguments nor environment may show."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def memory_file(name: str, data: bytes) -> Iterator[int]:
    """Open a file in memory that has this data, to be read from its beginning; closed at the end of the block."""
    document = os.memfd_create(name, os.MFD_CLOEXEC)
    try:
        with open(document, "wb", closefd=False) as file:
            file.write(data)
        os.lseek(document, 0, os.SEEK_SET)
        yield document
    finally:
        os.close(document)
