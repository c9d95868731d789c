"""A watch on the event loop: it reports each step that held up all other tasks for long, and the stack that did so."""

from __future__ import annotations

import math
import sys
import threading
import traceback
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice, starmap, takewhile
from pathlib import Path
from time import perf_counter
from types import FrameType
from typing import Self

import attrs
import structlog
import trio

from kinora.runtime.histogram import Histogram

STALL_S = 0.25
"""A step of the event loop that takes longer is a stall: meanwhile no other task runs and no client is served."""
LASTING_S = 5.0
"""A stall that lasts longer is reported before its end as well."""
LOOK_S = 0.1
"""The time between two looks at the event loop: in every stall there are at least two."""
NOTE_S = 0.01
"""The most time between the times noted of the event loop's thread and the begin of a step that is measured by them."""
MAX_FRAMES = 40
"""The most frames of a stack that are reported; the outermost are left out."""
_THREADS = Path("/proc/self/task")
log = structlog.get_logger()


@attrs.frozen
class Stall:
    """One step of the event loop that took too long."""

    held_s: float
    """For how long."""
    task: str
    """The name of the task that ran."""
    stack: Sequence[traceback.FrameSummary]
    """The last stack that was seen in it, outermost frame first; empty if none was."""
    ended: bool
    """False if the step still runs."""


@attrs.frozen
class LoopStatistics:
    """The number of stalls so far, the longest of them in seconds, 0 if there was none, and the lag."""

    stalls: int
    longest_s: float
    lag: Histogram
    """The time from each look to the moment at which the event loop had time for it, as for a client's request."""


@attrs.frozen
class CoreTime:
    """The seconds for which a thread has run on a core, and for which it has waited for one."""

    ran_s: float
    waited_s: float

    def __sub__(self, other: CoreTime) -> CoreTime:
        return CoreTime(self.ran_s - other.ran_s, self.waited_s - other.waited_s)


NONE = CoreTime(0, 0)


@attrs.frozen
class _Seen:
    """What the looks at one step of the event loop have shown."""

    began: float
    before: Mapping[int, CoreTime]
    """The times of the other threads at the look before the step."""
    stack: Sequence[traceback.FrameSummary] = ()
    reported: bool = False


class LoopWatch(trio.abc.Instrument):
    """Watches the event loop in which it is entered as a context manager.

    A thread looks at the event loop every ``LOOK_S``. Not counted is the time for which the event loop's thread waited
    for a core, and for which it slept while other threads of this process, which may have had the GIL, waited for one.
    """

    def __init__(self) -> None:
        self._stalls = 0
        self._longest_s = 0.0
        self._lag = Histogram()
        self._began = math.inf  # of the current step; infinite while there is none
        self._task_name = ""
        self._own = NONE
        self._noted = -math.inf
        self._last_look: Mapping[int, CoreTime] = {}
        self._seen = _Seen(math.inf, {})
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="loop watch", daemon=True)

    def __enter__(self) -> Self:
        self._ident, self._native_id = threading.get_ident(), threading.get_native_id()
        self._token = trio.lowlevel.current_trio_token()
        self._last_look = core_times()
        trio.lowlevel.add_instrument(self)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        trio.lowlevel.remove_instrument(self)
        self._left.set()
        self._thread.join()

    def statistics(self) -> LoopStatistics:
        """The current figures; a stall is counted at its end."""
        return LoopStatistics(self._stalls, self._longest_s, self._lag)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        """Note that a step begins, and so that the one before it has ended."""
        now = perf_counter()
        if now - self._began > STALL_S:
            self._judge(self._began, now)
        if now - self._noted > NOTE_S:
            self._own, self._noted = core_time(self._native_id), now
        self._began, self._task_name = now, task.name

    def before_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - the signature is Trio's
        """Note that the last step has ended."""
        now = perf_counter()
        if now - self._began > STALL_S:
            self._judge(self._began, now)
        self._began = math.inf

    def _judge(self, began: float, now: float) -> None:
        """Count and report the step that has ended, if it is a stall."""
        seen = self._seen if self._seen.began == began else _Seen(began, self._last_look)
        held_s = self._held_s(seen, now)
        if held_s > STALL_S:
            self._stalls += 1
            self._longest_s = max(self._longest_s, held_s)
            log_stall(Stall(held_s, self._task_name, seen.stack, ended=True))

    def _watch(self) -> None:
        while not self._left.wait(LOOK_S):
            self._token.run_sync_soon(self._note_lag, perf_counter())  # before the look, which has to wait for the GIL
            self._look()

    def _note_lag(self, asked: float) -> None:
        self._lag.add(perf_counter() - asked)

    def _look(self) -> None:
        began, times = self._began, core_times()
        if began != self._seen.began:
            self._seen = _Seen(began, self._last_look)
        elif began != math.inf:
            self._look_again(self._seen)
        self._last_look = times

    def _look_again(self, seen: _Seen) -> None:
        """Look at a step that has been seen before."""
        stack, task_name = self._current_stack(), self._task_name
        if self._began != seen.began:
            return  # the stack is that of another step
        held_s = 0.0 if seen.reported else self._held_s(seen, perf_counter())
        self._seen = attrs.evolve(seen, stack=stack, reported=seen.reported or held_s > LASTING_S)
        if held_s > LASTING_S:
            log_stall(Stall(held_s, task_name, stack, ended=False))

    def _held_s(self, seen: _Seen, now: float) -> float:
        times = core_times()
        own = times.pop(self._native_id, NONE) - self._own
        others = [time - seen.before.get(thread, NONE) for thread, time in times.items()]
        return held_s(now - seen.began, own, others)

    def _current_stack(self) -> Sequence[traceback.FrameSummary]:
        frame = sys._current_frames()[self._ident]  # noqa: SLF001 - there is no public way
        frames = starmap(_summary, islice(traceback.walk_stack(frame), MAX_FRAMES))
        return list(takewhile(_is_of_task, frames))[::-1]


