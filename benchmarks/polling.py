"""Polling beside peers: requests a second of each read, and what 500 pollers cost realtime clients.

Run it with ``python -m benchmarks.polling`` (``--quick`` for a look, ``--only`` for a part of it); the peers come with
``pip install -e '.[bench]'``. Servers are processes of their own, the clients are in this one and take turns with all
servers, round after round; figures are medians over the rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import attrs
import trio

from benchmarks.fanout import cpu_s, latency, row, serving, times
from benchmarks.fanout_load import Clients, Result
from benchmarks.fanout_stream import media, record
from benchmarks.polling_load import Polled, Pollers, request
from kinora.client import KinoraClient

LIMIT, SLOW = "bare", "without the lane"
NAMES = ("kinora", "fastapi", "aiohttp", LIMIT, SLOW)
COUNTS = (16, 1, 256)
FRAMES = 110
"""A job with motion of so many frames has about 18 kB."""
JOBS = 5
"""The jobs in the list."""
AIM = 3.0
"""The aim, times FastAPI; aiohttp is to be passed."""
POLLERS, PERIOD_S, REALTIME, RATE = 500, 1.0, 100, 150
AIM_P99 = 1.10
START_S = 60.0


@attrs.frozen(kw_only=True)
class Effort:
    """The length of the measurements."""

    rounds: int
    seconds: float
    pairs: int
    """Runs with realtime clients, each without and with pollers: many short ones, as other load comes and goes."""
    realtime_s: float


FULL = Effort(rounds=3, seconds=0.6, pairs=15, realtime_s=1.0)
QUICK = Effort(rounds=1, seconds=0.4, pairs=5, realtime_s=0.5)


@attrs.frozen
class Served:
    """A server at work."""

    name: str
    port: int
    pid: int


@attrs.frozen
class Run:
    """What one server did in one round."""

    polled: Polled
    processor_us: float
    """The server's processor time of a request."""


@contextmanager
def served(name: str, port: int, folder: Path) -> Iterator[Served]:
    """One of the servers, once it answers."""
    command = [sys.executable, "-m", "benchmarks.polling_servers", name, str(port), str(folder)]
    with subprocess.Popen(command) as process:
        try:
            give_up = time.monotonic() + START_S
            while not _answers(port):
                assert time.monotonic() < give_up, f"{name} did not start"
                time.sleep(0.05)
            yield Served(name, port, process.pid)
        finally:
            process.kill()


def _answers(port: int) -> bool:
    with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/health"):
        return True
    return False


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


async def make_jobs(port: int, count: int = JOBS) -> str:
    """Run jobs to their end, and return the id of the last one."""
    client = KinoraClient(f"http://127.0.0.1:{port}")
    job = {"source": media()[1], "plugins": ["motion"], "options": {"max_frames": FRAMES}}
    for _ in range(count):
        job_id = (await client.submit(job)).job_id
        while (state := await client.extended(job_id))["status"] not in {"done", "failed"}:  # noqa: ASYNC110
            await trio.sleep(0.1)
        assert state["status"] == "done", state["error"]
    return job_id


def targets(job_id: str) -> dict[str, str]:
    """Read → what is asked for."""
    job = f"/v1/jobs/{job_id}"
    return {
        "health": "/v1/health",
        "tail": f"{job}?after={FRAMES - 3}",
        "304": f"{job}?after={FRAMES - 3}",
        "extended": f"{job}/extended?limit=0",
        "job": job,
        "list": "/v1/jobs",
    }


