"""The actor that runs one agent in a Ray cluster, and ends with it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence

import attrs

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

    def run(self, arguments: Sequence[str], token: str | None) -> End:
        """Run ``kinora agent`` until it ends. It blocks the actor for good: only ``ray.kill`` ends it from outside.

        The keeper's stdin closes when this process ends, however that comes. Nothing is forked here, where Ray has
        threads: the keeper is a program of its own.
        """
        command = [sys.executable, "-m", "kinora.fleet.ray.kept", *arguments]
        process = subprocess.Popen(  # noqa: S603 - our own module under our own interpreter
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=agent_environment(os.environ, token),
        )
        with process:
            return _to_end(process)


def _to_end(process: subprocess.Popen[bytes]) -> End:
    """Pass the output on to Ray's log of this actor until it ends."""
    tail = Tail(TAIL_BYTES)
    while process.stdout is not None and (data := os.read(process.stdout.fileno(), TAIL_BYTES)):
        os.write(sys.stderr.fileno(), data)
        tail.add(data)
    return End(process.wait(), tail.text())


def agent_environment(inherited: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The variables of the agent: Ray's own are left out, and the token is there for it alone."""
    ours = {name: value for name, value in inherited.items() if name != TOKEN and not name.startswith("RAY_")}
    return ours if token is None else {**ours, TOKEN: token}
