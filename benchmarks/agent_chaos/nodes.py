"""A simulated Ray cluster of three nodes, whose nodes are lost and come back; see ``tests/fleet/ray_nodes.py``."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs
import trio

WORKING = ("small", "large")
"""The nodes beside the head."""


@attrs.define
class Nodes:
    """The cluster, in a process of its own; it keeps its address."""

    process: subprocess.Popen[str]
    address: str

    async def order(self, order: str) -> str:
        """Have something done; return what is answered."""
        return await trio.to_thread.run_sync(self._order, order)

    def _order(self, order: str) -> str:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        return _line(self.process)


@contextmanager
def cluster(environment: Mapping[str, str]) -> Iterator[Nodes]:
    """Run a cluster during the block, whose agents have these variables too."""
    command = [sys.executable, "-m", "tests.fleet.ray_nodes"]
    ours = {**os.environ, **environment}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ours) as process:
        yield Nodes(process, _line(process))


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
