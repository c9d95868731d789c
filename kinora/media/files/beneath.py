"""Opens what lies beneath a folder: whatever links are put into the path meanwhile, they lead nowhere else."""

from __future__ import annotations

import errno
import os
import struct
from collections.abc import Sequence
from pathlib import Path, PurePath

from kinora.runtime.linux.syscalls import syscall

FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
"""Opening must not wait: a pipe may have been put in a file's place."""
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_OPENAT2 = 437  # on every architecture
_BENEATH, _NO_MAGIC_LINKS = 0x08, 0x02
_REFUSED = (errno.ENOSYS, errno.EPERM)
"""The errors for a system call that the kernel (before 5.6) or a container does not have."""


def open_beneath(path: Path, folders: Sequence[str]) -> int:
    """Return a descriptor of a file or folder, open for reading; it belongs to the caller.

    ``path`` is absolute. It is opened beneath the innermost of ``folders`` that it is in; without folders anything is
    opened.

    Raises:
        OSError: it cannot be opened. ``EXDEV`` or ``ELOOP`` say that it is in no folder, or that a link leads out.
    """
    if not folders:
        return os.open(path, FLAGS)
    root, inside = _innermost(path, folders)
    folder = os.open(root, _FOLDER)
    try:
        return _open_within(folder, inside)
    finally:
        os.close(folder)


def open_without_links(folder: int, inside: PurePath) -> int:
    """Open a path beneath a folder step by step, and follow no link; otherwise as :func:`open_beneath`."""
    if not inside.parts:
        return os.open(".", FLAGS, dir_fd=folder)
    *steps, last = inside.parts
    reached = os.dup(folder)
    try:
        for step in steps:
            deeper = os.open(step, _FOLDER | os.O_NOFOLLOW, dir_fd=reached)
            os.close(reached)
            reached = deeper
        return os.open(last, FLAGS | os.O_NOFOLLOW, dir_fd=reached)
    finally:
        os.close(reached)


def _open_within(folder: int, inside: PurePath) -> int:
    try:
        return _openat2(folder, inside)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    return open_without_links(folder, inside)


def _openat2(folder: int, inside: PurePath) -> int:
    how = struct.pack("QQQ", FLAGS, 0, _BENEATH | _NO_MAGIC_LINKS)
    return syscall(_OPENAT2, folder, os.fsencode(inside), how, len(how))


def folder_around(path: Path, folders: Sequence[str]) -> str | None:
    """The innermost of ``folders`` that ``path`` is in, without links in its path; None without folders.

    Raises:
        OSError: it is in none.
    """
    return os.path.realpath(_innermost(path, folders)[0]) if folders else None


def _innermost(path: Path, folders: Sequence[str]) -> tuple[PurePath, PurePath]:
    """The folder that the path is in, and the rest of the path. Either may be spelled with links or without."""
    spelled = {PurePath(spelling) for folder in folders for spelling in (folder, os.path.realpath(folder))}
    around = [folder for folder in spelled if path.is_relative_to(folder)]
    if not around or ".." in path.parts:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    root = max(around, key=lambda folder: len(folder.parts))
    return root, path.relative_to(root)
