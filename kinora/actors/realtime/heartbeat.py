"""The clock of all sessions: one task pings each client when it is due, and gives up those that are silent."""

from __future__ import annotations

import heapq
import math
import time
from itertools import count
from typing import Protocol

import trio

HOLD_S = 0.002
"""The longest time for which the looks at many sessions keep all other tasks waiting."""


class Pulse(Protocol):
    """A session, as the heartbeat sees it."""

    def look(self) -> float:
        """Do what is due now; return the time of the next look on Trio's clock, ``inf`` for none. Never raises."""


class _Entry:
    """A session's place in the queue."""

    __slots__ = ("due", "number", "pulse")

    def __init__(self, due: float, number: int, pulse: Pulse | None) -> None:
        self.due = due
        self.number = number
        self.pulse = pulse
        """None once the session has left."""

    def __lt__(self, other: _Entry) -> bool:
        return (self.due, self.number) < (other.due, other.number)


class Heartbeat:
    """Looks at each session that has joined when it is due, while ``run`` runs.

    A session that leaves is forgotten at once; its place in the queue stays until it would have been due.
    """

    def __init__(self) -> None:
        self._queue: list[_Entry] = []
        self._entries: dict[Pulse, _Entry] = {}
        self._numbers = count()
        self._sooner = trio.Event()
        """Set when a session joins that is due before all others."""

    def join(self, pulse: Pulse, due: float) -> None:
        """Look at a session at this time, and then whenever it asks for that."""
        entry = self._entries[pulse] = _Entry(due, next(self._numbers), pulse)
        heapq.heappush(self._queue, entry)
        if self._queue[0] is entry:
            self._sooner.set()

    def leave(self, pulse: Pulse) -> None:
        """Look at a session no more. A second call does nothing."""
        if (entry := self._entries.pop(pulse, None)) is not None:
            entry.pulse = None

    async def run(self) -> None:
        """Look at the sessions until cancelled; those that have joined stay."""
        while True:
            with trio.move_on_at(self._queue[0].due if self._queue else math.inf):
                await self._sooner.wait()
            self._sooner = trio.Event()
            await self._look_at_due()

    async def _look_at_due(self) -> None:
        breath = time.perf_counter() + HOLD_S
        while self._queue and self._queue[0].due <= trio.current_time():
            self._look_at(self._queue[0])
            if time.perf_counter() > breath:
                await trio.lowlevel.checkpoint()
                breath = time.perf_counter() + HOLD_S

    def _look_at(self, first: _Entry) -> None:
        first.due = math.inf if first.pulse is None else first.pulse.look()
        if first.pulse is not None and first.due < math.inf:
            heapq.heapreplace(self._queue, first)
        else:
            heapq.heappop(self._queue)
