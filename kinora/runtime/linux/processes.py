"""Linux's means to keep hold of processes: parent-death signals, subreapers, and the tree of processes."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import attrs

from kinora.runtime.linux.syscalls import prctl

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
    pids = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal()]
    return {found for found in pids if (status := status_of(found)) is not None and status.parent == pid}


@attrs.frozen
class ProcessStatus:
    """What the kernel says about a process."""

    running: bool
    """False if it has ended, and its parent has not asked for its status yet."""
    parent: int
    session: int
    """The pid of the process that began its session."""


def stat_fields(pid: int) -> list[bytes]:
    """The fields of /proc/PID/stat behind the command's name, which may hold anything; the state is the first.

    Raises:
        OSError: there is no such process, or it may not be looked at.
    """
    return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()


def status_of(pid: int) -> ProcessStatus | None:
    """The status of a process; None if there is none with this pid."""
    try:
        state, parent, _group, session = stat_fields(pid)[:4]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return ProcessStatus(state not in {b"Z", b"X"}, int(parent), int(session))


def kill_child(pid: int, parent: int) -> bool:
    """Send SIGKILL to a process if it is a child of ``parent`` that still runs; return whether it was.

    The pid may be that of another process by now, which is not harmed: it is held by a descriptor before its parent is
    looked at.
    """
    try:
        held = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        status = status_of(pid)
        if status is None or status.parent != parent or not status.running:
            return False
        signal.pidfd_send_signal(held, signal.SIGKILL)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True


def kill_children(parent: int, session: int | None = None) -> int:
    """Send SIGKILL to the children of another process; return the number that still ran.

    ``session`` is the pid of the child whose session alone is meant, the child included. What a child has started
    becomes a child of ``parent``, if that is a subreaper, when the child ends: so repeat this until none is left.
    """
    pids = [pid for pid in children(parent) if session in {None, pid} or _session_of(pid) == session]
    return sum(kill_child(pid, parent) for pid in pids)


def _session_of(pid: int) -> int | None:
    status = status_of(pid)
    return None if status is None else status.session


def descendants(pid: int) -> set[int]:
    """The pids of everything below a process."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        for child in children(waiting.pop()) - found:
            found.add(child)
            waiting.append(child)
    return found
