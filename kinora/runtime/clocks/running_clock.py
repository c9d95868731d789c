"""A clock for Trio that does not count the time in which this process did not run.

A process may be stopped for any time: by SIGSTOP, by ``docker pause`` or a frozen cgroup, or with its whole machine.
Once it runs again, the system's clock has passed many deadlines. What they waited for may be there nevertheless, or was
stopped as well: workers that ran well would be killed and healthy clients cut. So this clock stands still for that
time: all that waits has as much time left as before. One clock does this for every deadline of Trio, so that none of
them needs code of its own.

It can be told when a process did not run, because Trio looks at the clock before and after each wait for I/O. The clock
limits each wait to ``MAX_WAIT_S``; one that took ``LATE_S`` longer than it was to take was broken into. Its outcome is
not to be trusted either: after SIGCONT, Python's ``epoll.poll`` gives up if its time is over, and gives ``[]`` although
something may be ready. As the clock has not moved on, no deadline passes before Trio has asked for I/O once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import trio

MAX_WAIT_S = 0.25
"""The longest wait for I/O. At most this much time that was waited for is given again after a stop."""
LATE_S = 0.05
"""A wait that ends later than it should, by more than this, was broken into."""
MAX_STEP_S = 1.0
"""The most time between two looks at the clock outside of waits that counts; no code of the server takes so long."""
JUMP_S = 1.0
"""A stop that took longer than this is a jump, which clients may have noticed."""


class RunningClock(trio.abc.Clock):
    """The seconds for which this process has run since the clock was started; ``trio.run(..., clock=RunningClock())``.

    A late wait does not count. If the one before it was late as well, it counts as what it should have taken: on a
    machine that is too busy for any wait to end in time, the clock is slow but goes on. ``system_time`` gives the
    seconds of a monotonic clock.
    """

    def __init__(self, system_time: Callable[[], float] = perf_counter) -> None:
        self.last_jump = -math.inf
        """The time on this clock of the last jump; minus infinity if there was none."""
        self._system_time = system_time
        self._now = 0.0
        self._looked = 0.0
        """The time on the system's clock of the last look."""
        self._due_s: float | None = None
        """While Trio waits for I/O: for how long it does."""
        self._was_late = False
        """True if the last wait was late and did not count."""

    def start_clock(self) -> None:
        """Begin to count; Trio calls this."""
        self._looked = self._system_time()

    def current_time(self) -> float:
        """The time on this clock."""
        looked = self._system_time()
        passed_s, self._looked = looked - self._looked, looked
        due_s, self._due_s = self._due_s, None
        if passed_s > JUMP_S:
            self.last_jump = self._now
        self._now += self._counted_step_s(passed_s) if due_s is None else self._counted_wait_s(passed_s, due_s)
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """The seconds until a deadline, as many as may be waited; Trio calls this before each wait."""
        self._due_s = min(max(deadline - self.current_time(), 0.0), MAX_WAIT_S)
        return self._due_s

    def _counted_step_s(self, passed_s: float) -> float:
        return passed_s if passed_s <= MAX_STEP_S else 0.0

    def _counted_wait_s(self, passed_s: float, due_s: float) -> float:
        if passed_s <= due_s + LATE_S:
            self._was_late = False
            return passed_s
        self._was_late = not self._was_late
        return 0.0 if self._was_late else due_s


def last_jump() -> float:
    """The time on Trio's clock at which it last stood still for more than ``JUMP_S``; minus infinity if it never did.

    That is the case, too, if Trio runs on another clock.
    """
    clock = trio.lowlevel.current_clock()
    return clock.last_jump if isinstance(clock, RunningClock) else -math.inf
