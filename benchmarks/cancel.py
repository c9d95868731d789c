"""Measures how long a cancel over REST takes, until all processes of the job are gone, beside peers with the same hang.

Run it with ``python -m benchmarks.cancel``. The peers get the same hang, each in a process of its own, are told to stop
in the way that they offer, and are waited for within a bound.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import ctypes
import importlib.util
import os
import selectors
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import trio

from benchmarks import cancel_tools
from benchmarks.pipeline import make_clip
from kinora.client import KinoraClient
from kinora.runtime.linux.processes import descendants
from kinora.serve import RunningServer, open_server
from kinora.settings import Settings

ROUNDS = 30
PEER_ROUNDS = 3
PEER_BOUND_S = 3.0
POLL_S = 0.005
SETTLE_S = 0.2
"""For a peer's hang to have begun."""
LIMIT_MS = 250
HUNG = "hung in native code, ignores SIGTERM"


async def kinora(folder: Path, rounds: int) -> None:
    """The four kinds of tool, one job after the other."""
    make_clip(folder / "clip.mp4", 60, 640, 360)
    settings = Settings(
        port=0,
        data_dir=folder / "data",
        media_dir=folder,
        plugin_files=(Path(cancel_tools.__file__),),
        min_free_bytes=0,
    )
    async with open_server(settings) as server:
        await one_cancel(server, "idle")
        for plugin, label in (
            ("idle", "an idle tool, the job paused"),
            ("busy", "a busy numpy tool"),
            ("hung", f"a tool {HUNG}"),
            ("large", "a tool with 1 GiB resident"),
        ):
            row(f"Kinora: {label}", [await one_cancel(server, plugin) for _ in range(rounds)])


async def one_cancel(server: RunningServer, plugin: str) -> float:
    """Milliseconds from the request to the answer, after which no process of the job may be left."""
    root = server.system.fork_server.statistics().pid
    assert root is not None
    before = descendants(root)
    client = KinoraClient(server.url)
    job_id = (await client.submit({"source": "clip.mp4", "plugins": [plugin]})).job_id
    while (await client.extended(job_id, limit=0))["stage"] != "running":  # noqa: ASYNC110 - as any client does
        await trio.sleep(POLL_S)
    if plugin == "idle":
        await server.system.jobs.pause(job_id)
    await trio.sleep(SETTLE_S)
    began = time.perf_counter()
    answer = await client.cancel(job_id)
    took = (time.perf_counter() - began) * 1000
    assert answer["cancelled"], answer
    assert descendants(root) == before
    return took


def row(label: str, times_ms: list[float]) -> None:
    """One line: median, 99th percentile and the longest."""
    ordered = sorted(times_ms)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)))]
    print(f"  {label:<66} {statistics.median(ordered):8.1f} {p99:8.1f} {ordered[-1]:8.1f}", flush=True)


# The peers, each in a process of its own: they say "hanging", then cancel, then "gone" if they get there.


def thread(native: Callable[[int], object]) -> None:
    """A Trio thread; cancelling its scope waits for it."""

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                say("hanging")
                nursery.start_soon(trio.to_thread.run_sync, native, cancel_tools.FOREVER_S)
                await trio.sleep(SETTLE_S)
                scope.cancel()

    trio.run(main)


def process_pool() -> None:
    """A ProcessPoolExecutor: cancel the future and shut the pool down."""
    pool = concurrent.futures.ProcessPoolExecutor(1)
    future = pool.submit(cancel_tools.hang)
    time.sleep(SETTLE_S)
    say("hanging")
    future.cancel()
    pool.shutdown(cancel_futures=True)


def ray_actor() -> None:
    """A Ray actor, cancelled by killing it, until its process is gone."""
    import ray  # noqa: PLC0415 - only where it is installed

    class Hanging:
        def pid(self) -> int:
            return os.getpid()

        def hang(self) -> None:
            cancel_tools.hang()

    ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False)
    actor = ray.remote(Hanging).remote()
    pid = ray.get(actor.pid.remote())
    actor.hang.remote()
    time.sleep(SETTLE_S)
    say("hanging")
    ray.kill(actor)
    while Path(f"/proc/{pid}").exists():
        time.sleep(POLL_S)


PEERS: dict[str, tuple[str, Callable[[], None]]] = {
    "thread": ("trio.to_thread, hang lets go of the GIL", lambda: thread(ctypes.CDLL(None).sleep)),
    "thread-gil": ("trio.to_thread, hang keeps the GIL", lambda: thread(ctypes.PyDLL(None).sleep)),
    "process-pool": (f"ProcessPoolExecutor, {HUNG}", process_pool),
    "ray": (f"Ray actor, {HUNG}", ray_actor),
}


def say(word: str) -> None:
    """Tell the process that measures."""
    print(word, flush=True)


def peer_row(name: str) -> None:
    """Start a peer some times, and wait for its cancel within the bound."""
    label, _ = PEERS[name]
    if name == "ray" and importlib.util.find_spec("ray") is None:
        print(f"  {label:<66} not installed")
        return
    times = [time_ms for _ in range(PEER_ROUNDS) if (time_ms := time_peer(name)) is not None]
    if len(times) == PEER_ROUNDS:
        row(label, times)
    else:
        print(f"  {label:<66} not gone after {PEER_BOUND_S:.0f} s, {PEER_ROUNDS - len(times)} of {PEER_ROUNDS} times")


def time_peer(name: str) -> float | None:
    """Milliseconds until it was gone, or None if it was not within the bound. It leaves no process either way."""
    command = [sys.executable, "-m", "benchmarks.cancel", "--peer", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as peer:
        assert peer.stdout is not None
        try:
            assert peer.stdout.readline() == b"hanging\n"
            began = time.perf_counter()
            with selectors.DefaultSelector() as selector:
                selector.register(peer.stdout, selectors.EVENT_READ)
                gone = bool(selector.select(PEER_BOUND_S)) and peer.stdout.readline() == b"gone\n"
            return (time.perf_counter() - began) * 1000 if gone else None
        finally:
            os.killpg(peer.pid, signal.SIGKILL)


def main() -> None:
    """Measure, or be one of the peers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--peer", choices=PEERS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        PEERS[arguments.peer][1]()
        say("gone")
        return
    print(f"Cancel, from the request to the answer; {arguments.rounds} rounds, {os.cpu_count()} cores")
    print(f"  {f'limit: p99 {LIMIT_MS} ms':<66} {'p50, ms':>8} {'p99, ms':>8} {'max, ms':>8}")
    with tempfile.TemporaryDirectory() as folder:
        trio.run(partial(kinora, Path(folder), arguments.rounds))
    for name in PEERS:
        peer_row(name)


if __name__ == "__main__":
    main()
