"""The memory of a server's process, and of its whole tree of processes."""

from __future__ import annotations

from pathlib import Path

import attrs
import trio

from kinora.runtime.linux.processes import descendants

EVERY_S = 0.25
_RESET_PEAK = "5"
"""Sets a process's peak to what it has resident now; see proc_pid_clear_refs(5)."""


@attrs.define
class Memory:
    """The peaks since this was made, in MB."""

    pid: int
    server_mb: float = 0.0
    """What the server's process had resident at most, as the kernel counts it: no peak is missed."""
    tree_mb: float = 0.0
    """The most that it had together with all its descendants in any sample; shared pages are divided (PSS)."""

    def __attrs_post_init__(self) -> None:
        Path(f"/proc/{self.pid}/clear_refs").write_text(_RESET_PEAK, encoding="ascii")

    async def watch(self) -> None:
        """Sample for ever."""
        while True:
            await trio.to_thread.run_sync(self.sample)
            await trio.sleep(EVERY_S)

    def sample(self) -> None:
        """Look once."""
        self.server_mb = max(self.server_mb, field_of(self.pid, "status", "VmHWM:") / 1024)
        tree = (self.pid, *descendants(self.pid))
        self.tree_mb = max(self.tree_mb, sum(field_of(pid, "smaps_rollup", "Pss:") for pid in tree) / 1024)


def field_of(pid: int, file: str, name: str) -> int:
    """A number in a file of ``/proc/PID``, where memory is in KiB; 0 once the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/{file}").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), 0)
