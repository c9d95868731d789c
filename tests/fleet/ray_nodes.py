"""A simulated Ray cluster of three nodes on this machine: ``python -m tests.fleet.ray_nodes``.

It prints its address, then obeys a line at a time, each answered by a line: ``lose NAME`` of a node, where ``head`` is
the whole cluster; ``begin NAME …`` for a new cluster of these nodes at the same address; ``add NAME`` of a node that
was lost; ``whose PID`` for the node that a process belongs to. It ends, with all its processes, when its stdin is
closed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from kinora.runtime.linux.keeper import keep
from kinora.runtime.linux.processes import status_of

BYTES = 80 * 2**20
NODES: dict[str, dict[str, Any]] = {
    "head": {"num_cpus": 0},
    "small": {"num_cpus": 1, "resources": {"card": 1}},
    "large": {"num_cpus": 2, "resources": {"card": 1}},
}
"""The nodes → what each pretends to have."""
RAYLET = "raylet"


class Nodes:
    """The cluster and its nodes by name."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._cluster: Any = None
        self._nodes: dict[str, Any] = {}
        self._port = 0

    def begin(self, *names: str) -> str:
        """Start these nodes, or all; return the address."""
        from ray.cluster_utils import Cluster  # noqa: PLC0415 - the keeper of this process does without

        self._cluster = Cluster(connect=False)
        for name in names or NODES:
            self.add(name)
        self._cluster.wait_for_nodes()
        self._port = int(self._cluster.address.rpartition(":")[2])
        return str(self._cluster.address)

    def add(self, name: str) -> str:
        """Start a node, without waiting for it."""
        own = {"gcs_server_port": self._port, "temp_dir": self._folder} if name == "head" else {}
        self._nodes[name] = self._cluster.add_node(
            object_store_memory=BYTES, include_dashboard=False, wait=False, **NODES[name], **own
        )
        return "added"

    def whose(self, pid: str) -> str:
        """Return the name of the node that a process belongs to."""
        raylets = {node.all_processes[RAYLET][0].process.pid: name for name, node in self._nodes.items()}
        above = int(pid)
        while above not in raylets and (status := status_of(above)) is not None:
            above = status.parent
        return raylets[above]

    def lose(self, name: str) -> str:
        """Kill all processes of a node; without its head, the whole cluster is of no use, and all nodes go."""
        for lost in [name] if name != "head" else [*self._nodes]:
            self._nodes.pop(lost).kill_all_processes(check_alive=False, allow_graceful=False)
        return "lost"


def main(folder: str) -> None:
    """Obey."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    nodes = Nodes(folder)
    print(nodes.begin(), file=out, flush=True)
    for line in sys.stdin:
        verb, *names = line.split()
        print(getattr(nodes, verb)(*names), file=out, flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory(prefix="kinora-ray-", dir="/tmp") as made:
            (Path(made) / "ray").mkdir()  # for the address of the newest cluster, which Ray notes for all of a machine
            ours = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_TMPDIR": made}
            keep([sys.executable, "-m", "tests.fleet.ray_nodes", made], ours, 0.0)
