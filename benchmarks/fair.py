"""Whether a small request is answered soon while jobs publish as much as they can, and what a frame costs the loop.

Run it with ``python -m benchmarks.fair``: ``kinora serve``, its jobs, 200 realtime clients and the client that asks for
``/v1/health`` are processes of their own. With ``--beside TREE`` the server of another checkout takes turns with this
one's. It takes two minutes, twice as long with another checkout.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import numpy as np

from benchmarks.fanout import row
from benchmarks.many_jobs import Server
from benchmarks.pipeline import make_clip

CLIENTS = 200
FRAMES = 3_000
WARM_UP_S = 3.0
PAUSE_S = 0.02
"""The time between an answer and the next question."""
AIM_P99_MS = 50.0
PLUGIN = """
from kinora.plugins import Plugin, PluginMetadata

class Quick(Plugin):
    metadata = PluginMetadata(name="quick-{number}")

    def process_frame(self, frame):
        return {{"index": frame.index}}
"""


@attrs.frozen
class Case:
    """So many jobs at once, of so many plugins, and the clients that take all their messages."""

    jobs: int
    plugins: int
    clients: int
    turns: int
    """The jobs for each place, one after the other: more than a round has time for."""

    def __str__(self) -> str:
        return f"{self.jobs} jobs of {self.plugins} plugins, {self.clients} clients that take everything"


CASES = {"watched": Case(2, 1, CLIENTS, turns=10), "many": Case(20, 3, 0, turns=1)}


@attrs.frozen
class Found:
    """One round."""

    health_ms: list[float]
    loop_share: float
    """The share of a core that the event loop's thread took."""
    waited_share: float
    """The share of the time for which it waited for a core."""
    stages_per_s: float
    ms_per_stage: float
    """The processor time of the event loop's thread for a frame in a stage."""

    @property
    def p50(self) -> float:
        """The median time of an answer, in milliseconds."""
        return float(np.percentile(self.health_ms, 50))

    @property
    def p99(self) -> float:
        """The time of the slowest answer in a hundred, in milliseconds."""
        return float(np.percentile(self.health_ms, 99))


@contextmanager
def serving(case: Case, tree: Path) -> Iterator[Server]:
    """A server of the checkout ``tree`` with the plugins and the clip; its jobs take turns for ever."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(case.plugins):
            (folder / f"quick_{number}.py").write_text(PLUGIN.format(number=number), encoding="utf-8")
        make_clip(folder / "clip.mp4", FRAMES, 64, 48)
        server = Server(folder, tree=tree, KINORA_PLUGINS_DIR=name, KINORA_MAX_JOBS=str(case.jobs))
        try:
            yield server
        finally:
            server.stop()


def measure(case: Case, tree: Path, seconds: float) -> Found:
    """One round, from the time on at which each place has its job at work."""
    with serving(case, tree) as server, watched_by(server.port, case.clients):
        request = {"source": "clip.mp4", "plugins": [f"quick-{number}" for number in range(case.plugins)]}
        for _ in range(case.jobs * case.turns):
            server.ask("/v1/jobs", request)
        time.sleep(WARM_UP_S)
        before, began = _frames(server), time.monotonic()
        ran, waited = server.loop_times_s()
        times = []
        while time.monotonic() < began + seconds:
            asked = time.perf_counter()
            server.ask("/v1/health")
            times.append((time.perf_counter() - asked) * 1000)
            time.sleep(PAUSE_S)
        ran, waited = (after - then for after, then in zip(server.loop_times_s(), (ran, waited), strict=True))
        took, stages = time.monotonic() - began, (_frames(server) - before) * case.plugins
        return Found(times, ran / took, waited / took, stages / took, ran / stages * 1000)


def _frames(server: Server) -> int:
    """The frames that all jobs have done so far."""
    page = server.text("/metrics")
    line = next(line for line in page.splitlines() if line.startswith("kinora_frames_done_total "))
    return int(float(line.split()[1]))


@contextmanager
def watched_by(port: int, clients: int) -> Iterator[None]:
    """Clients in a further process, which reads all that they receive."""
    if not clients:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.fanout_load", str(port), "/v1/realtime", str(clients), "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield
        finally:
            process.kill()


def _print(label: str, rounds: list[Found]) -> None:
    middle = statistics.median
    longest = max(max(one.health_ms) for one in rounds)
    waited = middle(one.waited_share for one in rounds)
    row(
        label,
        f"{middle(one.p50 for one in rounds):.1f} / {middle(one.p99 for one in rounds):.1f} / {longest:.0f} ms",
        f"{middle(one.loop_share for one in rounds):.0%} ({waited:.0%} waiting)",
        f"{middle(one.stages_per_s for one in rounds):.0f}/s",
        f"{middle(one.ms_per_stage for one in rounds):.3f} ms",
    )


def main() -> None:
    """Measure as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="another checkout")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=8.0, help="the length of a round")
    parser.add_argument("--only", choices=CASES)
    arguments = parser.parse_args()
    trees = {"this tree": Path.cwd(), **({"the other": arguments.beside} if arguments.beside else {})}
    for name, case in CASES.items():
        if arguments.only in {None, name}:
            found: dict[str, list[Found]] = {label: [] for label in trees}
            for _ in range(arguments.rounds):
                for label, tree in trees.items():
                    found[label].append(measure(case, tree, arguments.seconds))
            print(f"\n{case}\n/v1/health p50 / p99 / longest; the loop's share of a core; frame-stages; loop for each")
            for label, rounds in found.items():
                _print(label, rounds)
            p99 = statistics.median(one.p99 for one in found["this tree"])
            if case.clients:
                print(f"  p99 of a small request: {'met' if p99 <= AIM_P99_MS else 'missed'} (aim {AIM_P99_MS:.0f} ms)")


if __name__ == "__main__":
    main()
