"""How much memory a worker and what it started use, as the kernel tells it in ``/proc``. Plain and blocking."""

from __future__ import annotations

import os
from pathlib import Path

from kinora.runtime.processes import descendants

_PAGE = os.sysconf("SC_PAGE_SIZE")


def uses_more(pid: int, limit: int) -> bool:
    """Whether a process and all below it have more than ``limit`` bytes resident.

    A page that several processes share counts in shares; the costly exact figures are asked for only where the cheap
    ones, in which it counts in full for each, are beyond the limit.
    """
    tree = (pid, *descendants(pid))
    return sum(map(_resident, tree)) > limit and sum(map(_proportional, tree)) > limit


def _resident(pid: int) -> int:
    """0 once it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    """What is resident, shared pages in shares; all of it where the process or the kernel does not let us look."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_bytes().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(b"Pss:"))
    except (OSError, StopIteration):
        return _resident(pid)
