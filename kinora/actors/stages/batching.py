"""Batching: how many frames a stage hands to its plugin together, and how long the first of them waits for others."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.stages.stage_spec import StageSpec
from kinora.plugins.protocol import BATCH_BYTES

FRUITLESS_IN_ROW = 3
"""The batches in a row that fail though each of their frames succeeds alone. After them frames come one by one."""
SHARE_OF_TIMEOUT = 0.5
"""The share of ``plugin_timeout_ms`` that a batch may be expected to take, as all of it must be done within that."""

TIMER_S = 0.001
"""A timer may be so late, as the system counts in milliseconds: a wait for others ends earlier by this much.

A batch's first frame then has its result no later than ``batch_wait_ms`` after the one that it would have had alone.
"""


class Batching:
    """Decides on the batches of one stage. It neither waits nor starts anything."""

    def __init__(self, spec: StageSpec) -> None:
        self._spec = spec
        self._taken = spec.max_batch
        """The most that the prepared plugin takes."""
        self._run_ms = 0.0
        """The time that a frame took lately."""
        self._arrivals: deque[float] = deque(maxlen=max(2, spec.max_batch))
        self._fruitless = 0

    def note_prepared(self, max_batch: int) -> None:
        """Note how many frames the prepared plugin takes at once; never more than its metadata says."""
        self._taken = min(max_batch, self._spec.max_batch)

    def most(self, ring: JobRing) -> int:
        """The most frames of a batch now, which lie in this ring."""
        if self._fruitless >= FRUITLESS_IN_ROW:
            return 1
        most = min(self._taken, ring.batch)
        if self._run_ms <= 0:
            return most
        in_time = SHARE_OF_TIMEOUT * self._spec.plugin_timeout_ms / self._run_ms
        return most if in_time >= most else max(1, int(in_time))

    def note_arrival(self, ticket: FrameTicket) -> None:
        """Note since when a frame has waited."""
        self._arrivals.append(ticket.queued_at)

    def wait_until(self, first: FrameTicket) -> float:
        """The time, on Trio's clock, until which a batch that begins with this frame may wait for others.

        It is over at once where frames have come so slowly that a wait would be in vain, as from a camera.
        """
        most_s = self._spec.batch_wait_ms / 1000
        wait_s = most_s - min(TIMER_S, most_s / 2)
        slow = len(self._arrivals) > 1 and all(later - sooner >= wait_s for sooner, later in pairwise(self._arrivals))
        return first.queued_at + (0.0 if slow else wait_s)

    @staticmethod
    def fits(batch: Sequence[FrameTicket]) -> bool:
        """Whether these frames fit into one request, with their results of earlier plugins."""
        return sum(len(result) for ticket in batch for result in ticket.results.values()) <= BATCH_BYTES

    def note_run(self, run_ms: float) -> None:
        """Note the time that a frame took, alone or as its share of a batch."""
        self._run_ms = run_ms

    def note_success(self) -> None:
        """Note that a batch was done, or that one of its frames is to blame for its failure."""
        self._fruitless = 0

    def note_fruitless(self) -> bool:
        """Note that a batch has failed though each of its frames succeeds alone; return whether it was the last one."""
        self._fruitless += 1
        return self._fruitless == FRUITLESS_IN_ROW
