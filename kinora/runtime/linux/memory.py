"""The memory that workers and their descendants use, read from ``/proc``. Synchronous and blocking."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from kinora.runtime.linux.processes import descendants

_PAGE = os.sysconf("SC_PAGE_SIZE")


def uses_more(pid: int, limit: int) -> bool:
    """True if a process and its descendants together have more than ``limit`` bytes resident.

    A page that several processes share is divided among them. This exact figure is costly. It is read only if the cheap
    one, which counts such a page in full for each process, exceeds the limit.
    """
    return largest_beyond([pid], limit) is not None


def largest_beyond(pids: Iterable[int], budget: int) -> int | None:
    """Return which of the processes uses the most memory, if all together use more than ``budget`` bytes; else None.

    Each counts with its descendants, and shared pages count as in :func:`uses_more`.
    """
    trees = {pid: (pid, *descendants(pid)) for pid in pids}
    if sum(resident_bytes(process) for tree in trees.values() for process in tree) <= budget:
        return None
    sizes = {pid: sum(map(_proportional, tree)) for pid, tree in trees.items()}
    return max(sizes, key=sizes.__getitem__) if sum(sizes.values()) > budget else None


def used_bytes(pid: int) -> int:
    """The resident bytes of a process and its descendants, as in :func:`uses_more`; 0 once it has ended."""
    return sum(map(_proportional, (pid, *descendants(pid))))


def resident_bytes(pid: int) -> int:
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
        return resident_bytes(pid)
