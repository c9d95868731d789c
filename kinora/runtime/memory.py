"""The memory that a worker and its descendants use, read from ``/proc``. Synchronous and blocking."""

from __future__ import annotations

import os
from pathlib import Path

from kinora.runtime.processes import descendants

_PAGE = os.sysconf("SC_PAGE_SIZE")


def uses_more(pid: int, limit: int) -> bool:
    """True if a process and its descendants together have more than ``limit`` bytes resident.

    A page that several processes share is divided among them. This exact figure is costly. It is read only if the cheap
    one, which counts such a page in full for each process, exceeds the limit.
    """
    tree = (pid, *descendants(pid))
    return sum(map(_resident, tree)) > limit and sum(map(_proportional, tree)) > limit


def _resident(pid: int) -> int:
    """The resident bytes of a process, shared pages in full; 0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """The resident bytes of a process, shared pages divided; in full if the exact figure cannot be read."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return _resident(pid)