def fetch(port: int, target: str) -> tuple[Any, str]:
    """A document and its tag."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{target}") as answer:
        return json.loads(answer.read()), answer.headers.get("etag", "")


def compare(folder: Path, effort: Effort) -> None:
    """Requests a second at saturation."""
    with ExitStack() as stack:
        ours = stack.enter_context(served("kinora", _free_port(), folder))
        job_id = trio.run(make_jobs, ours.port)
        asked = targets(job_id)
        documents = {name: fetch(ours.port, target)[0] for name, target in asked.items()}
        (folder / "documents.json").write_text(json.dumps(documents), encoding="utf-8")
        peers = {"kinora": ours}
        for name in NAMES[1:]:
            peers[name] = stack.enter_context(served(name, _free_port(), folder))
        slow_id = trio.run(make_jobs, peers[SLOW].port)
        for count in COUNTS:
            print(f"\n{count} connections: requests/s, p50 / p99, the server's processor time of a request; for peers,")
            print(
                "  how many times their requests/s we have (median, least, most), and their processor time", flush=True
            )
            for read in asked:
                found: dict[str, list[Run]] = {name: [] for name in NAMES}
                present = NAMES if count == COUNTS[0] else NAMES[:-1]
                for name in present * effort.rounds:
                    target = targets(slow_id if name == SLOW else job_id)[read]
                    found[name].append(_poll(peers[name], read, target, count, effort.seconds))
                _print(read, found)
                print(f"  {LIMIT}: the limit is {times(_ratios(found[LIMIT], found['fastapi']))} FastAPI", flush=True)


def _poll(peer: Served, read: str, target: str, count: int, seconds: float) -> Run:
    lines = []
    if read == "304":
        lines.append(f"If-None-Match: {fetch(peer.port, target)[1]}")
    pollers = Pollers(peer.port, count, request(target, *lines))
    used = cpu_s(peer.pid)
    polled = pollers.run(seconds)
    used = cpu_s(peer.pid) - used
    pollers.close()
    return Run(polled, used / (polled.per_s * seconds) * 1e6)


def _print(read: str, found: dict[str, list[Run]]) -> None:
    ours = found["kinora"]
    for name, runs in ((name, runs) for name, runs in found.items() if runs):
        p50, p99, per_s = (
            statistics.median(getattr(run.polled, field) for run in runs) for field in ("p50_ms", "p99_ms", "per_s")
        )
        label = f"{read} ({runs[0].polled.bytes} bytes)" if name == "kinora" else f"  {name}"
        verdict = _verdict(ours, runs, AIM if name == "fastapi" else 1.0) if name in {"fastapi", "aiohttp"} else ""
        row(label, f"{per_s:,.0f}/s", f"{p50:.2f} / {p99:.2f} ms", f"{_processor_us(runs):.0f} µs", verdict)


def _verdict(ours: list[Run], theirs: list[Run], aim: float) -> str:
    ratios = _ratios(ours, theirs)
    met = "met" if statistics.median(ratios) >= aim else "missed"
    return f"  {times(ratios)} {met}; processor {_processor_us(theirs) / _processor_us(ours):.1f}"


def _ratios(ours: list[Run], theirs: list[Run]) -> list[float]:
    return [a.polled.per_s / b.polled.per_s for a, b in zip(ours, theirs, strict=True)]


def _processor_us(runs: list[Run]) -> float:
    return statistics.median(run.processor_us for run in runs)


@contextmanager
def polling(port: int, asked: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """Pollers in a process of their own, once each has an answer."""
    command = [sys.executable, "-m", "benchmarks.polling_load", str(port), str(POLLERS), str(PERIOD_S), asked.hex()]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
            assert process.poll() is None, "the pollers have failed"
        finally:
            process.terminate()


def beside_realtime(folder: Path, effort: Effort) -> None:
    """The latency of realtime clients without and with pollers of a job's tail."""
    (folder / "stream.json").write_bytes(trio.run(record, folder / "recording"))
    late: dict[bool, list[Result]] = {False: [], True: []}
    with serving("kinora", folder) as peer:
        job_id = trio.run(make_jobs, peer.port, 1)
        asked = request(targets(job_id)["tail"])
        clients = Clients(peer.port, peer.target, REALTIME)
        clients.run(peer.control, RATE, effort.realtime_s)
        with polling(peer.port, asked) as pollers:
            for number in range(2 * effort.pairs):
                beside = number % 2 == 1
                pollers.send_signal(signal.SIGCONT if beside else signal.SIGSTOP)
                late[beside].append(clients.run(peer.control, RATE, effort.realtime_s))
        clients.close()
    print(f"\n{REALTIME} realtime clients, {RATE} messages/s to each: p50 / p99")
    row("alone", latency(late[False]))
    row(f"beside {POLLERS} pollers, one a second", latency(late[True]))
    ratios = [b.p99_ms / a.p99_ms for a, b in zip(late[False], late[True], strict=True)]
    row("p99", times(ratios), f"{'met' if statistics.median(ratios) <= AIM_P99 else 'missed'} (aim {AIM_P99})")


PARTS = {"reads": compare, "realtime": beside_realtime}


def main() -> None:
    """Measure as the command line asks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=PARTS)
    arguments = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    for name, measure in PARTS.items():
        if arguments.only in {None, name}:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder), QUICK if arguments.quick else FULL)


if __name__ == "__main__":
    main()
