"""What idle realtime sessions cost: memory of each, seconds to accept them, processor at rest.

Run it with ``python -m benchmarks.idle``: ``kinora serve`` is a process of its own, the clients are in this one, and
nothing is published but the pings. It takes two minutes.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from pathlib import Path

from benchmarks.fanout import clients_alive, row
from benchmarks.fanout_load import Clients
from benchmarks.many_jobs import Server

TARGET = "/v1/realtime"
SESSIONS = 5_000
REST_S = 65.0
"""Two rounds of pings."""
WARMED_UP = 50
"""Sessions that come and go before the first look at the memory."""
AIM_KB, AIM_SHARE = 30.0, 0.05


def measure(server: Server, sessions: int, rest_s: float) -> None:
    """Connect, rest, and print the figures."""
    Clients(server.port, TARGET, WARMED_UP).close()
    before = server.resident_mb()
    clients = Clients(server.port, TARGET, sessions)
    clients.settle()
    each_kb = (server.resident_mb() - before) * 1024 / sessions
    began, used = time.monotonic(), server.processor_s()
    clients_alive(clients, rest_s)
    share = (server.processor_s() - used) / (time.monotonic() - began)
    clients.close()
    print(f"{sessions} idle sessions")
    row("memory of each", f"{each_kb:.1f} KB", _verdict(each_kb <= AIM_KB, f"{AIM_KB:.0f} KB"))
    row(f"processor over {rest_s:.0f} s", f"{share * 100:.1f} %", _verdict(share <= AIM_SHARE, f"{AIM_SHARE:.0%}"))
    row("until all were accepted", f"{clients.connect_s:.1f} s")


def _verdict(met: bool, aim: str) -> str:
    return f"{'met' if met else 'missed'} (aim {aim})"


def main() -> None:
    """Measure as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=SESSIONS)
    parser.add_argument("--rest", type=float, default=REST_S, help="seconds")
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            measure(server, arguments.sessions, arguments.rest)
        finally:
            server.stop()


if __name__ == "__main__":
    main()
