"""Frames per second against the plain loop a user would write, the overhead of a stage, and memory.

Run it with ``make bench`` or ``python -m benchmarks.pipeline``; everything is measured side by side, round after round,
in one run. Figures are medians over the rounds; the machine's other load shows in their spread.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import trio
from numpy.typing import NDArray

from benchmarks import tools
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.client import KinoraClient
from kinora.settings import Settings
from kinora.system import System, open_system

WIDTH, HEIGHT = 1280, 720
FRAMES = 300
LONG_FRAMES = 10_000
ROUNDS = 5
EMPTY = ("empty-1", "empty-2", "empty-3", "empty-4")
MB = 2**20


def make_clip(path: Path, frames: int, width: int, height: int) -> Path:
    """An h264 clip with some texture and movement."""
    noise = np.random.default_rng(1).integers(0, 60, (height, width, 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "30"})
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.thread_type = "FRAME"  # one slice a frame, as most files are
        for index in range(frames):
            image = noise.copy()
            left = index * 7 % (width - width // 5)
            image[height // 4 : height // 2, left : left + width // 5] += 150
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
        container.mux(stream.encode(None))
    return path


Tool = Callable[[NDArray[Any]], object]


def plain_loop(clip: Path, functions: Sequence[Tool]) -> float:
    """Frames per second of decode, convert and call one function after the other."""
    began = time.perf_counter()
    count = 0
    with av.open(str(clip)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            image = frame.to_ndarray(format="bgr24")
            for function in functions:
                function(image)
            count += 1
    return count / (time.perf_counter() - began)


def single_threaded_loop(clip: Path, tool: Tool) -> float:
    """One of two loops that run at once, each with one of the tools."""
    with opencv_threads(1):
        return plain_loop(clip, [tool])


def two_loops_at_once(clip: Path, tool: Tool, pool: ProcessPoolExecutor) -> float:
    """The machine's best: each tool in a loop of its own, with nothing passed between them."""
    return min(pool.map(single_threaded_loop, [clip, clip], [tool, tool]))


@contextmanager
def opencv_threads(threads: int) -> Iterator[None]:
    """OpenCV's own threads in this process; -1 for its default."""
    cv2.setNumThreads(threads)
    yield
    cv2.setNumThreads(-1)


async def run_job(system: System, clip: Path, plugins: tuple[str, ...]) -> JobState:
    """Run one job to its end."""
    request = JobRequest(
        source=clip.name, plugins=tuple(PluginRequest(name=name) for name in plugins), options=JobOptions()
    )
    state = (await system.jobs.submit(request)).state
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert state.status == "done", state.error
    assert not state.warnings, state.warnings
    return state


async def fps(system: System, clip: Path, plugins: tuple[str, ...]) -> float:
    """Frames per second while the frames flow, by ``/extended``."""
    return (await run_job(system, clip, plugins)).fps or 0.0


def row(label: str, values: list[float], unit: str) -> None:
    """One line: the median, and the smallest and largest."""
    middle = statistics.median(values)
    print(f"  {label:<58} {middle:9.2f} {unit:<10} [{min(values):.2f} … {max(values):.2f}]", flush=True)


async def throughput(folder: Path, rounds: int) -> None:
    """Two pairs of equal tools against the plain loop, then the cost of an empty stage."""
    clip = make_clip(folder / "clip.mp4", FRAMES, WIDTH, HEIGHT)
    settings = Settings(
        data_dir=folder / "data", media_dir=folder, plugin_files=(Path(tools.__file__),), min_free_bytes=0
    )
    async with open_system(settings) as system:
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            await equal_tools(
                "detectors", tools.detect, ("detect-a", "detect-b"), system=system, clip=clip, pool=pool, rounds=rounds
            )
            await equal_tools(
                "blurs of all pixels",
                tools.blur,
                ("blur-a", "blur-b"),
                system=system,
                clip=clip,
                pool=pool,
                rounds=rounds,
            )
        await empty_tools(system, clip, rounds)


async def equal_tools(
    label: str,
    tool: Tool,
    plugins: tuple[str, str],
    *,
    system: System,
    clip: Path,
    pool: ProcessPoolExecutor,
    rounds: int,
) -> None:
    """Two equal tools: the plain loop, the machine's limit, and Kinora, in turn."""
    one_thread: list[float] = []
    default: list[float] = []
    limit: list[float] = []
    kinora: list[float] = []
    for _ in range(rounds):
        with opencv_threads(1):
            one_thread.append(plain_loop(clip, [tool, tool]))
        default.append(plain_loop(clip, [tool, tool]))
        limit.append(await trio.to_thread.run_sync(two_loops_at_once, clip, tool, pool))
        kinora.append(await fps(system, clip, plugins))
    print(f"\nTwo equal {label}, {WIDTH}x{HEIGHT}, {FRAMES} frames, {os.cpu_count()} cores, median of {rounds} rounds")
    row("plain loop, OpenCV on one thread", one_thread, "frames/s")
    row("plain loop, OpenCV's default threads", default, "frames/s")
    row("two plain loops at once, one tool each: the limit", limit, "frames/s")
    row("Kinora", kinora, "frames/s")
    row("Kinora / plain loop on one thread   (target: 1.6)", ratios(kinora, one_thread), "times")
    row("Kinora / plain loop, default threads", ratios(kinora, default), "times")
    row("the limit / plain loop on one thread", ratios(limit, one_thread), "times")


