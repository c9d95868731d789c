"""The actor that runs one agent in a Ray cluster, and ends with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping

import attrs

from kinora.fleet.ray.kept import first_line
from kinora.fleet.ray.talk import Begin
from kinora.runtime.tail import Tail

TOKEN = "KINORA_TOKEN"  # noqa: S105 - the name of the variable
TAIL_BYTES = 4000
"""The end of an agent's output that is kept to tell why it has ended."""


@attrs.frozen
class End:
    """How an agent has ended."""

    status: int
    output: str
    """The end of what it has written."""


class AgentActor:
    """Ray makes one for each agent, in a process of its own. If that ends in any way, so does the agent."""

    def host(self) -> str:
        """Return the name of the machine."""
        return socket.gethostname()

    def run(self, begin: Begin) -> End:
        """Run ``kinora agent`` until it ends. It blocks the actor for good: only ``ray.kill`` ends it from outside.

        The keeper's stdin closes when this process ends, however that comes. Nothing is forked here, where Ray has
        threads: the keeper is a program of its own.
        """
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            [sys.executable, "-m", "kinora.fleet.ray.kept", *begin.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=agent_environment(os.environ, begin),
            start_new_session=True,  # Ray kills the whole group of an actor, and the agent is to say good-bye
        )
        with process:
            if process.stdin is not None:
                process.stdin.write(first_line(begin.start))
                process.stdin.flush()
            return _to_end(process)


def _to_end(process: subprocess.Popen[bytes]) -> End:
    """Pass the output on to Ray's log of this actor until it ends."""
    tail = Tail(TAIL_BYTES)
    while process.stdout is not None and (data := os.read(process.stdout.fileno(), TAIL_BYTES)):
        os.write(sys.stderr.fileno(), data)
        tail.add(data)
    return End(process.wait(), tail.text())


def agent_environment(inherited: Mapping[str, str], begin: Begin) -> dict[str, str]:
    """The variables of the agent: Ray's own are left out, and the token is there for it alone.

    It sees the GPUs that it has asked for; Ray itself says so only if there are any.
    """
    ours = {name: value for name, value in inherited.items() if name != TOKEN and not name.startswith("RAY_")}
    if not begin.gpus:
        ours["CUDA_VISIBLE_DEVICES"] = ""
    return ours if begin.token is None else {**ours, TOKEN: begin.token}
