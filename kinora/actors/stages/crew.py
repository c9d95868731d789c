"""Crew: the replicas of a stage. It decides which of them takes the next frame, and when there is to be another one."""

from __future__ import annotations

import math
from collections.abc import Callable

import trio

from kinora.actors.stages.replica import Replica
from kinora.actors.stages.stage_spec import StageSpec
from kinora.runtime.forking.cores import Cores, Load

GROW_AFTER_S = 0.2
"""The time, in sum, for which frames have waited for the stage while cores were idle, before it gets another replica.
A process costs memory and the time of ``prepare``, which a short job does not win back."""


THREADS_FOR_S = 1.0
"""The time for which a number of threads holds. Libraries need some time to change it."""


class Crew:
    """The replicas of a stage: one at first, and never none."""

    def __init__(self, spec: StageSpec, make: Callable[[int], Replica], cores: Cores) -> None:
        """``make`` makes the replica with a number, which counts from 0."""
        self._spec = spec
        self._make = make
        self._cores = cores
        self._changed: trio.Event | None = None
        """What the stage waits for, while it does."""
        self._taken: set[Replica] = set()
        self._on_cores: set[Replica] = set()
        self._load = Load()
        self._threads = 1
        self.reset()

    def reset(self) -> None:
        """Begin with one replica, which is not prepared. The others must have ended."""
        for replica in list(self._on_cores):
            self.rest(replica)
        self._threads_until = -math.inf
        self._taken.clear()
        self.replicas = [self._make(0)]
        self._most = self._spec.replicas
        self._starved_s = 0.0
        self._lost = 0

    @property
    def is_waited_for(self) -> bool:
        """True while the stage has a frame that no replica can take."""
        return self._changed is not None

    @property
    def may_grow(self) -> bool:
        """True if there may be another replica."""
        return len(self.replicas) < self._most

    @property
    def output(self) -> bytes:
        """The end of the output of the running processes, one after the other."""
        return b"".join(replica.output for replica in self.replicas)

    def at_hand(self) -> list[Replica]:
        """Return those that take frames, in the order of their coming."""
        return [replica for replica in self.replicas if replica.prepared]

    @property
    def prepared(self) -> int:
        """The number of replicas that take frames."""
        return len(self.at_hand())

    def pick(self) -> Replica | None:
        """Take a replica, and count it as at work; :meth:`give_back` must follow. None if none may work now.

        One of several works always; a further one on an idle core, unless the client has set the number of replicas.
        One that is not prepared is taken only if none is.
        """
        if self._on_cores and not (self._cores.idle or self._spec.fixed_replicas):
            return None
        chosen = self._first_free()
        if chosen is not None:
            self._taken.add(chosen)
            self._on_cores.add(chosen)
            self._cores.begin(self._load)
        return chosen

    def _first_free(self) -> Replica | None:
        if not self._taken and self.replicas[0].prepared:
            return self.replicas[0]
        for replica in self.replicas:
            if replica.prepared and replica not in self._taken:
                return replica
        return None if self._taken else self.replicas[0]

    def rest(self, replica: Replica) -> None:
        """Note that a replica is not at work any more; it is not free for another frame yet."""
        if replica in self._on_cores:
            self._on_cores.remove(replica)
            self._cores.end(self._load)

    def give_back(self, replica: Replica) -> None:
        """Note that a replica has done its frame, and is free for another one."""
        self.rest(replica)
        self._taken.discard(replica)
        self.changed()

    def dismiss(self, replica: Replica) -> None:
        """Note that a replica's process has ended. If there are others, it goes; a new one may come in its place."""
        if len(self.replicas) > 1:
            self.replicas.remove(replica)
            self._lost += 1

    def changed(self) -> None:
        """Wake the stage if it waits for a replica."""
        if self._changed is not None:
            self._changed.set()

    def threads(self) -> int:
        """Return how many threads the libraries of each process may use now."""
        now = trio.current_time()
        if now >= self._threads_until:
            self._threads = self._cores.threads(self._load, self.prepared)
            self._threads_until = now + THREADS_FOR_S
        return self._threads

    async def wait(self) -> None:
        """Wait until it makes sense to :meth:`pick` again."""
        self._changed = trio.Event()
        try:
            await self._cores.wait(self._changed)
        finally:
            self._changed = None

    # Growing

    def is_short(self, *, frames_wait: bool, run_s: float) -> bool:
        """Return whether there should be another replica, after one was at work on a frame for so long.

        If the client has set their number, all are there soon after the first frame.
        """
        if not self.may_grow or self._spec.fixed_replicas:
            return self.may_grow
        if not frames_wait:
            return False
        self._starved_s += run_s if self._cores.idle else 0.0
        return self._starved_s >= GROW_AFTER_S

    def candidate(self) -> Replica:
        """Make a replica with the lowest number that is free; :meth:`join` takes it in once it is prepared."""
        self._starved_s = 0.0
        taken = {replica.number for replica in self.replicas}
        return self._make(next(number for number in range(self._most) if number not in taken))

    def join(self, replica: Replica) -> bool:
        """Take a prepared replica in, and return whether it takes the place of one that was lost."""
        self.replicas.append(replica)
        replaces = self._lost > 0
        self._lost -= replaces
        self.changed()
        return replaces

    def grow_no_further(self) -> None:
        """Note that there is to be no other replica: the stage goes on with those that it has."""
        self._most = len(self.replicas)

    async def end(self) -> None:
        """End all processes at once. Bounded in time; completes even if cancelled."""
        async with trio.open_nursery() as nursery:
            for replica in self.replicas:
                nursery.start_soon(replica.end)
