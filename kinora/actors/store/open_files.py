"""Whether files that the server has open are still the ones at their paths on the disk."""

from __future__ import annotations

from pathlib import Path


class FilesReplaced(Exception):
    """A file was removed or replaced; ``str()`` of the error is a sentence for the operator."""


class OpenFiles:
    """The device and inode of each file, as they were when it was opened. All methods block."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[int, int]] = {}

    def remember(self, path: Path) -> None:
        """Take the file that is there now for the right one, unless one is remembered; a missing one is left out."""
        try:
            self._known.setdefault(path, _identity(path))
        except OSError:
            return

    def forget(self, path: Path) -> None:
        """Ask no more for this file."""
        self._known.pop(path, None)

    def check(self) -> None:
        """Compare all files with those on the disk.

        Raises:
            FilesReplaced: one is gone, or another one is in its place.
        """
        for path, known in self._known.items():
            try:
                same = _identity(path) == known
            except OSError:
                same = False
            if not same:
                raise FilesReplaced(f"{path} was removed or replaced under the running server: restart it")


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino
