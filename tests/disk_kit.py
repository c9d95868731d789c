"""A disk of the size that a test wants."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


class Disk:
    """The free space that the server sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def _usage(self, _path: Path) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(total=self.free, used=0, free=self.free)
