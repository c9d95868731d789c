"""A keeper leaves nothing of its command behind, however the end comes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from kinora.runtime.linux.processes import status_of

KEEPER = """
import os, sys
from kinora.runtime.linux.keeper import keep
sys.exit(keep(sys.argv[1:], os.environ, 5.0))
"""
FAMILY = """
import subprocess, sys, time
grandchild = subprocess.Popen(["sleep", "1000"], start_new_session=True)
print(grandchild.pid, flush=True)
time.sleep(1000)
"""
"""A command with a child in a session of its own."""
LIMIT_S = 20.0


def start(*command: str) -> subprocess.Popen[str]:
    """Start a keeper of a command."""
    return subprocess.Popen(
        [sys.executable, "-c", KEEPER, *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def end_of(pid: int) -> None:
    """Wait until a process has ended, whoever is to reap it."""
    with trio.fail_after(LIMIT_S):
        while (status := status_of(pid)) is not None and status.running:  # noqa: ASYNC110 - nothing tells
            await trio.sleep(0.01)


@pytest.mark.parametrize("end", ["stdin", "SIGKILL of the command"])
async def test_nothing_is_left_when_nobody_wants_the_command_or_it_was_killed(end: str) -> None:
    """Not even what it has started in a session of its own."""
    with start(sys.executable, "-c", FAMILY) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdin is not None
        grandchild = int(keeper.stdout.readline())
        command = status_of(grandchild)
        assert command is not None
        if end == "stdin":
            keeper.stdin.close()
        else:
            os.kill(command.parent, signal.SIGKILL)
        await end_of(grandchild)
        await end_of(command.parent)
        assert keeper.wait(LIMIT_S) != 0


async def test_the_command_ends_with_a_keeper_that_was_killed() -> None:
    """The kernel sees to that."""
    with start(sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(1000)") as keeper:
        assert keeper.stdout is not None
        command = int(keeper.stdout.readline())
        keeper.kill()
        await end_of(command)


def test_a_command_may_say_good_bye(tmp_path: Path) -> None:
    """It gets SIGTERM first, and the keeper ends as it does."""
    left = tmp_path / "left"
    polite = f"""
import pathlib, signal, sys, time
def end(*_):
    pathlib.Path({str(left)!r}).touch()
    sys.exit(7)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
time.sleep(1000)
"""
    with start(sys.executable, "-c", polite) as keeper:
        assert keeper.stdout is not None
        assert keeper.stdin is not None
        keeper.stdout.readline()
        keeper.send_signal(signal.SIGTERM)  # of no effect: a signal may be for the whole group
        keeper.stdin.close()
        assert keeper.wait(LIMIT_S) == 7
    assert left.exists()


def test_the_keeper_ends_as_the_command_does() -> None:
    """Its exit code is the command's."""
    with start(sys.executable, "-c", "raise SystemExit(3)") as keeper:
        assert keeper.wait(LIMIT_S) == 3
