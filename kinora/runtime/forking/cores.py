"""Cores: the workers on the server's cores. They decide whether another may begin, and its number of threads."""

from __future__ import annotations

import math

import trio

LOAD_S = 1.0
"""The time over which a load is averaged: what is older than that counts for about a third."""
WHOLE_CORE = 0.5
"""The share of a core that must be left for one more thread. A little too many threads cost less than an idle core."""


class Load:
    """The number of cores that workers have had lately: a mean in which the latest time counts most.

    Each method takes the time, on Trio's clock.
    """

    __slots__ = ("_level", "_mean", "_since")

    def __init__(self) -> None:
        self._level = 0
        self._mean = 0.0
        self._since = 0.0

    def mean(self, now: float) -> float:
        """Return the mean up to now."""
        kept = math.exp((self._since - now) / LOAD_S)
        self._mean, self._since = self._level + (self._mean - self._level) * kept, now
        return self._mean

    def move(self, by: int, now: float) -> None:
        """Note that so many more workers, each of which counts as a core, are at work from now on."""
        self.mean(now)
        self._level += by

    def add(self, cpu_s: float, now: float) -> None:
        """Note that so much processor time was used just now."""
        self._mean = self.mean(now) + cpu_s / LOAD_S


class Cores:
    """The cores that the server may use, and the workers on them. One object for the whole server.

    It limits nothing by itself: the first worker of a stage always works, a further one only while a core is idle.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._busy = 0
        self._total = Load()
        """Of all workers and decoders."""
        self._waiting: dict[trio.Event, None] = {}
        """In the order of their coming; one for each stage at most."""

    @property
    def idle(self) -> bool:
        """True while fewer workers are at work than there are cores."""
        return self._busy < self.count

    def begin(self, load: Load) -> None:
        """Count a worker as at work, also in the ``load`` of its stage; :meth:`end` must follow."""
        self._busy += 1
        now = trio.current_time()
        self._total.move(1, now)
        load.move(1, now)

    def end(self, load: Load) -> None:
        """Note that a worker has done its work. If a core is idle by that, one of those that wait is told."""
        self._busy -= 1
        now = trio.current_time()
        self._total.move(-1, now)
        load.move(-1, now)
        if self._waiting and self.idle:
            self._tell_next()

    def spent(self, cpu_s: float) -> None:
        """Note the processor time that a decoder has used for a frame. Of a long time only the end counts."""
        self._total.add(min(cpu_s, self.count * LOAD_S), trio.current_time())

    def threads(self, load: Load, workers: int) -> int:
        """Return how many threads each of a stage's workers may use: their share of what all others leave free.

        ``load`` is that of the stage. At least 1, and at most the number of cores.
        """
        now = trio.current_time()
        left = self.count - (self._total.mean(now) - load.mean(now))
        return max(1, min(self.count, math.floor(left / max(1, workers) + WHOLE_CORE)))

    async def wait(self, changed: trio.Event) -> None:
        """Wait until ``changed`` is set: by the caller's own side, or here because a core has become idle."""
        self._waiting[changed] = None
        try:
            await changed.wait()
        finally:
            self._waiting.pop(changed, None)

    def _tell_next(self) -> None:
        event = next(iter(self._waiting))
        del self._waiting[event]
        event.set()
