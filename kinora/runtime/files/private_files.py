"""Files and folders that only the server's own user account may read, whatever the umask is."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700


def private_opener(path: str, flags: int) -> int:
    """Open a file for ``open(…, opener=private_opener)``; if it is made, only its owner may read and write it.

    Raises:
        OSError: it cannot be opened.
    """
    fd = os.open(path, flags | os.O_CLOEXEC, FILE_MODE)
    try:
        os.fchmod(fd, FILE_MODE)
    except BaseException:
        os.close(fd)
        raise
    return fd


def make_private_folder(path: Path) -> None:
    """Make the folder if it is missing, and close it to other users.

    A folder that others share on purpose, such as ``/tmp`` with its sticky bit, is left as it is, and so is one that
    belongs to another user.

    Raises:
        OSError: it cannot be made.
    """
    path.mkdir(parents=True, exist_ok=True, mode=FOLDER_MODE)
    if not path.stat().st_mode & stat.S_ISVTX:
        with contextlib.suppress(PermissionError):
            path.chmod(FOLDER_MODE)


def make_private(files: Iterable[Path]) -> None:
    """Close to other users those of these files that exist; links, and files of another user, are left as they are."""
    for file in files:
        with contextlib.suppress(FileNotFoundError, PermissionError):
            if stat.S_ISREG(file.lstat().st_mode):
                file.chmod(FILE_MODE)


def planted_file(folder: Path, names: Iterable[str]) -> Path | None:
    """The first of these files that another user may have put into a shared folder: a link, or not our own.

    None if there is none, or the folder is not shared.
    """
    if not folder.stat().st_mode & stat.S_ISVTX:
        return None
    return next(filter(_is_planted, (folder / name for name in names)), None)


def _is_planted(file: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        found = file.lstat()
        return stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid()
    return False