def _summary(frame: FrameType, line: int) -> traceback.FrameSummary:
    """The place of a frame without its text: Python would read the whole file for that, and keep it for good."""
    code = frame.f_code
    return traceback.FrameSummary(code.co_filename, line, code.co_name, lookup_line=False, line="")


def _is_of_task(frame: traceback.FrameSummary) -> bool:
    """False for the frame of Trio that runs the tasks; those inside it are the task's."""
    return frame.name != "unrolled_run"


def log_stall(stall: Stall) -> None:
    """Write a stall to the log; called in any thread."""
    log.warning(
        "a step of the event loop held up all others"
        if stall.ended
        else "a step of the event loop holds up all others",
        held_ms=round(stall.held_s * 1000),
        task=stall.task,
        stack="".join(traceback.format_list(list(stall.stack))),
    )


def held_s(took_s: float, own: CoreTime, others: Iterable[CoreTime]) -> float:
    """The seconds for which a step that took ``took_s`` held up the event loop, without those lost to other processes.

    ``own`` is what the event loop's thread spent meanwhile, ``others`` are those of the other threads of the process.
    """
    slept_s = max(0.0, took_s - own.ran_s - own.waited_s)
    return took_s - own.waited_s - min(slept_s, sum(other.waited_s for other in others))


def core_times() -> dict[int, CoreTime]:
    """The times of each thread of this process, by its id."""
    return {thread: core_time(thread) for thread in [int(entry.name) for entry in _THREADS.iterdir()]}


def core_time(thread: int) -> CoreTime:
    """The times of a thread of this process; see :func:`core_time_in`."""
    return core_time_in(f"/proc/self/task/{thread}")


def core_time_in(folder: Path | str) -> CoreTime:
    """The times of the thread whose folder in ``/proc`` this is; that of a process stands for its first thread.

    Zero if it has ended, or if the kernel does not keep them; see its Documentation/scheduler/sched-stats.rst.
    """
    try:
        with open(f"{folder}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123 - a path would cost more than the read
            ran_ns, waited_ns, _ = file.read().split()
    except (FileNotFoundError, ProcessLookupError):
        return NONE
    return CoreTime(int(ran_ns) / 1e9, int(waited_ns) / 1e9)
