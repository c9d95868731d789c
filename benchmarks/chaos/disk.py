"""The disk of the data folder: a small file system of its own, if this user may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import attrs

SIZE_MB = 1024
FILLER = "filler"
PIECE = 2**20


@attrs.frozen
class Disk:
    """A folder that is a disk, or just a folder if ``own`` is false: it must not be filled then."""

    folder: Path
    own: bool

    def fill(self) -> None:
        """Leave no byte free. Blocks."""
        with (self.folder / FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(PIECE))

    def free(self) -> None:
        """Take back :meth:`fill`."""
        (self.folder / FILLER).unlink(missing_ok=True)


@contextmanager
def mounted(folder: Path) -> Iterator[Disk]:
    """Make ``folder`` a disk for the time of the block, if possible."""
    folder.mkdir()
    command = ("mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "kinora-chaos", folder)
    own = os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
    try:
        yield Disk(folder, own)
    finally:
        if own:
            subprocess.run(("umount", folder), check=True)  # noqa: S607
