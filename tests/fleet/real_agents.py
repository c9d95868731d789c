"""Agents in processes of their own that join a server of a test, under a short lease."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path

import attrs
import trio

from kinora.fleet.agent_book import KILLING_S
from kinora.fleet.joined import Joined
from kinora.fleet.link import MARGIN_S
from kinora.fleet.local_start import LocalStart, encode_start
from kinora.runtime.linux.processes import children, descendants, status_of
from kinora.serve import RunningServer
from kinora.settings.transfer import encode_settings

SAFETY_S = 120.0
"""Far more than anything takes on a busy machine."""
BUSY_S = 1.0
"""What a machine that is busy with other things may take beyond a time that is promised."""
SHORT_LEASE_S = 4.0
"""The lease of these agents, who renew it five times a second."""
LOST_AFTER_S = SHORT_LEASE_S + MARGIN_S + KILLING_S
"""What ``agent_book.LOST_AFTER_S`` must be for them."""


@attrs.frozen
class RealAgent:
    """An agent that has joined."""

    process: subprocess.Popen[bytes]
    joined: Joined

    def workers(self) -> set[int]:
        """The processes of its jobs: all that its fork server has started."""
        return descendants(self.process.pid) - children(self.process.pid)


@asynccontextmanager
async def real_agents(server: RunningServer, urls: Mapping[str, str]) -> AsyncIterator[Mapping[str, RealAgent]]:
    """Agents of these names with one place each, and the addresses by which they reach the server.

    At the end nothing of them is left.
    """
    with ExitStack() as stack:
        processes: dict[str, subprocess.Popen[bytes]] = {}
        for name, url in urls.items():
            processes[name] = stack.enter_context(_process(_start(server, name, url)))
            stack.callback(processes[name].kill)
        yield {name: RealAgent(process, await joined(server, name)) for name, process in processes.items()}


def _start(server: RunningServer, name: str, url: str) -> LocalStart:
    return LocalStart(
        server_pid=os.getpid(),
        url=url,
        token=None,
        certificate=None,
        name=name,
        places=1,
        settings=encode_settings(server.system.settings),
    )


def _process(start: LocalStart) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.agent.short_lease", str(SHORT_LEASE_S)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parents[2])
    assert process.stdin is not None
    process.stdin.write(encode_start(start))
    process.stdin.close()
    return process


async def joined(server: RunningServer, name: str) -> Joined:
    """Wait until a server has an agent of this name, and return it."""
    await until(lambda: _named(server, name))
    return _named(server, name)[0]


def _named(server: RunningServer, name: str) -> list[Joined]:
    return [agent for agent in server.system.agent_book.all() if agent.facts.name == name]


def run(pids: set[int]) -> bool:
    """Whether any of these processes runs."""
    return any((status := status_of(pid)) is not None and status.running for pid in pids)


async def until(condition: Callable[[], object]) -> None:
    """Wait for a state of other processes that can only be polled."""
    with trio.fail_after(SAFETY_S):
        while not condition():  # noqa: ASYNC110 - as said
            await trio.sleep(0.02)


async def check_gone(pids: set[int]) -> None:
    """None of these processes runs."""
    with trio.fail_after(BUSY_S):
        await until(lambda: not run(pids))