async def empty_tools(system: System, clip: Path, rounds: int) -> None:
    """The cost of a stage beyond its plugin."""
    decode: list[float] = []
    one: list[float] = []
    four: list[float] = []
    cpu: list[float] = []
    for _ in range(rounds):
        decode.append(1000 / plain_loop(clip, []))
        one.append(1000 / await fps(system, clip, EMPTY[:1]))
        before = resource.getrusage(resource.RUSAGE_SELF)
        four.append(1000 / await fps(system, clip, EMPTY))
        after = resource.getrusage(resource.RUSAGE_SELF)
        used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        cpu.append(used * 1000 / FRAMES / len(EMPTY))
    print("\nAn empty tool, per frame")
    row("plain loop: decode and convert only", decode, "ms")
    row("Kinora: one empty stage", one, "ms")
    row("Kinora: four empty stages", four, "ms")
    stage = [(b - a) / (len(EMPTY) - 1) for a, b in zip(one, four, strict=True)]
    row("overhead per stage: (four - one) / 3   (limit 1.5, aim 0.3)", stage, "ms")
    row("server CPU per frame and stage", cpu, "ms")


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Pair by pair, so that a drift of the machine's speed does not matter."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def resident(pid: int) -> float:
    """Resident memory of a process in MB, shared pages included."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def rings() -> list[float]:
    """The size of each frame ring that any process has mapped, in MB."""
    found: dict[str, float] = {}
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            lines = [line.split() for line in maps.read_text().splitlines() if "memfd:kinora-frames" in line]
        except OSError:
            continue
        for span, _, _, _, inode, *_ in lines:
            low, high = (int(end, 16) for end in span.split("-"))
            found[inode] = (high - low) / MB
    return list(found.values())


async def memory(folder: Path) -> None:
    """The server as users start it: at rest, and over a long job."""
    make_clip(folder / "long.mp4", LONG_FRAMES, 320, 180)
    make_clip(folder / "hd.mp4", FRAMES, WIDTH, HEIGHT)
    command = [sys.executable, "-m", "kinora", "serve", "--port", "0"]
    command += ["--data-dir", str(folder / "served"), "--media-dir", str(folder)]
    async with trio.open_nursery() as nursery:
        process = await nursery.start(partial(trio.run_process, command, stderr=subprocess.PIPE))
        assert process.stderr is not None
        url = await _announced(process.stderr)
        nursery.start_soon(_discard, process.stderr)
        client = KinoraClient(url)
        print("\nMemory of the server process (VmRSS)")
        rest = resident(process.pid)
        row("at rest   (limit 100)", [rest], "MB")
        first, ring = await _watch_job(client, process.pid, "long.mp4")
        row(f"after a first job of {LONG_FRAMES} frames, which fills the replay log", first[-1:], "MB")
        second, _ = await _watch_job(client, process.pid, "long.mp4")
        row("during a second one", second, "MB")
        row("growth over the second one", [second[-1] - second[0]], "MB")
        _, ring_hd = await _watch_job(client, process.pid, "hd.mp4")
        row("frame ring of that job   (limit 64)", [ring], "MB")
        row(f"frame ring of a {WIDTH}x{HEIGHT} job   (limit 64)", [ring_hd], "MB")
        process.terminate()


async def _announced(stderr: trio.abc.ReceiveStream) -> str:
    """The address in the server's first lines."""
    text = b""
    while b"http://" not in text or b"\n" not in text.partition(b"http://")[2]:
        text += await stderr.receive_some()
    return text[text.index(b"http://") :].split()[0].decode().rstrip('",}')


async def _discard(stderr: trio.abc.ReceiveStream) -> None:
    async for _ in stderr:
        pass


async def _watch_job(client: KinoraClient, pid: int, source: str) -> tuple[list[float], float]:
    """Resident memory along a job's way, one sample per percent, and its ring's size."""
    job_id = (await client.submit({"source": source, "plugins": ["quality"]})).job_id
    samples: list[float] = []
    ring, seen = 0.0, -1
    while True:
        state = await client.extended(job_id)
        if state["progress"] != seen:
            seen = state["progress"]
            samples.append(resident(pid))
        ring = max([ring, *rings()])
        if state["status"] in {"done", "failed", "cancelled"}:
            assert state["status"] == "done", state["error"]
            return samples, ring
        await trio.sleep(0.05)


def main() -> None:
    """Run the measurements that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--only", choices=["throughput", "memory"])
    arguments = parser.parse_args()
    parts: dict[str, Callable[[Path], object]] = {
        "throughput": lambda folder: trio.run(throughput, folder, arguments.rounds),
        "memory": lambda folder: trio.run(memory, folder),
    }
    for name, part in parts.items():
        if arguments.only in {None, name}:
            with tempfile.TemporaryDirectory() as folder:
                part(Path(folder))


if __name__ == "__main__":
    main()
