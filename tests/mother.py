"""The mother of fork servers: a process that has imported what they import, from which the suite has its own forked.

The start of a system costs half a second of processor time, nearly all of it for these imports, and the suite starts
hundreds. A fork server that is forked after the imports is what one is that has made them itself. Those that commands
start, and those with other modules or another environment, are started as ever.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import cast

import attrs
import pytest

from kinora.preloading import launch_of
from kinora.runtime.forking.channel import Channel, socket_pair
from kinora.runtime.forking.launching import Launch, Launched
from kinora.runtime.linux.processes import become_subreaper
from kinora.runtime.linux.syscalls import prctl
from kinora.settings import Settings

PR_SET_CHILD_SUBREAPER = 36
ADOPTING = Lock()
_BOOTSTRAP = """import sys
sys.path[:] = sys.argv[3:]
from tests.mother_program import serve
serve(int(sys.argv[1]), sys.argv[2].split(","))
"""


class Forked:
    """A process that was forked elsewhere and has become a child of this one: what of a Popen its owner needs."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Return the exit code once the process has ended."""
        return self.returncode if self.returncode is not None else self._reap(os.WNOHANG)

    def wait(self) -> int | None:
        """Wait until it has ended."""
        return self.returncode if self.returncode is not None else self._reap(0)

    def kill(self) -> None:
        """Kill it."""
        if self.poll() is None:
            os.kill(self.pid, signal.SIGKILL)

    def _reap(self, flags: int) -> int | None:
        pid, status = os.waitpid(self.pid, flags)
        if pid:
            self.returncode = os.waitstatus_to_exitcode(status)
        return self.returncode


@attrs.frozen
class Mother:
    """The process, as the suite sees it. It ends when its channel is closed."""

    launch: Launch
    """The one start that she stands for."""
    environment: dict[str, str]
    path: list[str]
    process: subprocess.Popen[bytes]
    end: socket.socket

    @classmethod
    def begin(cls, launch: Launch) -> Mother:
        """Start the process, and wait until it has made its imports."""
        ours, theirs = socket_pair()
        environment = launch.variables_of_process()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BOOTSTRAP, str(theirs.fileno()), ",".join(launch.preload), *sys.path],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
            )
        assert Channel(ours).recv()[0] == b"ready"
        return cls(launch, environment, list(sys.path), process, ours)

    def stands_for(self, launch: Launch) -> bool:
        """True if a process that is started in this way now would be what she forks."""
        return (
            launch.preload == self.launch.preload
            and launch.variables_of_process() == self.environment
            and sys.path == self.path
        )

    def fork(self, launch: Launch) -> Launched:
        """Have a fork server forked, as a child of this process."""
        ours, theirs = socket_pair()
        lifeline = [] if launch.lifeline is None else [launch.lifeline]
        with theirs, adopting():
            channel = Channel(self.end)
            channel.send(os.fsencode(Path.cwd()), [theirs.fileno(), 1, 2, *lifeline])
            pid, _ = channel.recv()
        return Launched(cast("subprocess.Popen[bytes]", Forked(int(pid))), ours)

    def end_it(self) -> None:
        """End the process."""
        self.end.close()
        self.process.wait()


@contextmanager
def adopting() -> Iterator[None]:
    """Become the parent of processes below this one whose own parent ends meanwhile; one thread at a time."""
    with ADOPTING:
        become_subreaper()
        try:
            yield
        finally:
            prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture(scope="session")
def mother() -> Iterator[Mother]:
    """The mother of the fork servers of this session."""
    mother = Mother.begin(launch_of(Settings()))
    yield mother
    mother.end_it()


@pytest.fixture(autouse=True)
def forked_fork_servers(mother: Mother, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the fork servers of systems in this process forked."""
    start = Launch.start

    def start_or_fork(launch: Launch) -> Launched:
        return mother.fork(launch) if mother.stands_for(launch) else start(launch)

    monkeypatch.setattr(Launch, "start", start_or_fork)
