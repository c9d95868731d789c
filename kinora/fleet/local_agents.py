"""LocalAgents: the agents that a server starts on its own machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence

import msgspec
import structlog
import trio

from kinora.fleet.local_start import LocalStart, encode_start
from kinora.fleet.memory_file import memory_file
from kinora.runtime.clocks.growing_pauses import GrowingPauses

PROGRAM = "kinora.cli.local_agent"
"""The module that reads a LocalStart from its standard input."""
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 10.0
"""The pauses before an agent that has ended is started again grow from the one to the other."""
STEADY_S = 30.0
"""An agent that has run for this long has settled: the pause after it is the first one again."""
END_S = 1.5
"""The time for an agent to end after SIGTERM; then it is killed, and its fork server ends all that it has started. The
server's jobs have stopped before."""
GONE_S = 2.0
"""The time in which all that an agent has started is gone once it has ended; else its lease decides when it is lost."""

log = structlog.get_logger()


def spread(jobs: int, agents: int) -> list[int]:
    """Return the places of each agent, if so many jobs are to run in them; at least one for each."""
    return [max(1, (jobs + agents - 1 - number) // agents) for number in range(agents)]


def core_shares(cores: int, places: Sequence[int]) -> list[float]:
    """Return the cores that jobs may ask of each agent: an equal share, but one for each of its places at least."""
    return [max(float(own), cores / len(places)) for own in places]


class LocalAgents:
    """Starts agents, starts another one whenever one has ended, and ends them when it is cancelled.

    ``note_gone`` is called with the name and the pid of an agent that has ended, with all that it has started.
    """

    def __init__(self, note_gone: Callable[[str, int], None]) -> None:
        self._note_gone = note_gone
        self._starts: Sequence[LocalStart] = ()
        self._begun = trio.Event()

    def begin(self, starts: Sequence[LocalStart]) -> None:
        """Start these agents as soon as :meth:`run` runs; called once the server can be reached."""
        self._starts = starts
        self._begun.set()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the agents running until cancelled; all have ended then, and all that they have started."""
        task_status.started()
        await self._begun.wait()
        async with trio.open_nursery() as nursery:
            for start in self._starts:
                nursery.start_soon(self._keep_running, start)
            await trio.sleep_forever()

    async def _keep_running(self, start: LocalStart) -> None:
        pauses = GrowingPauses(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while True:
            began = trio.current_time()
            status = await self._run_once(start)
            if trio.current_time() - began >= STEADY_S:
                pauses.reset()
            pause_s = pauses.next_s()
            log.warning("an agent has ended and is started again", agent=start.name, status=status, in_s=pause_s)
            await trio.sleep(pause_s)

    async def _run_once(self, start: LocalStart) -> int:
        """Run an agent to its end, and return its status; if cancelled, end it."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            process = _start(start, theirs)
            try:
                await _wait_exit(process)
            finally:
                with trio.CancelScope(shield=True):  # every wait in it has a deadline
                    await _end(process)
            with trio.move_on_after(GONE_S):
                await trio.lowlevel.wait_readable(ours)  # nobody writes: it is the end
                self._note_gone(start.name, process.pid)
        finally:
            os.close(ours)
        return process.returncode


def _start(start: LocalStart, lifeline: int) -> subprocess.Popen[bytes]:
    """Start an agent by its document, which no argument and no variable shows; the lifeline is open only there then."""
    document = encode_start(msgspec.structs.replace(start, lifeline=lifeline))
    try:
        with memory_file("kinora-agent", document) as opened:
            # Not trio.lowlevel.open_process: it starts from a thread, which matters to parent-death signals.
            process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
                [sys.executable, "-P", "-m", PROGRAM],
                stdin=opened,
                pass_fds=[lifeline],
                start_new_session=True,  # Ctrl-C is for the server, which ends its agents in its order
            )
    finally:
        os.close(lifeline)
    log.info("an agent was started", agent=start.name, pid=process.pid)
    return process


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask it to end, then kill it; one that is stuck in the kernel is left to itself."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is None:
            process.send_signal(number)
            with trio.move_on_after(END_S):
                await _wait_exit(process)


async def _wait_exit(process: subprocess.Popen[bytes]) -> None:
    """Wait until it has ended."""
    if process.poll() is not None:
        return
    held = os.pidfd_open(process.pid)
    try:
        await trio.lowlevel.wait_readable(held)
    finally:
        os.close(held)
    process.wait()
