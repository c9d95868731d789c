"""What work leaves behind in this process and below its fork server: nothing, if it is done well."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from kinora.runtime.forking.workers import ForkServer
from kinora.runtime.linux.processes import descendants


@contextmanager
def no_traces(fork_server: ForkServer) -> Iterator[None]:
    """No process and no descriptor more at the end than at the start."""
    processes, descriptors = _processes(fork_server), _descriptors()
    yield
    assert _processes(fork_server) == processes
    left = _descriptors() ^ descriptors
    assert not left, left


def _descriptors() -> set[str]:
    """What each stands for; but for those with which somebody reads ``/proc`` or, for a traceback, a source."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(f"{entry.name}: {entry.readlink()}")
    return {descriptor for descriptor in found if ": /proc/" not in descriptor and not descriptor.endswith(".py")}


def _processes(fork_server: ForkServer) -> set[int]:
    pid = fork_server.statistics().pid
    assert pid is not None
    return descendants(pid)
