"""What this process may use of the machine, and how that is shared out among workers."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""By these, numerical libraries learn how many threads they may start; each reads its own when it is loaded."""


def cores() -> int:
    """The cores that this process may use, by its affinity and by its container's quota; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    match _own_limit("cpu.max").split():
        case [quota, period] if quota.isdecimal():
            return max(1, min(allowed, int(quota) // int(period)))
    return allowed


def memory_bytes() -> int:
    """The machine's memory, or what the container may use of it if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _own_limit("memory.max").strip()
    return min(total, int(limit)) if limit.isdecimal() else total


def threads_per_worker(available: int, jobs: int, stages: int) -> int:
    """How many threads each stage may use, when ``jobs`` of so many stages run at once on ``available`` cores.

    Every stage gets the same share and the decoder counts as one, so that all together do not oversubscribe the cores;
    at least 1.
    """
    return max(1, available // (jobs * (stages + 1)))


def _own_limit(name: str) -> str:
    """A file of this process's own control group; empty where there is none."""
    try:
        group = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        return (_CGROUPS / group.removeprefix("0::/") / name).read_text()
    except (OSError, StopIteration):
        return ""
