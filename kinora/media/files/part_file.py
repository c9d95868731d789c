"""Files that are written under another name first. Each is locked while it is written, so that left ones are found."""

from __future__ import annotations

import fcntl
import glob
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TOKEN_BYTES = 4
"""The random bytes in the other name: several processes may write the same file."""


@contextmanager
def part_file(path: Path) -> Iterator[Path]:
    """Give another name beside ``path``; what is there at the end of the block becomes ``path``.

    If the block raises, it is deleted. What a killed process has left beside ``path`` is deleted first.

    Raises:
        OSError: the file cannot be made.
    """
    for left in _parts(path):
        _remove_if_left(left)
    part = path.with_name(f".{path.name}.{secrets.token_hex(TOKEN_BYTES)}.part")
    with part.open("xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


def _parts(path: Path) -> Iterator[Path]:
    name = glob.escape(path.name)
    yield from path.parent.glob(f".{name}.{'[0-9a-f]' * 2 * TOKEN_BYTES}.part")
    yield from path.parent.glob(f".{name}.part")  # as earlier versions named it


def _remove_if_left(part: Path) -> None:
    with suppress(OSError):  # one that is locked is being written
        if part.is_file() and not part.is_symlink():
            with part.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
