"""A disk of the size that a test wants."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kinora.system import System


class Disk:
    """The free space that the server sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def _usage(self, _path: Path) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(total=self.free, used=0, free=self.free)


@contextmanager
def full_disk(system: System) -> Iterator[None]:
    """Writing to the database fails inside, as on a full disk, and works again afterwards."""
    writer = system.store._writer
    assert writer is not None
    writer.execute("PRAGMA max_page_count = 1")
    yield
    writer.execute("PRAGMA max_page_count = 1073741823")
