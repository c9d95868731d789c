"""The floor below which the free space of the disk must not fall."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from kinora.actors.errors import Unavailable


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
        if self._free() >= self._min_free_bytes + size:
            return
        for sacrifice in self._sacrifices:
            sacrifice()
        free = self._free()
        if free < self._min_free_bytes + size:
            raise Unavailable(f"Only {free // 2**20} MB of disk are free in {self._folder}; free some space first.")

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free
