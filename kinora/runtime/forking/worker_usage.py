"""The memory and the processor time that workers use, by what they run."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

import attrs

from kinora.runtime.linux.memory import used_bytes
from kinora.runtime.linux.processes import stat_fields

PLUGIN = "plugin"
"""The program of workers that run a plugin, or look at one."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME = 11
"""The place of utime in /proc/PID/stat behind the command's name; stime, cutime and cstime follow."""


def worker_name(job_id: str, plugin: str, number: int) -> str:
    """Return the name of a stage's worker, by its number from 0: ``job/plugin``, then ``job/plugin#2`` and so on."""
    return f"{job_id}/{plugin}" if number == 0 else f"{job_id}/{plugin}#{number + 1}"


def _plugin_of(name: str) -> str:
    return name.partition("/")[2].partition("#")[0]


@attrs.frozen
class WorkerKind:
    """What a worker runs."""

    program: str
    """The last part of its module's name, such as ``decoder``; ``plugin`` for plugins."""
    plugin: str
    """The plugin of a stage; empty for all others."""

    @classmethod
    def of(cls, target: str, name: str) -> WorkerKind:
        """Return the kind of a worker by its target, ``module:function``, and its name; see :func:`worker_name`."""
        program = target.partition(":")[0].rpartition(".")[2]
        return cls(PLUGIN, _plugin_of(name)) if program == "worker" else cls(program, "")


@attrs.frozen(kw_only=True)
class ProcessUsage:
    """What processes use together, each with its descendants."""

    processes: int = 0
    memory_bytes: int = 0
    """Resident now; a page that several processes share is divided among them."""
    cpu_s: float = 0.0
    """Processor time since their start; that of a descendant counts once it was waited for."""

    def __add__(self, other: ProcessUsage) -> ProcessUsage:
        return ProcessUsage(
            processes=self.processes + other.processes,
            memory_bytes=self.memory_bytes + other.memory_bytes,
            cpu_s=self.cpu_s + other.cpu_s,
        )


def measure(pids: Sequence[int]) -> list[ProcessUsage]:
    """Return what each process uses now; zeros once it has ended. Blocks, about a millisecond for each."""
    return [ProcessUsage(processes=1, memory_bytes=used_bytes(pid), cpu_s=_cpu_s(pid)) for pid in pids]


def _cpu_s(pid: int) -> float:
    with suppress(OSError, ValueError):
        return sum(map(int, stat_fields(pid)[_UTIME : _UTIME + 4])) / _TICKS_PER_S
    return 0.0
