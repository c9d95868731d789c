"""The realtime channel beside its peers: messages a second and latency, stopped, idle and returning clients, pictures.

Run it with ``python -m benchmarks.fanout`` (``--quick`` for a look, ``--only`` for a part of it); the peers come with
``pip install -e '.[bench]'``. Servers are processes of their own, the clients are in this one, and the stream is that
of a real job with three plugins. Peers are measured in turn, round after round; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import msgspec
import trio

from benchmarks.fanout_load import Clients, Result
from benchmarks.fanout_storm import storm
from benchmarks.fanout_stream import FRAMES, PLUGINS, Control, media, record
from benchmarks.pipeline import resident
from kinora.client import KinoraClient

NAMES = ("kinora", "fastapi", "websockets", "aiohttp")
COUNTS = (1, 100, 1_000)
FIXED_DELIVERIES = 15_000
"""Deliveries a second, over all clients: a rate that even the slowest server reaches."""
FIXED_RATE_OF_ONE = 1_000
STOPPED_RATE = 100
STOPPED_BUFFER = 16 * 1024
"""The receive buffer of the stopped clients: so small that the server soon has to keep their messages."""
LIGHT = ("motion",)
TICKS = os.sysconf("SC_CLK_TCK")


@attrs.frozen(kw_only=True)
class Effort:
    """The length of the measurements."""

    rounds: int
    seconds: float
    idle_sessions: int
    rest_s: float


FULL = Effort(rounds=5, seconds=2.0, idle_sessions=5_000, rest_s=65.0)
QUICK = Effort(rounds=2, seconds=1.0, idle_sessions=1_000, rest_s=5.0)


@attrs.frozen
class Peer:
    """A server at work."""

    name: str
    port: int
    pid: int
    control: Control

    @property
    def target(self) -> str:
        """The path of its WebSocket."""
        return "/v1/realtime" if self.name.startswith("kinora") else "/"


@contextmanager
def serving(name: str, folder: Path) -> Iterator[Peer]:
    """One of the servers, in a process of its own."""
    control = folder / f"{name}.control"
    control.unlink(missing_ok=True)
    shared = Control(control)
    command = [sys.executable, "-m", "benchmarks.fanout_servers", name, str(control), str(folder / "stream.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield Peer(name, int(process.stdout.readline()), process.pid, shared)
        finally:
            process.kill()


def row(label: str, *cells: str) -> None:
    """One line."""
    print(f"  {label:<34}" + "".join(f"{cell:>22}" for cell in cells), flush=True)


def compare(folder: Path, effort: Effort) -> None:
    """Throughput at saturation, latency at a fixed rate."""
    with ExitStack() as stack:
        peers = [stack.enter_context(serving(name, folder)) for name in NAMES]
        for count in COUNTS:
            rate = FIXED_RATE_OF_ONE if count == 1 else FIXED_DELIVERIES // count
            full: dict[str, list[Result]] = {name: [] for name in NAMES}
            fixed: dict[str, list[Result]] = {name: [] for name in NAMES}
            for _ in range(effort.rounds):
                for peer in peers:
                    clients = Clients(peer.port, peer.target, count)
                    full[peer.name].append(clients.run(peer.control, 0, effort.seconds))
                    fixed[peer.name].append(clients.run(peer.control, rate, effort.seconds))
                    clients.close()
            _print_comparison(count, rate, full, fixed)


def _print_comparison(count: int, rate: int, full: dict[str, list[Result]], fixed: dict[str, list[Result]]) -> None:
    print(f"\n{count} clients: delivered/s at saturation, its p50 / p99; p50 / p99 at {rate} messages/s to each")
    for name in NAMES:
        assert all(result.complete for result in (*full[name], *fixed[name])), f"{name} lost messages"
        ours = [result.delivered_per_s for result in full["kinora"]]
        theirs = [result.delivered_per_s for result in full[name]]
        ahead = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
        row(
            name,
            f"{statistics.median(theirs):,.0f}/s",
            latency(full[name]),
            latency(fixed[name]),
            f"Kinora: {ahead:.1f} times" if name != "kinora" else "",
        )


def tls(folder: Path, effort: Effort) -> None:
    """Kinora without and with TLS, in turns: the clients decrypt, on the other core, so both ends have more to do."""
    with serving("kinora", folder) as plain, serving("kinora-tls", folder) as secure:
        for count in COUNTS:
            rate = FIXED_RATE_OF_ONE if count == 1 else FIXED_DELIVERIES // count
            full: dict[str, list[Result]] = {"kinora": [], "kinora-tls": []}
            fixed: dict[str, list[Result]] = {"kinora": [], "kinora-tls": []}
            busy: dict[str, list[float]] = {"kinora": [], "kinora-tls": []}
            for _ in range(effort.rounds):
                for peer in (plain, secure):
                    clients = Clients(peer.port, peer.target, count, tls=peer is secure)
                    used = cpu_s(peer.pid)
                    full[peer.name].append(clients.run(peer.control, 0, effort.seconds))
                    deliveries = full[peer.name][-1].delivered_per_s * effort.seconds
                    busy[peer.name].append((cpu_s(peer.pid) - used) / deliveries * 1e6)
                    fixed[peer.name].append(clients.run(peer.control, rate, effort.seconds))
                    clients.close()
            _print_tls(count, rate, full, fixed, busy)


def _print_tls(
    count: int,
    rate: int,
    full: dict[str, list[Result]],
    fixed: dict[str, list[Result]],
    busy: dict[str, list[float]],
) -> None:
    print(
        f"\n{count} clients: delivered/s, p50 / p99; p50 / p99 at {rate} messages/s to each; processor for a delivery"
    )
    for name, results in full.items():
        assert all(result.complete for result in (*results, *fixed[name])), f"{name} lost messages"
        delivered = [result.delivered_per_s for result in results]
        row(
            name,
            f"{statistics.median(delivered):,.0f}/s",
            latency(results),
            latency(fixed[name]),
            f"{statistics.median(busy[name]):.2f} µs",
        )
    ratios = zip(full["kinora"], full["kinora-tls"], strict=True)
    row("delivered with TLS, of that without", times([b.delivered_per_s / a.delivered_per_s for a, b in ratios]))


def latency(results: list[Result]) -> str:
    """The medians of p50 and p99."""
    p50 = statistics.median(result.p50_ms for result in results)
    p99 = statistics.median(result.p99_ms for result in results)
    return f"{p50:.2f} / {p99:.2f} ms"


def times(ratios: list[float]) -> str:
    """The median, the smallest and the largest, round against round."""
    return f"{statistics.median(ratios):.2f} [{min(ratios):.2f} … {max(ratios):.2f}]"


@contextmanager
def other_clients(peer: Peer, count: int, query: str = "", buffer: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """Clients in a further process, which reads all that they receive."""
    command = [sys.executable, "-m", "benchmarks.fanout_load", str(peer.port), peer.target + query]
    with subprocess.Popen([*command, str(count), str(buffer)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.kill()


async def _job(port: int, source: str, plugins: tuple[str, ...]) -> float:
    """Frames a second of one job; with light plugins it is given more frames, so that it lasts."""
    client = KinoraClient(f"http://127.0.0.1:{port}")
    request = {
        "source": source,
        "plugins": list(plugins),
        "options": {"max_frames": FRAMES * (5 if plugins == LIGHT else 1)},
    }
    job_id = (await client.submit(request)).job_id
    while (state := await client.extended(job_id))["status"] not in {"done", "failed"}:  # noqa: ASYNC110
        await trio.sleep(0.1)
    assert state["status"] == "done", state["error"]
    return float(state["fps"])


def job_fps(peer: Peer, plugins: tuple[str, ...] = PLUGINS) -> float:
    """Frames a second of one job on the footage at hand."""
    return trio.run(_job, peer.port, media()[1], plugins)


def stopped(folder: Path, effort: Effort) -> None:
    """180 clients beside 20 that are stopped, against the same with all of them running."""
    late: dict[bool, list[Result]] = {False: [], True: []}
    fps: dict[bool, list[float]] = {False: [], True: []}
    memory: dict[bool, list[float]] = {False: [], True: []}
    for number in range(2 * effort.rounds):
        halt = number % 2 == 1
        with serving("kinora", folder) as peer, other_clients(peer, 20, buffer=STOPPED_BUFFER) as others:
            if halt:
                others.send_signal(signal.SIGSTOP)
            clients = Clients(peer.port, peer.target, 180)
            clients.run(peer.control, 0, effort.seconds)  # fills every buffer on the way to those that are stopped
            late[halt].append(clients.run(peer.control, STOPPED_RATE, 3 * effort.seconds))
            with other_clients(peer, 180):
                clients.close()
                fps[halt].append(job_fps(peer))
            memory[halt].append(resident(peer.pid))
    print(f"\n200 clients, 20 of them under SIGSTOP; {STOPPED_RATE} messages/s, then a job with {len(PLUGINS)} plugins")
    for halt, label in ((False, "all running"), (True, "20 stopped")):
        frames = f"{statistics.median(fps[halt]):.1f} frames/s"
        row(label, latency(late[halt]), frames, f"{statistics.median(memory[halt]):.0f} MB resident")
    p99 = [b.p99_ms / a.p99_ms for a, b in zip(late[False], late[True], strict=True)]
    row("p99 of the others   (limit 1.25)", times(p99))
    ratio = [b / a for a, b in zip(fps[False], fps[True], strict=True)]
    row("the job's frames/s   (limit 0.95)", times(ratio))


def cpu_s(pid: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def idle(folder: Path, effort: Effort) -> None:
    """Many sessions that get only pings."""
    with serving("kinora", folder) as peer:
        Clients(peer.port, peer.target, 10).close()
        before = resident(peer.pid)
        clients = Clients(peer.port, peer.target, effort.idle_sessions)
        clients.settle()
        after = resident(peer.pid)
        began, used = time.monotonic(), cpu_s(peer.pid)
        clients_alive(clients, effort.rest_s)
        share = (cpu_s(peer.pid) - used) / (time.monotonic() - began)
        print(f"\n{effort.idle_sessions} idle sessions")
        row("memory per session", f"{(after - before) * 1024 / effort.idle_sessions:.1f} KB")
        row(f"processor at rest, over {effort.rest_s:.0f} s", f"{share * 100:.1f} % of a core")
        row("until all were accepted", f"{clients.connect_s:.1f} s")
        clients.close()


def clients_alive(clients: Clients, seconds: float) -> None:
    """Answer as a live client does: a byte now and then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(min(20.0, max(0.0, end - time.monotonic())))
        clients.say_something()


