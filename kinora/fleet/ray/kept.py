"""``kinora agent``, ended when stdin is closed: by the end of the actor that has started it."""

from __future__ import annotations

import os
import sys

import msgspec

from kinora.runtime.keeper import keep

GRACE_S = 2.0
"""The time that the agent has to tell its server that it ends; else its jobs would wait for the end of its lease."""


def first_line(start: bytes) -> bytes:
    """Return the first line of this program's stdin: the LocalStart of an agent on its server's machine, or nothing."""
    return msgspec.json.encode(start) + b"\n"


def main() -> None:
    """Run the agent with the arguments of this program, and end as it does."""
    command = [sys.executable, "-P", "-m", "kinora", "agent", *sys.argv[1:]]
    msgspec.json.decode(sys.stdin.buffer.readline(), type=bytes)
    sys.exit(max(0, keep(command, os.environ, GRACE_S)))


if __name__ == "__main__":
    main()
