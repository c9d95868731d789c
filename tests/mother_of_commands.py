"""The mother of commands: a process that has imported Kinora's commands, from which the suite has its own forked.

The start of ``python -m kinora`` costs up to a second of processor time, nearly all of it for imports, and the suite
starts hundreds. A command that is forked after them is a process like any other: a child of its own starter, with its
own streams, arguments, variables, signals and exit code. Only /proc shows the command line and the variables of the
mother, and what a command imports cannot be seen: tests of that are marked ``own_start``, and their commands are
started as ever. So are those that ask for more than streams, arguments, a folder and variables, and those with other
variables that Python reads when it starts.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kinora.runtime.forking.channel import Channel, socket_pair
from tests.mother import adopting
from tests.mother_of_commands_program import Order

KINORA = [sys.executable, "-m", "kinora"]
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ")
"""How variables begin that Python, or what is below it, reads only when it starts."""


class Mother:
    """The process, which is started when it is first needed."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None

    def fork(self, args: Sequence[Any], folder: Any, variables: Mapping[Any, Any], streams: Sequence[int]) -> int:
        """Have a command forked, as a child of this process; return its pid."""
        order = Order(
            args=[os.fsencode(arg) for arg in args],
            folder=os.fsencode(folder or Path.cwd()),
            variables={os.fsencode(name): os.fsencode(value) for name, value in variables.items()},
        )
        with adopting():
            channel = Channel(self._started())
            channel.send(msgspec.msgpack.encode(order), streams)
            pid, _ = channel.recv()
        return int(pid)

    def end_it(self) -> None:
        """End the process, if there is one."""
        if self._process is not None and self._end is not None:
            self._end.close()
            self._process.wait()

    def _started(self) -> socket.socket:
        if self._end is None:
            self._end, theirs = socket_pair()
            with theirs:
                command = [sys.executable, "-m", "tests.mother_of_commands_program", str(theirs.fileno())]
                self._process = subprocess.Popen(command, cwd=Path(__file__).parents[1], pass_fds=[theirs.fileno()])
        return self._end


@pytest.fixture(scope="session")
def mother_of_commands() -> Iterator[Mother]:
    """The mother of the commands of this session."""
    mother = Mother()
    yield mother
    mother.end_it()


@pytest.fixture(autouse=True)
def forked_commands(
    request: pytest.FixtureRequest, mother_of_commands: Mother, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have the commands forked that this process starts, but for tests marked ``own_start``."""
    if request.node.get_closest_marker("own_start") is not None:
        return
    start = subprocess.Popen._execute_child  # type: ignore[attr-defined]

    def start_or_fork(popen: Any, *how: Any) -> None:
        args, _executable, _preexec_fn, _close_fds, _pass_fds, folder, variables, *_ = how
        pipes = how[10:16]
        variables = os.environ if variables is None else variables
        if not _is_plain(how) or not _are_ours(variables):
            start(popen, *how)
            return
        streams = [fd if fd != -1 else number for number, fd in enumerate((pipes[0], pipes[3], pipes[5]))]
        popen.pid = mother_of_commands.fork(args[len(KINORA) :], folder, variables, streams)
        popen._child_created = True
        popen._close_pipe_fds(*pipes)

    monkeypatch.setattr(subprocess.Popen, "_execute_child", start_or_fork)


def _is_plain(how: Sequence[Any]) -> bool:
    """True for a command of Kinora's that asks for nothing which a fork has not."""
    args, executable, preexec_fn, _close_fds, pass_fds, _folder, _variables, _info, _flags, shell, *_ = how
    others = how[16:]
    return (
        isinstance(args, list)
        and args[: len(KINORA)] == KINORA
        and executable in {None, sys.executable}
        and preexec_fn is None
        and not pass_fds
        and not shell
        and others == (True, None, None, None, -1, False, -1)
    )


def _are_ours(variables: Mapping[Any, Any]) -> bool:
    """True if Python starts with these variables as it has started here."""
    ours, theirs = (
        {name: value for name, value in some.items() if os.fsdecode(name).startswith(READ_AT_START)}
        for some in (os.environ, variables)
    )
    return ours == theirs