def returning(folder: Path, effort: Effort) -> None:
    """500 clients that are cut at once and come back."""
    outcomes = []
    for _ in range(effort.rounds):
        with serving("kinora", folder) as peer:
            outcomes.append(storm(peer.port, peer.control, 500, 100))
    print("\n500 clients cut at once, back with last_event_id, 100 messages/s going on")
    row("all accepted again", f"{statistics.median(one.accepted_s for one in outcomes):.2f} s")
    row("all have everything", f"{statistics.median(one.recovered_s for one in outcomes):.2f} s")
    row("clients with a loss or a repeat", str(sum(500 - one.sound for one in outcomes)))


def pictures(folder: Path, effort: Effort) -> None:
    """The cost to a job of being watched with pictures."""
    queries = {"nobody watches": None, "pictures, 10 a second": "?images=binary&max_fps=10", "all": "?images=binary"}
    for plugins in (PLUGINS, LIGHT):
        fps: dict[str, list[float]] = {label: [] for label in queries}
        rates: dict[str, list[float]] = {label: [] for label in queries}
        with serving("kinora", folder) as peer:
            job_fps(peer, plugins)
            for _ in range(effort.rounds):
                for label, query in queries.items():
                    frames, rate = watched(peer, plugins, query)
                    fps[label].append(frames)
                    rates[label].append(rate)
        print(f"\nA job with {', '.join(plugins)}, watched with pictures   (limit 0.90 times)")
        for label, values in fps.items():
            share = times([b / a for a, b in zip(fps["nobody watches"], values, strict=True)])
            pictures_s = f"{statistics.median(rates[label]):.1f} pictures/s"
            row(label, f"{statistics.median(values):.1f} frames/s", share, pictures_s)


