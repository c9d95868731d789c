"""The temporary folders of commands. Each is locked while its command runs, so that those of killed ones are found."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinora.runtime.files.private_files import private_opener

PREFIX = "kinora-"
MARK = ".temporary"
"""The file in such a folder that its command has locked. A folder without it is none of these."""
FLOOR_BYTES = 16 * 2**20
"""The free disk space that a command needs there; it is less than a server's, for it keeps one job only."""
_NAME = re.compile(rf"{PREFIX}[a-z0-9_]{{8}}")


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """Make a folder that is deleted at the end of the block. Those that killed commands have left are deleted too."""
    remove_left_folders()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))  # a TemporaryDirectory is deleted by each forked process that ends
    try:
        fd = private_opener(str(folder / MARK), os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(fd)
    finally:
        with suppress(FileNotFoundError):  # somebody tidies up there
            shutil.rmtree(folder)


def is_temporary(folder: Path) -> bool:
    """True for the temporary folder of a command."""
    return (folder / MARK).exists()


def remove_left_folders() -> None:
    """Delete the temporary folders of this user's commands that were killed."""
    with suppress(OSError):
        for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
            if _NAME.fullmatch(folder.name) and not folder.is_symlink():
                _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    try:
        fd = os.open(folder / MARK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        found = os.fstat(fd)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid():
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
    except BlockingIOError:
        return  # its command runs
    finally:
        os.close(fd)
