"""The process by which a server has Ray start agents: ``python -m kinora.fleet.ray.driver ADDRESS``.

It speaks the lines of ``talk`` over stdin and stdout, and ends with all that it has started when stdin is closed. The
work is done below it, in ``driving``: Ray leaves processes behind when it is killed, and they are killed here.
"""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping

from kinora.runtime.linux.keeper import keep

LONGEST_FOLDER = 40
"""Ray makes sockets below its folder, whose paths have 107 bytes at most."""
GRACE_S = 0.0
"""The agents of a cluster elsewhere end by Ray when the driver does; those here, by their keepers."""


def main() -> None:
    """Run the driver for the cluster at the address that is the one argument; empty starts one of this machine."""
    address = sys.argv[1] if len(sys.argv) > 1 else ""
    folder = _make_folder()
    command = [sys.executable, "-P", "-m", "kinora.fleet.ray.driving", address, folder]
    try:
        status = keep(command, environment(os.environ, address), GRACE_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(max(0, status))


def _make_folder() -> str:
    folder = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="kinora-ray-", dir=folder if len(folder) <= LONGEST_FOLDER else "/tmp")  # noqa: S108


def environment(inherited: Mapping[str, str], address: str) -> dict[str, str]:
    """The variables for Ray. One of our own listens on all addresses of the machine, so it gets a secret token."""
    ours = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_gcs_rpc_server_reconnect_timeout_s": "20", **inherited}
    if address:
        return ours
    without = {name: value for name, value in ours.items() if name not in {"RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH"}}
    return {
        **without,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_memory_monitor_refresh_ms": "0",  # Kinora has limits of its own
    }


if __name__ == "__main__":
    main()