def watched(peer: Peer, plugins: tuple[str, ...], query: str | None) -> tuple[float, float]:
    """Frames a second of a job, and the pictures a second that a client with this query gets of it."""
    if query is None:
        return job_fps(peer, plugins), 0.0
    with other_clients(peer, 1, query) as watcher:
        fps = job_fps(peer, plugins)
        watcher.terminate()
        assert watcher.stdout is not None
        count = int(watcher.stdout.readline())
    frames = FRAMES * (5 if plugins == LIGHT else 1)
    return fps, count * fps / frames


PARTS: dict[str, Callable[[Path, Effort], Any]] = {
    "compare": compare,
    "tls": tls,
    "stopped": stopped,
    "idle": idle,
    "returning": returning,
    "pictures": pictures,
}


def main() -> None:
    """Run the measurements that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS, action="append")
    arguments = parser.parse_args()
    effort = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        recording = trio.run(record, folder / "data")
        (folder / "stream.json").write_bytes(recording)
        stream = msgspec.json.decode(recording, type=list[list[msgspec.Raw]])
        sizes = [len(bytes(message)) for group in stream for message in group]
        print(f"The stream: {len(sizes)} messages in {len(stream)} passes, {statistics.mean(sizes):.0f} bytes each")
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, median of {effort.rounds} rounds")
        for part in arguments.only or PARTS:
            PARTS[part](folder, effort)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        main()
