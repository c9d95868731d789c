"""The cores and the memory that this process may use, and their division among workers."""

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
"""The variables that limit the threads of numerical libraries; each library reads its own when it is loaded."""


def cores() -> int:
    """The number of cores that this process may use, by its affinity and its container's quota; at least 1."""
    allowed = len(os.sched_getaffinity(0))
    match _own_limit("cpu.max").split():
        case [quota, period] if quota.isdecimal():
            return max(1, min(allowed, int(quota) // int(period)))
    return allowed


def memory_bytes() -> int:
    """The machine's memory, or the container's limit if that is less."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _own_limit("memory.max").strip()
    return min(total, int(limit)) if limit.isdecimal() else total


def threads_per_worker(available: int, jobs: int, stages: int) -> int:
    """The number of threads for each stage, if ``jobs`` jobs of ``stages`` stages run at once on ``available`` cores.

    Every stage gets the same share, and the decoder counts as one, so that all together do not oversubscribe the cores;
    at least 1.
    """
    return max(1, available // (jobs * (stages + 1)))


def _own_limit(name: str) -> str:
    """The text of a file of this process's own control group; empty if there is none."""
    try:
        group = next(line for line in Path("/proc/self/cgroup").read_text().splitlines() if line.startswith("0::"))
        return (_CGROUPS / group.removeprefix("0::/") / name).read_text()
    except (OSError, StopIteration):
        return ""
