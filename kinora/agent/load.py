"""LoadMeter: how busy an agent is."""

from __future__ import annotations

import os
from collections.abc import Iterable

import trio

from kinora.fleet.link import RENEW_S, Load
from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.forking.worker_usage import ProcessUsage, measure
from kinora.runtime.forking.workers import ForkServer

SHORTEST_S = RENEW_S / 2
"""Over a shorter time than this nothing is measured, as after the process was stopped: the clock of the kernel's
figures is too coarse."""


class LoadMeter:
    """Measures an agent's processes again and again."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._last: tuple[float, float] | None = None
        """The time and the processor time of the last measurement, in seconds."""
        self.load = Load(busy_cpus=0.0, memory=0, workers=0)
        """As it was measured last."""

    async def run(self) -> None:
        """Measure before each renewal of the lease, in threads."""
        while True:
            kinds = await self._fork_server.usage()
            own = await trio.to_thread.run_sync(measure, [os.getpid()])
            self.note(boot_s(), [*kinds.values(), *own])
            await trio.sleep(RENEW_S)

    def note(self, now: float, usages: Iterable[ProcessUsage]) -> None:
        """Take what the processes have used by this time."""
        total = sum(usages, ProcessUsage())
        last_s, last_cpu_s = self._last or (now - RENEW_S, total.cpu_s)
        if now - last_s < SHORTEST_S:
            return
        busy = (total.cpu_s - last_cpu_s) / (now - last_s)
        self._last = now, total.cpu_s
        self.load = Load(
            busy_cpus=round(max(0.0, busy), 2),
            memory=total.memory_bytes,
            workers=self._fork_server.statistics().workers,
        )
