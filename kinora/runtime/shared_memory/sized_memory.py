"""Memory of a fixed size for processes that share it: none of them can make it smaller under another that maps it."""

from __future__ import annotations

import fcntl
import os


def sized_memory(name: str, size: int, *, final: bool) -> int:
    """Return the descriptor of a new ``memfd`` of this size, which takes no room until it is written.

    ``final`` says that nobody may add further seals.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals | fcntl.F_SEAL_SEAL if final else seals)
    except BaseException:
        os.close(fd)
        raise
    return fd
