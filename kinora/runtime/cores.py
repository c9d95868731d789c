"""Cores: the workers on the server's cores. They decide whether another may begin, and its number of threads."""

from __future__ import annotations

import math

import attrs
import trio

LOAD_S = 1.0
"""The time over which a load is averaged: what is older than that counts for about a third."""
WHOLE_CORE = 0.5
"""The share of a core that must be left for one more thread. A little too many threads cost less than an idle core."""


@attrs.define(eq=False)
class Load:
    """The number of cores that workers have had lately: a mean in which the latest time counts most."""

    _level: int = 0
    """The workers at work since ``_since``, each of which counts as a core."""
    _since: float = attrs.field(factory=trio.current_time)
    _mean: float = 0.0

    def mean(self) -> float:
        """Return the mean up to now."""
        now = trio.current_time()
        kept = math.exp((self._since - now) / LOAD_S)
        self._mean, self._since = self._mean * kept + self._level * (1 - kept), now
        return self._mean

    def move(self, by: int) -> None:
        """Note that so many more workers are at work from now on."""
        self.mean()
        self._level += by

    def add(self, cpu_s: float) -> None:
        """Note that so much processor time was used just now."""
        self._mean = self.mean() + cpu_s / LOAD_S


class Cores:
    """The cores that the server may use, and the workers on them. One object for the whole server.

    It limits nothing by itself: the first worker of a stage always works, a further one only while a core is idle.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._busy = 0
        self._total: Load | None = None
        self._waiting: dict[trio.Event, None] = {}
        """In the order of their coming; one for each stage at most."""

    @property
    def idle(self) -> bool:
        """True while fewer workers are at work than there are cores."""
        return self._busy < self.count

    @property
    def total(self) -> Load:
        """The load of all workers and decoders. Made when Trio runs."""
        if self._total is None:
            self._total = Load()
        return self._total

    def begin(self, load: Load) -> None:
        """Count a worker as at work, also in the ``load`` of its stage; :meth:`end` must follow."""
        self._busy += 1
        self.total.move(1)
        load.move(1)

    def end(self, load: Load) -> None:
        """Note that a worker has done its work. If a core is idle by that, one of those that wait is told."""
        self._busy -= 1
        self.total.move(-1)
        load.move(-1)
        if self._waiting and self.idle:
            self._tell_next()

    def spent(self, cpu_s: float) -> None:
        """Note the processor time that a decoder has used for a frame. Of a long time only the end counts."""
        self.total.add(min(cpu_s, self.count * LOAD_S))

    def threads(self, load: Load, workers: int) -> int:
        """Return how many threads each of a stage's workers may use: their share of what all others leave free.

        ``load`` is that of the stage. At least 1, and at most the number of cores.
        """
        left = self.count - (self.total.mean() - load.mean())
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
