"""The watch on the event loop, with loops that are really held up."""

from __future__ import annotations

import linecache
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from traceback import FrameSummary

import pytest
import trio
from structlog.testing import capture_logs

from kinora.runtime import loop_watch
from kinora.runtime.loop_watch import CoreTime, LoopWatch, Stall, held_s
from tests.stalls import is_of_server

STALL_S = 0.1
HELD_S = 2 * STALL_S
HANG_S = 60.0
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits that take a test little time to reach."""
    monkeypatch.setattr(loop_watch, "STALL_S", STALL_S)
    monkeypatch.setattr(loop_watch, "LASTING_S", HELD_S)
    monkeypatch.setattr(loop_watch, "LOOK_S", STALL_S / 5)


@pytest.fixture
def stalls(monkeypatch: pytest.MonkeyPatch) -> list[Stall]:
    """The stalls that are reported at their end."""
    reported: list[Stall] = []
    monkeypatch.setattr(loop_watch, "log_stall", lambda stall: reported.append(stall) if stall.ended else None)
    return reported


def hold_up(seconds: float, watch: LoopWatch | None = None) -> None:
    """Keep a core busy for this long, not counting the time without a core, and until ``watch`` has seen the stack."""
    end = time.thread_time() + seconds
    while time.thread_time() < end or (watch is not None and not watch._seen.stack):
        pass


async def hold(seconds: float, watch: LoopWatch | None = None) -> None:
    """Hold up the event loop in a step of its own."""
    await trio.lowlevel.checkpoint()
    hold_up(seconds, watch)
    await trio.lowlevel.checkpoint()


async def test_a_step_that_takes_long_is_counted_and_reported_with_its_stack(stalls: list[Stall]) -> None:
    """The report has the duration, the task, and the functions that held up the loop, from the task's own inwards."""
    with LoopWatch() as watch:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(hold, HELD_S, watch)
            nursery.start_soon(hold, 0.0)
    [stall] = stalls
    assert stall.task.endswith("hold")
    assert [frame.name for frame in stall.stack] == ["hold", "hold_up"]
    assert watch.statistics().stalls == 1
    assert watch.statistics().longest_s == stall.held_s >= HELD_S * 0.8  # the kernel counts in ticks


async def test_short_steps_are_no_stall(stalls: list[Stall]) -> None:
    """Many steps that together take longer than the limit are not reported."""
    with LoopWatch() as watch:
        for _ in range(20):
            await hold(STALL_S / 10)
    assert stalls == []
    assert watch.statistics().stalls == 0


async def test_each_stall_is_reported_once_and_the_longest_is_kept(stalls: list[Stall]) -> None:
    """A short stall after a long one is counted, and the figure for the longest stays."""
    with LoopWatch() as watch:
        await hold(2 * HELD_S)
        longest_s = watch.statistics().longest_s
        await hold(HELD_S)
    assert len(stalls) == watch.statistics().stalls == 2
    assert watch.statistics().longest_s == longest_s


async def test_a_stall_is_reported_while_it_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step that never ends is in the log too, with its stack; one that ends is reported again."""
    reports: list[Stall] = []
    reported = threading.Event()

    def report(stall: Stall) -> None:
        reports.append(stall)
        reported.set()

    monkeypatch.setattr(loop_watch, "log_stall", report)
    with LoopWatch():
        await trio.lowlevel.checkpoint()
        assert reported.wait(HANG_S)  # in the step that is reported
        await trio.lowlevel.checkpoint()
    assert [stall.ended for stall in reports] == [False, True]
    assert "test_a_stall_is_reported_while_it_lasts" in [frame.name for frame in reports[0].stack]


async def test_waiting_for_a_core_is_no_stall(stalls: list[Stall]) -> None:
    """A step that takes long because other processes use its core is not reported."""
    with busy_core(), LoopWatch():
        await trio.lowlevel.checkpoint()
        began = time.perf_counter()
        hold_up(STALL_S / 2)
        took_s = time.perf_counter() - began
        await trio.lowlevel.checkpoint()
    assert took_s > STALL_S
    assert stalls == []


@contextmanager
def busy_core() -> Iterator[None]:
    """Confine this thread, and those that it starts, to one core, and share that with busy processes."""
    allowed = os.sched_getaffinity(0)
    with ExitStack() as stack:
        os.sched_setaffinity(0, {min(allowed)})
        stack.callback(os.sched_setaffinity, 0, allowed)
        for _ in range(6):
            spinner = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", "print(flush=True)\nwhile True: pass"], stdout=subprocess.PIPE)
            )
            stack.callback(spinner.kill)
            assert spinner.stdout is not None
            spinner.stdout.readline()
        yield


def test_what_other_threads_wait_counts_only_while_the_loop_sleeps() -> None:
    """Time asleep is not counted if other threads, which may have the GIL, waited for a core; work always is."""
    assert held_s(1.0, CoreTime(1.0, 0.0), [CoreTime(0.0, 5.0)]) == 1.0
    assert held_s(1.0, CoreTime(0.0, 0.0), []) == 1.0
    assert held_s(1.0, CoreTime(0.25, 0.5), []) == 0.5
    assert held_s(1.0, CoreTime(0.25, 0.5), [CoreTime(0.0, 0.125)]) == 0.375
    assert held_s(1.0, CoreTime(0.25, 0.5), [CoreTime(0.0, 5.0)]) == 0.25


async def test_the_report_of_a_stall_keeps_no_source_in_memory() -> None:
    """Python keeps the lines of each file that a traceback shows, which adds up in a server that stands for months."""
    linecache.clearcache()
    with capture_logs() as lines, LoopWatch() as watch:
        await hold(HELD_S, watch)
    assert any(f'File "{__file__}"' in line.get("stack", "") for line in lines)
    assert not linecache.cache


def test_the_log_names_the_function_that_held_up_the_loop() -> None:
    """A stall is one line of the log, with the milliseconds, the task and the stack as Python writes it."""
    stack = [FrameSummary("kinora/x.py", 7, "slow", line="regex.match(text)")]
    with capture_logs() as lines:
        loop_watch.log_stall(Stall(0.3, "serve", stack, ended=True))
    [line] = lines
    assert (line["log_level"], line["held_ms"], line["task"]) == ("warning", 300, "serve")
    assert "x.py" in line["stack"]
    assert "in slow" in line["stack"]


@pytest.mark.parametrize(
    ("files", "task", "servers"),
    [
        (["tests/web/test_x.py", "kinora/web/app.py", "/usr/lib/python3/re.py"], "tests.x", True),
        (["kinora/web/app.py", "tests/web/test_x.py"], "kinora.x", False),
        (["/usr/lib/python3/re.py"], "kinora.x", True),
        ([], "tests.x", False),
    ],
)
def test_the_suite_knows_whose_a_stall_is(files: list[str], task: str, servers: bool) -> None:
    """The innermost frame of the server or of the tests decides; without one, the task."""
    stack = [FrameSummary(str(ROOT / file), 1, "function", line="") for file in files]
    assert is_of_server(Stall(2.0, task, stack, ended=True)) is servers
