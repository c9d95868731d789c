"""Names of processes, as ``ps`` and ``top`` show them: ``kinora: people 3f2a``.

There are two. The command line, which ``ps`` shows, is overwritten in place: the kernel reads it from there. The short
name, which ``top`` shows, has 15 bytes. Where a system does not allow it, a process keeps the name that it has.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import cache

from kinora.printable import printable
from kinora.runtime.linux.processes import stat_fields
from kinora.runtime.linux.syscalls import prctl_bytes

SHORT_BYTES = 15
"""The longest short name."""
GROUP_LETTERS = 4
"""The letters of a job's id in a name, as in the short ids of the command line."""
_PR_SET_NAME = 15
_ARG_START, _ARG_END = 45, 46
"""The fields of /proc/self/stat with the place of the command line, counted from the state; see proc(5)."""
_IN_PLACE = b"\1"
"""The last byte of a command line that was overwritten: the kernel then shows it up to its first zero byte."""


def name_worker(worker: str) -> None:
    """Name this process after a worker: for ``group/name`` the name and the beginning of the group."""
    group, _, name = worker.rpartition("/")
    name_process(name, group[:GROUP_LETTERS])


def name_process(name: str, group: str = "") -> None:
    """Name this process ``kinora: NAME GROUP``; call it in the main thread. The short name keeps the group whole."""
    name = printable(name)
    title = f"kinora: {name} {group}".rstrip()
    with suppress(OSError):
        _overwrite_command_line(title.encode())
        prctl_bytes(_PR_SET_NAME, short_name(name, group))


def name_main_thread(title: str) -> None:
    """Set the short name alone: the command line goes on showing the arguments."""
    with suppress(OSError):
        prctl_bytes(_PR_SET_NAME, title.encode()[:SHORT_BYTES])


def short_name(name: str, group: str) -> bytes:
    """The whole title if it is short enough; else without ``kinora:``, and if need be without the end of the name."""
    title, end = f"kinora: {name} {group}".rstrip().encode(), f" {group}".rstrip().encode()
    if len(title) <= SHORT_BYTES:
        return title
    return name.encode()[: SHORT_BYTES - len(end)] + end


def _overwrite_command_line(title: bytes) -> None:
    start, size = _command_line()
    if size > 1:
        cut = title[: size - 2]
        ctypes.memmove(start, cut + bytes(size - 1 - len(cut)) + _IN_PLACE, size)


@cache
def _command_line() -> tuple[int, int]:
    """The address and the size of the command line in memory; forked processes have it at the same place.

    Raises:
        OSError: it cannot be found out.
    """
    fields = stat_fields(os.getpid())
    start, end = int(fields[_ARG_START]), int(fields[_ARG_END])
    return start, end - start
