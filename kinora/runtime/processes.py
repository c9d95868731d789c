"""Linux's means to keep hold of processes: parent-death signals, subreapers, and the tree of processes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from kinora.runtime.syscalls import prctl

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_OOM_SCORE_HIGHEST = "1000"
_NICENESS = 10
"""The niceness for a lower priority, on the scale of nice(2) and of autogroups alike; see sched(7)."""


def die_with_parent(signal_number: int, parent: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends; see prctl(2).

    ``parent`` is the expected parent's pid: if the parent has already gone, this process ends at once.
    """
    prctl(_PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(0)


def become_subreaper() -> None:
    """Have orphaned descendants become children of this process instead of init's; see prctl(2)."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_first() -> None:
    """Have the kernel kill this process and all that it starts first if the machine runs out of memory."""
    with contextlib.suppress(OSError):  # it may be forbidden in a container
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE_HIGHEST)


def lower_priority() -> None:
    """Let other processes go first, by niceness and by autogroup.

    If the kernel schedules by session, niceness alone counts only within this process's own.
    """
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(_NICENESS), encoding="ascii")


def children(pid: int) -> set[int]:
    """The pids of a process's direct children, zombies included; empty if it does not exist."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return {int(child) for task in tasks for child in (task / "children").read_text().split()}
    except (FileNotFoundError, ProcessLookupError):
        return _children_by_scan(pid) if Path(f"/proc/{pid}").exists() else set()


def _children_by_scan(pid: int) -> set[int]:
    """The same for kernels without ``CONFIG_PROC_CHILDREN``, by the parent that each process names."""
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            stat = (entry / "stat").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        # The name in parentheses may hold anything; the state and the parent's pid follow its last one.
        if int(stat.rpartition(b")")[2].split()[1]) == pid:
            found.add(int(entry.name))
    return found


def descendants(pid: int) -> set[int]:
    """The pids of everything below a process."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children(waiting.pop()) - found:
            found.add(child)
            waiting.append(child)
    return found
