"""The clock does not count the time in which the process did not run: no deadline passes because of it."""

from __future__ import annotations

import math
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest
import trio

from kinora.runtime.clocks.running_clock import JUMP_S, LATE_S, MAX_STEP_S, MAX_WAIT_S, RunningClock, last_jump

ROOT = Path(__file__).parents[2]
PLENTY_S = 30.0


@attrs.define
class SystemTime:
    """A clock of the system that only a test moves."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@attrs.define
class Stage:
    """A running clock, and the system's clock below it."""

    time: SystemTime = attrs.field(factory=SystemTime)
    clock: RunningClock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.clock = RunningClock(self.time)
        self.clock.start_clock()

    def step(self, seconds: float) -> float:
        """Work that takes this long; return the time after it."""
        self.time.now += seconds
        return self.clock.current_time()

    def wait(self, seconds: float, *, late: float = 0.0) -> float:
        """Wait as Trio does until this much later, and be late; return the time after that."""
        self.time.now += self.clock.deadline_to_sleep_time(self.clock.current_time() + seconds) + late
        return self.clock.current_time()


@pytest.fixture
def stage() -> Stage:
    """A clock that has just been started."""
    return Stage()


def test_what_ran_is_counted(stage: Stage) -> None:
    """Steps and waits of usual length count in full, late by a little or not."""
    assert stage.step(0.5) == pytest.approx(0.5)
    assert stage.wait(0.2) == pytest.approx(0.7)
    assert stage.wait(0.1, late=LATE_S / 2) == pytest.approx(0.8 + LATE_S / 2)
    assert stage.clock.last_jump == -math.inf


def test_no_wait_is_long(stage: Stage) -> None:
    """A distant deadline, and one that is infinitely far, are waited for piece by piece; a past one is not."""
    for distance in (3600.0, math.inf):
        assert stage.clock.deadline_to_sleep_time(distance) == MAX_WAIT_S
    assert stage.clock.deadline_to_sleep_time(-1) == 0


@pytest.mark.parametrize("late", [LATE_S + 0.01, 3.5, 86_400.0])
def test_a_wait_that_was_broken_into_does_not_count(stage: Stage, late: float) -> None:
    """A deadline that the system's clock has passed meanwhile is as far away as before, and is met in time then."""
    stage.wait(0.25)
    assert stage.wait(0.1, late=late) == pytest.approx(0.25)
    assert stage.wait(0.1) == pytest.approx(0.35)


def test_a_stop_during_a_step_does_not_count(stage: Stage) -> None:
    """The process may also be stopped while a task runs."""
    stage.step(0.2)
    assert stage.step(MAX_STEP_S + 2.5) == pytest.approx(0.2)
    assert stage.step(0.1) == pytest.approx(0.3)


def test_two_stops_in_a_row_make_no_deadline_pass(stage: Stage) -> None:
    """The second late wait counts as what it should have taken, and no more."""
    stage.wait(0.1, late=3.5)
    assert stage.wait(0.1, late=3.5) == pytest.approx(0.1)
    assert stage.wait(0.1, late=3.5) == pytest.approx(0.1)


def test_the_clock_goes_on_although_each_wait_is_late(stage: Stage) -> None:
    """On a machine that is too busy for its timers, deadlines are met late, but are met."""
    waits = 0
    while stage.clock.current_time() < 2.0:
        stage.wait(2.0 - stage.clock.current_time(), late=0.4)
        waits += 1
    assert waits <= 2 * 2.0 / MAX_WAIT_S + 2


def test_a_jump_is_known_by_its_time(stage: Stage) -> None:
    """Only what clients may have noticed is a jump."""
    stage.wait(0.2)
    stage.wait(0.1, late=JUMP_S / 2)
    assert stage.clock.last_jump == -math.inf
    stage.wait(0.1, late=JUMP_S)
    assert stage.clock.last_jump == pytest.approx(stage.clock.current_time() - 0.1)


async def test_another_clock_knows_of_no_jump() -> None:  # noqa: ASYNC124 - it needs a clock of Trio
    """Code that asks for the last jump runs on any clock of Trio."""
    assert last_jump() == -math.inf


def test_deadlines_of_trio_stand_still() -> None:
    """A task whose process was stopped for an hour, in the midst of a step, goes on as if that had not been."""
    time_ = SystemTime()
    ran = RunningClock(lambda: time.perf_counter() + time_.now)

    async def main() -> None:
        with trio.move_on_after(PLENTY_S) as scope:
            await trio.sleep(0.01)
            time_.now += 3600
            await trio.sleep(0.01)
            assert last_jump() == pytest.approx(trio.current_time(), abs=PLENTY_S)
        assert not scope.cancelled_caught

    trio.run(main, clock=ran)


WAITING = """
import os, socket, sys, trio
from kinora.runtime.clocks.running_clock import RunningClock

async def main():
    end = trio.socket.fromfd(int(sys.argv[1]), socket.AF_UNIX, socket.SOCK_SEQPACKET)
    await end.send(b"ready")
    with trio.move_on_after(float(sys.argv[2])):
        await end.recv(100)
        print("answer")
        return
    print("timeout")

trio.run(main, clock=RunningClock())
"""


@pytest.mark.parametrize("answered", [True, False], ids=["answered", "silent"])
def test_a_stopped_process_gets_the_answer_that_came_meanwhile(answered: bool) -> None:
    """The answer to a process that is stopped beyond its time limit counts as in time; its silence still is one."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    limit_s = 0.5
    with ours, theirs:
        command = [sys.executable, "-c", WAITING, str(theirs.fileno()), str(limit_s)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[theirs.fileno()], cwd=ROOT) as process:
            assert ours.recv(100) == b"ready"
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            if answered:
                ours.send(b"here")
            time.sleep(limit_s + 0.5)  # the process must not run for this time
            process.send_signal(signal.SIGCONT)
            said = process.communicate()
    assert said[0] == (b"answer\n" if answered else b"timeout\n")
