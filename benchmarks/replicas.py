"""All cores for one plugin: replicas of a stateless one, and OpenCV's threads for one that needs its frames in order.

Run it with ``python -m benchmarks.replicas``; all is measured side by side, round after round, in one run. Figures are
medians over the rounds, ratios are taken pair by pair. The aims are printed as met or missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import attrs
import trio

from benchmarks import heavy_tools
from benchmarks.pipeline import HEIGHT, WIDTH, make_clip, plain_loop, ratios, row, single_threaded_loop
from benchmarks.tools import blur, detect
from kinora.actors.requests.job_request import parse_job_request
from kinora.settings import Settings
from kinora.system import System, open_system

FRAMES = 120
ROUNDS = 3


@attrs.frozen
class Aim:
    """A ratio of two figures, and what it should be at least."""

    text: str
    ours: str
    theirs: str
    least: float


ONE_THREAD = "plain loop, one thread"
LIMIT = "two plain loops at once, both together: the limit"
AUTO = "Kinora, one stateless tool"
SINGLE = "Kinora, the same with replicas = 1"
TWO_AUTO = "Kinora, two stateless tools"
TWO_SINGLE = "Kinora, the same with replicas = 1 each"
THREADS = "plain loop, OpenCV's threads"
IN_ORDER = "Kinora, one tool that needs its order"
TWO_THREADS = "plain loop of both tools, OpenCV's threads"
TWO_IN_ORDER = "Kinora, two tools that need their order"
BLUR_THREADS = "plain loop, OpenCV's threads, blurs"
BLURRING = "Kinora, blurs that need their order"
AIMS = (
    Aim("one stateless tool / plain loop, one thread", AUTO, ONE_THREAD, 1.8),
    Aim("the limit / plain loop, one thread", LIMIT, ONE_THREAD, 0.0),
    Aim("two stateless tools / the same with replicas = 1", TWO_AUTO, TWO_SINGLE, 1.0),
    Aim("one tool in order / plain loop, OpenCV's threads", IN_ORDER, THREADS, 1.0),
    Aim("two tools in order / plain loop, OpenCV's threads", TWO_IN_ORDER, TWO_THREADS, 1.0),
    Aim("blurs in order / plain loop, OpenCV's threads", BLURRING, BLUR_THREADS, 1.0),
)


def both_at_once(clip: Path, pool: ProcessPoolExecutor) -> float:
    """The frames per second of two loops together, each with the whole clip."""
    return sum(pool.map(single_threaded_loop, [clip, clip], [detect, detect]))


async def fps(system: System, clip: Path, *plugins: Any) -> float:
    """Frames per second of a job while its frames flow."""
    request = parse_job_request({"source": clip.name, "plugins": list(plugins)})
    state = (await system.jobs.submit(request)).state
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
    assert (state.status, state.warnings) == ("done", ()), (state.error, state.warnings)
    return state.fps or 0.0


async def measure(system: System, clip: Path, pool: ProcessPoolExecutor, figures: dict[str, list[float]]) -> None:
    """One round."""
    in_thread = trio.to_thread.run_sync
    figures[ONE_THREAD].append(await in_thread(single_threaded_loop, clip, detect))
    figures[AUTO].append(await fps(system, clip, "heavy-a"))
    figures[LIMIT].append(await in_thread(both_at_once, clip, pool))
    figures[SINGLE].append(await fps(system, clip, {"name": "heavy-a", "replicas": 1}))
    figures[TWO_AUTO].append(await fps(system, clip, "heavy-a", "heavy-b"))
    ones = ({"name": name, "replicas": 1} for name in ("heavy-a", "heavy-b"))
    figures[TWO_SINGLE].append(await fps(system, clip, *ones))
    figures[THREADS].append(await in_thread(plain_loop, clip, [detect]))
    figures[IN_ORDER].append(await fps(system, clip, "in-order"))
    figures[TWO_THREADS].append(await in_thread(plain_loop, clip, [detect, detect]))
    figures[TWO_IN_ORDER].append(await fps(system, clip, "in-order", "in-order-too"))
    figures[BLUR_THREADS].append(await in_thread(plain_loop, clip, [blur]))
    figures[BLURRING].append(await fps(system, clip, "blurring"))


def report(figures: dict[str, list[float]], rounds: int, frames: int) -> None:
    """The figures, then the aims."""
    print(f"{WIDTH}x{HEIGHT}, {frames} frames, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {rounds} rounds")
    for name, values in figures.items():
        row(name, values, "frames/s")
    for aim in AIMS:
        paired = ratios(figures[aim.ours], figures[aim.theirs])
        met = "met" if statistics.median(paired) >= aim.least else "missed"
        row(f"{aim.text}   (aim {aim.least}: {met})" if aim.least else aim.text, paired, "times")


async def run(folder: Path, rounds: int, frames: int) -> None:
    """All rounds, on one server."""
    clip = make_clip(folder / "clip.mp4", frames, WIDTH, HEIGHT)
    plugins = (Path(heavy_tools.__file__),)
    settings = Settings(data_dir=folder / "data", media_dir=folder, plugin_files=plugins, min_free_bytes=0)
    figures: dict[str, list[float]] = defaultdict(list)
    async with open_system(settings) as system:
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            for _ in range(rounds):
                await measure(system, clip, pool, figures)
    report(figures, rounds, frames)


def main() -> None:
    """Run the rounds that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--frames", type=int, default=FRAMES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(run, Path(folder), arguments.rounds, arguments.frames)


if __name__ == "__main__":
    main()
