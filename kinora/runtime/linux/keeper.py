"""Runs one command, and kills all that it has started once nobody wants it any more.

The one who wants it holds the other end of this process's stdin. However that one ends, the end closes, and the command
is asked to end by SIGTERM, then killed with everything below it, which this process has kept hold of as a subreaper.
If this process is killed itself, the command is killed with it.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from functools import partial

from kinora.runtime.linux.processes import become_subreaper, children, descendants, die_with_parent, kill_children

KILL_S = 5.0
"""The time in which killed processes should be gone; what is there after it is stuck in the kernel and is left."""
POLL_S = 0.01
"""The interval between two looks at processes that were killed."""


def keep(command: Sequence[str], environment: Mapping[str, str], grace_s: float, stdin: int | None = None) -> int:
    """Run a command until it ends or stdin is closed at the other end; then nothing of it is left. Return its status.

    The command has the same stdin, unless it is given another one. ``grace_s`` is the time that it has to end by itself
    after SIGTERM. Call it in the main thread of a process that has no other.
    """
    become_subreaper()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it ends with the command, and a signal may be for the whole group
    process = subprocess.Popen(  # noqa: S603 - the caller's own command
        command,
        env=dict(environment),
        stdin=stdin,
        preexec_fn=partial(_begin, os.getpid()),  # noqa: PLW1509 - there is no other thread
    )
    try:
        if _is_unwanted(process.pid):
            process.terminate()
            _wait(process.pid, grace_s)
            process.kill()
        return process.wait()
    finally:
        _kill_all()


def _begin(parent: int) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    die_with_parent(signal.SIGKILL, parent)


def _is_unwanted(pid: int) -> bool:
    """Wait for the end of the process or of stdin; False if it was that of the process."""
    ended = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(0, 0)  # the end of a pipe is always told; what is to be read is the command's
        return ended not in {fd for fd, _ in poll.poll()}
    finally:
        os.close(ended)


def _wait(pid: int, limit_s: float) -> None:
    ended = os.pidfd_open(pid)
    try:
        select.select([ended], [], [], limit_s)
    finally:
        os.close(ended)


def _kill_all() -> None:
    """Kill everything below this process: what a killed process leaves behind becomes a child of this one."""
    until = time.monotonic() + KILL_S
    while children(os.getpid()) and time.monotonic() < until:
        for pid in (*descendants(os.getpid()), os.getpid()):
            kill_children(pid)
        _reap()
        time.sleep(POLL_S)


def _reap() -> None:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass
