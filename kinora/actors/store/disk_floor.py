"""The floor below which the free space of the disk must not fall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kinora.actors.errors import Unavailable


def require_free(folder: Path, least: int) -> None:
    """Check that the disk of ``folder`` has ``least`` free bytes.

    Raises:
        Unavailable: it has not, or cannot be asked; the text says what to do.
    """
    free = _free(folder)
    if free < least:
        raise Unavailable(f"Only {free // 2**20} MB of disk are free in {folder}; free some space first.")


def free_bytes(folder: Path) -> int | None:
    """The free bytes of the folder's disk; None if it cannot be asked. Blocks."""
    with suppress(OSError):
        return shutil.disk_usage(folder).free
    return None


def _free(folder: Path) -> int:
    try:
        return shutil.disk_usage(folder).free
    except OSError as error:
        raise Unavailable(f"The folder {folder} cannot be used ({error.strerror}): check it, and its disk.") from error


class DiskFloor:
    """Says if the disk of a folder has room; what can be made again is given up for that."""

    def __init__(self, folder: Path, min_free_bytes: int) -> None:
        self._folder = folder
        self._min_free_bytes = min_free_bytes
        self._sacrifices: list[Callable[[], None]] = []

    def give_up_first(self, sacrifice: Callable[[], None]) -> None:
        """Call ``sacrifice``, which frees what can be made again, whenever there is too little room."""
        self._sacrifices.append(sacrifice)

    def require(self, size: int = 0) -> None:
        """Check that ``size`` further bytes leave the disk above its floor.

        Raises:
            Unavailable: they do not.
        """
        if _free(self._folder) >= self._min_free_bytes + size:
            return
        for sacrifice in self._sacrifices:
            sacrifice()
        require_free(self._folder, self._min_free_bytes + size)
