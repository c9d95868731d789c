"""Frames handed over together: frames/s where a call costs most, what a frame waits for others, a GPU's frames/s.

Run it with ``python -m benchmarks.batches``; it takes a minute. One by one and together take turns in one run, and only
their ratio and their difference count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import msgspec
import numpy as np
import trio

from benchmarks import batch_tools
from benchmarks.batch_models import save_yolo_sized
from benchmarks.batch_tools import OneByOne, Together
from benchmarks.pipeline import fps, make_clip, row
from kinora.actors.realtime.filters import Filters
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.plugins import Frame
from kinora.plugins.builtin.onnx import Onnx
from kinora.runtime.events.broadcast import Batch
from kinora.settings import Settings
from kinora.system import System, open_system

ROUNDS = 4
WIDTH, HEIGHT = 320, 240
FRAMES = 600
PACES = (10, 25, 60)
"""Pictures a second, as cameras give them. At the last one the next picture comes within ``batch_wait_ms``."""
PUSHED_S = 4.0
AIM_TIMES = 4.0
SLACK_MS = 5.0
"""What a loaded machine adds at one time and not at another, at the median."""
GPU_BATCHES = (1, 8, 16)
GPU_FRAMES = 480
PLUGINS = (OneByOne.metadata.name, Together.metadata.name)


async def main() -> None:
    """The parts, one after the other."""
    parser = argparse.ArgumentParser(description="Measure what batches gain, and what a frame waits for others.")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_clip(folder / "clip.mp4", FRAMES, WIDTH, HEIGHT)
        tools = Path(batch_tools.__file__)
        settings = Settings(data_dir=folder / "data", media_dir=folder, plugin_files=(tools,), min_free_bytes=0)
        async with open_system(settings) as system:
            await throughput(system, folder / "clip.mp4", rounds)
            await latency(system)
        on_gpu(folder)


async def throughput(system: System, clip: Path, rounds: int) -> None:
    """A file as fast as it goes."""
    alone: list[float] = []
    together: list[float] = []
    for _ in range(rounds):
        alone.append(await fps(system, clip, PLUGINS[:1]))
        together.append(await fps(system, clip, PLUGINS[1:]))
    times = [b / a for a, b in zip(alone, together, strict=True)]
    print(
        f"\nA plugin of 10 ms a call and 1 ms a frame, {FRAMES} frames of {WIDTH}x{HEIGHT}, median of {rounds} rounds"
    )
    row("max_batch = 1   (at best 90.9)", alone, "frames/s")
    row("max_batch = 8   (at best 444)", together, "frames/s")
    row(f"together / one by one   (aim: {AIM_TIMES:.0f})", times, "times")
    print(f"  -> {verdict(statistics.median(times) >= AIM_TIMES)}", flush=True)


async def latency(system: System) -> None:
    """Pushed pictures at a camera's pace: from the picture's coming to its result."""
    wait_ms = Together.metadata.batch_wait_ms
    print(f"\nPushed pictures, from each one's coming to its result; batch_wait_ms = {wait_ms:.0f}")
    for pace in PACES:
        alone, together = [await push(system, plugin, pace) for plugin in PLUGINS]
        print(f"  {pace} pictures/s")
        for plugin, took_ms in zip(PLUGINS, (alone, together), strict=True):
            ordered = sorted(took_ms)
            p50, p95 = ordered[len(ordered) // 2], ordered[len(ordered) * 95 // 100]
            print(f"    {plugin:<12} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   ({len(ordered)} results)")
        more = statistics.median(together) - statistics.median(alone)
        met = more <= wait_ms + SLACK_MS
        print(f"    together takes {more:+.1f} ms longer (aim: at most {wait_ms:.0f}) -> {verdict(met)}", flush=True)


async def push(system: System, plugin: str, pace: int) -> list[float]:
    """The milliseconds that each result took."""
    assert system.connections is not None
    picture = bytes(cv2.imencode(".jpg", np.full((HEIGHT, WIDTH, 3), 90, np.uint8))[1])
    options = JobOptions(policy="latest")
    request = JobRequest(source="push:", plugins=(PluginRequest(name=plugin),), options=options)
    state = (await system.jobs.submit(request)).state
    came: list[float] = []
    took_ms: list[float] = []

    def hear(batch: Batch) -> None:
        now = time.perf_counter()
        told = [msgspec.json.decode(data)["payload"] for data in batch.data]
        took_ms.extend((now - came[frame["index"]]) * 1000 for frame in told if frame["job_id"] == state.job_id)

    filters = Filters(types=frozenset({"frame"}))
    subscription = system.connections.subscribe(hear, filters)
    job = system.jobs.pushed_into(state.job_id)
    assert job is not None
    assert job.inlet is not None
    pusher = job.inlet.join(trio.current_time)
    begin = trio.current_time()
    for number in range(round(pace * PUSHED_S)):
        await trio.sleep_until(begin + number / pace)
        came.append(time.perf_counter())
        await pusher.push(picture, None)
    job.inlet.end()
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    system.connections.unsubscribe(subscription, filters)
    return took_ms[pace:]  # without the first second, in which the plugin starts


def on_gpu(folder: Path) -> None:
    """The ``onnx`` plugin with a model of a YOLO's size, in this process."""
    print("\nThe onnx plugin on a GPU, a model of the size of YOLOv8s, 640x640")
    if not has_cuda():
        print("  not run here: no GPU that onnxruntime can use")
        return
    model = save_yolo_sized(folder / "yolo.onnx")
    speeds = {batch: gpu_fps(model, batch) for batch in GPU_BATCHES}
    for batch, speed in speeds.items():
        print(f"  batch {batch:>2}: {speed:8.1f} frames/s   {speed / speeds[1]:.2f} times")


def has_cuda() -> bool:
    """Whether onnxruntime is there and was built for CUDA, and there is a GPU."""
    try:
        import onnxruntime  # noqa: PLC0415 - an extra
    except ImportError:
        return False
    return "CUDAExecutionProvider" in onnxruntime.get_available_providers() and Path("/dev/nvidia0").exists()


def gpu_fps(model: Path, batch: int) -> float:
    """Frames per second of the whole plugin: fitting in, running, reading boxes."""
    context: Any = _Context({**_DEFAULTS, "model": model.name}, model.parent)
    plugin = Onnx()
    plugin.prepare(context)
    image = np.random.default_rng(1).integers(0, 255, (720, 1280, 3), np.uint8)
    frames = [Frame(image=image, index=index, timestamp_ms=40.0 * index) for index in range(batch)]
    plugin.sizes = [batch]
    plugin.process_batch(frames)  # the GPU tunes itself
    calls = GPU_FRAMES // batch
    began = time.perf_counter()
    for _ in range(calls):
        plugin.process_batch(frames)
    return calls * batch / (time.perf_counter() - began)


_DEFAULTS = {"labels": [], "confidence": 0.25, "iou": 0.45, "size": 0, "layout": "auto"}


class _Context:
    device = "cuda:0"

    def __init__(self, options: dict[str, Any], models_dir: Path) -> None:
        self.options = options
        self.models_dir = models_dir

    def warn(self, message: str, severity: str = "low") -> None:
        print(f"  {severity}: {message}")

    def partial(self, result: Any) -> None: ...


def verdict(met: bool) -> str:
    """The word at the end of a table."""
    return "met" if met else "MISSED"


if __name__ == "__main__":
    trio.run(main)
