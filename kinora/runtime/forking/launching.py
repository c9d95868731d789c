"""Starts the process of the fork server. It needs no event loop and few imports, so that a command can do it first."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import attrs

from kinora.runtime.forking.channel import socket_pair
from kinora.runtime.forking.worker_environment import SET, passed_on

_BOOTSTRAP = """import sys
sys.path[:] = sys.argv[3:]
from kinora.runtime.forking.forkserver import main
main(int(sys.argv[1]), sys.argv[2].split(",") if sys.argv[2] else [])
"""
"""Modules are imported from the same places as here, and not from the working folder, which may hold a select.py."""


@attrs.frozen
class Launch:
    """How the process of a fork server is started."""

    preload: Sequence[str] = ()
    """The modules that it imports before the first fork; none of them may start a thread."""
    environment: Sequence[str] = ()
    """Names of further variables that workers get, see :mod:`~kinora.runtime.forking.worker_environment`."""
    variables: Mapping[str, str] = attrs.field(factory=dict)
    """Variables that are set for them, whatever the server's own values."""
    lifeline: int | None = None
    """A descriptor that the process keeps open until all that it has started is gone."""

    def start(self) -> Launched:
        """Start the process. It ends by itself once the other end of its channel is closed."""
        ours, theirs = socket_pair()
        with theirs:
            return Launched(_process(theirs, self), ours)

    def variables_of_process(self) -> dict[str, str]:
        """The whole environment of the process."""
        return {**passed_on(os.environ, self.environment), **self.variables, **SET}


@attrs.define
class Launched:
    """A process of a fork server that nobody has talked to so far; at the end of the block it is killed if so still."""

    process: subprocess.Popen[bytes]
    end: socket.socket
    """The server's end of its channel."""
    taken: bool = False
    """True if another takes care of both."""

    def take(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        """Return the process and the channel, which are the caller's to end and to close."""
        self.taken = True
        return self.process, self.end

    def __enter__(self) -> Self:
        """Begin the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Kill the process, which has forked none, unless it was taken."""
        if not self.taken:
            self.end.close()
            self.process.kill()
            self.process.wait()


def _process(end: socket.socket, launch: Launch) -> subprocess.Popen[bytes]:
    # Not trio.lowlevel.open_process: it starts processes from a thread, which matters to parent-death signals.
    return subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
        [sys.executable, "-P", "-c", _BOOTSTRAP, str(end.fileno()), ",".join(launch.preload), *sys.path],
        stdin=subprocess.DEVNULL,
        pass_fds=[end.fileno(), *([] if launch.lifeline is None else [launch.lifeline])],
        env=launch.variables_of_process(),
        start_new_session=True,
    )
