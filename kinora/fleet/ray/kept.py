"""``kinora agent``, ended when stdin is closed: by the end of the actor that has started it."""

from __future__ import annotations

import os
import sys

import msgspec

from kinora.fleet.local_start import decode_start, encode_start
from kinora.fleet.memory_file import memory_file
from kinora.runtime.linux.keeper import keep

GRACE_S = 2.0
"""The time that the agent has to tell its server that it ends; else its jobs would wait for the end of its lease."""


def first_line(start: bytes) -> bytes:
    """Return the first line of this program's stdin: the LocalStart of an agent on its server's machine, or nothing."""
    return msgspec.json.encode(start) + b"\n"


def main() -> None:
    """Run the agent, by its LocalStart or else with the arguments of this program, and end as it does."""
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=bytes)
    if not start:
        sys.exit(max(0, keep(_kinora("kinora", "agent", *sys.argv[1:]), os.environ, GRACE_S)))
    ours = msgspec.structs.replace(decode_start(start), server_pid=os.getpid())  # it ends with its keeper
    with memory_file("kinora-agent", encode_start(ours)) as document:
        sys.exit(max(0, keep(_kinora("kinora.cli.local_agent"), os.environ, GRACE_S, stdin=document)))


def _kinora(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-P", "-m", module, *arguments]


if __name__ == "__main__":
    main()
