"""Leases: what may work no longer is killed, even if the one who is to see to it is stopped."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from kinora.runtime.clocks.boot_clock import boot_s
from kinora.runtime.clocks.lease import Lease
from kinora.runtime.forking.workers import ForkServer, ForkServerGone, LeaseEnded
from tests.runtime.targets import ECHO

PLENTY_S = 30.0
"""A safety net."""
SOON_S = 1.5
"""The time after a lease's end in which a busy machine has killed everything."""


@pytest.fixture
def lifeline() -> Iterator[tuple[int, int]]:
    """A pipe whose end is read once no process holds its writing end."""
    reading, writing = os.pipe2(os.O_CLOEXEC)
    yield reading, writing
    os.close(reading)


def test_a_lease_counts_from_the_time_it_was_asked_for() -> None:
    """An answer that comes late, or after a newer one, extends nothing."""
    lease = Lease(5.0)
    assert not lease.is_over(1000.0)
    assert lease.grant(10.0, now=10.2)
    assert lease.grant(11.0, now=12.0)
    assert not lease.grant(10.5, now=12.0)
    assert lease.end == 16.0
    assert not lease.is_over(15.9)
    assert lease.is_over(16.0)


def test_a_lease_that_is_over_stays_so() -> None:
    """A process that was stopped meanwhile cannot take it up again: what worked under it is gone."""
    lease = Lease(5.0)
    lease.grant(10.0, now=10.0)
    assert not lease.grant(20.0, now=20.1)
    assert lease.is_over(20.2)


def test_all_is_gone_at_the_end_of_the_lease_though_its_owner_is_stopped(lifeline: tuple[int, int]) -> None:
    """So no worker, nor what it has started, outlives a lease, whatever becomes of the agent itself."""
    reading, writing = lifeline
    command = [sys.executable, "-m", "tests.runtime.lease_program", str(writing), "0.8"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, pass_fds=[writing], cwd=Path(__file__).parents[2]
    ) as program:
        os.close(writing)
        assert program.stdout is not None
        until = float(program.stdout.readline())
        os.kill(program.pid, signal.SIGSTOP)
        try:
            assert select.select([reading], [], [], PLENTY_S)[0]
            assert os.read(reading, 1) == b""
            assert until <= boot_s() < until + SOON_S
        finally:
            program.kill()


async def test_a_lease_that_is_renewed_goes_on() -> None:
    """The newest end counts; without one the workers stay, as in a server that has its jobs to itself."""
    async with trio.open_nursery() as nursery:
        forks = ForkServer()
        await nursery.start(forks.run)
        async with forks.worker(ECHO, "echo") as talk:
            with trio.fail_after(PLENTY_S):
                first = boot_s() + 0.5
                while boot_s() < first + 0.3:
                    await forks.lease(boot_s() + 0.5)
                    assert await talk.ask("here") == "here"
                    await trio.sleep(0.05)
                await forks.lease(None)
                await trio.sleep(0.6)
                assert await talk.ask("still here") == "still here"
        nursery.cancel_scope.cancel()


async def test_the_next_fork_server_is_under_the_lease_as_well() -> None:
    """One that takes the place of another is told the end before it forks anything, and ends if that is past."""
    forks = ForkServer()
    await forks.lease(boot_s())

    async def fork() -> None:
        with pytest.raises(ForkServerGone):
            await forks.fork(ECHO.target, "echo")

    async def scenario() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(fork)
            await forks.run()

    with trio.fail_after(PLENTY_S), pytest.RaisesGroup(pytest.RaisesExc(LeaseEnded)):
        await scenario()
    assert forks.statistics().workers == 0
