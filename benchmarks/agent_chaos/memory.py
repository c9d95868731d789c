"""The memory of the server in each of its lives, which must not grow."""

from __future__ import annotations

from collections import defaultdict
from statistics import median

import attrs
import trio

from benchmarks.chaos.house import House
from benchmarks.storms.memory import field_of

EVERY_S = 1.0
WARM_UP_S = 30.0
"""The first part of a life, in which the caches fill."""
MIN_SAMPLES = 30
MAX_GROWTH_MB = 15.0
"""From the first third of the rest of a life to its last third, by their medians."""


@attrs.define
class Memory:
    """Samples of the server's resident memory."""

    house: House
    lives: dict[int, list[float]] = attrs.field(factory=lambda: defaultdict(list))
    """Life → MB, one each second."""

    async def watch(self) -> None:
        """Sample until cancelled."""
        while True:
            if self.house.ended is None and (resident_mb := field_of(self.house.pid, "status", "VmRSS:") / 1024):
                self.lives[self.house.lives].append(resident_mb)
            await trio.sleep(EVERY_S)

    def growths(self) -> dict[int, tuple[float, float, int]]:
        """Life → MB in the first third and in the last third after the warm-up, and its seconds; of long lives."""
        found = {}
        for life, samples in self.lives.items():
            if len(settled := samples[int(WARM_UP_S / EVERY_S) :]) >= MIN_SAMPLES:
                third = len(settled) // 3
                found[life] = (median(settled[:third]), median(settled[-third:]), len(samples))
        return found

    def judge(self) -> list[str]:
        """The lives in which it grew."""
        return [
            f"the server's memory grew from {first:.0f} to {last:.0f} MB in {seconds} s of life {life}, expected"
            f" {MAX_GROWTH_MB:g} MB at most"
            for life, (first, last, seconds) in self.growths().items()
            if last - first > MAX_GROWTH_MB
        ]
