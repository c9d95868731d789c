"""The time for which a server's event loop ran on a core, and waited for one that other programs had."""

from __future__ import annotations

from pathlib import Path

import attrs


@attrs.frozen
class CoreTime:
    """Seconds of a process's first thread; see Documentation/scheduler/sched-stats.rst of the kernel."""

    ran_s: float
    waited_s: float

    def __sub__(self, other: CoreTime) -> CoreTime:
        return CoreTime(self.ran_s - other.ran_s, self.waited_s - other.waited_s)


def core_time(pid: int) -> CoreTime:
    """The time since the process began."""
    ran_ns, waited_ns, _ = Path(f"/proc/{pid}/schedstat").read_bytes().split()
    return CoreTime(int(ran_ns) / 1e9, int(waited_ns) / 1e9)
