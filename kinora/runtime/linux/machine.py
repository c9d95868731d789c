"""The cores and the memory that this process may use, and their division among workers."""

from __future__ import annotations

import os
from pathlib import Path

from kinora.runtime.linux.control_groups import ROOT, cores_limit, memory_limit

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)
"""The variables that limit the threads of numerical libraries; each library reads its own when it is loaded."""


def cores(root: Path = ROOT) -> int:
    """The number of cores that this process may use, by its affinity and its container's limits; at least 1.

    ``root`` is the folder that has ``proc`` and the control groups.
    """
    allowed = len(os.sched_getaffinity(0))
    limit = cores_limit(root)
    return allowed if limit is None else max(1, min(allowed, int(limit)))


def memory_bytes(root: Path = ROOT) -> int:
    """The machine's memory, or the smallest limit of its containers if that is less; ``root`` as in :func:`cores`."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = memory_limit(root)
    return total if limit is None else min(total, limit)


def threads_per_worker(available: int, jobs: int, stages: int) -> int:
    """The number of threads for each stage, if ``jobs`` jobs of ``stages`` stages run at once on ``available`` cores.

    Every stage gets the same share, and the decoder counts as one, so that all together do not oversubscribe the cores;
    at least 1.
    """
    return max(1, available // (jobs * (stages + 1)))
