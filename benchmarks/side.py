"""A plugin of 500 ms at the side of one of 5 ms: what is left of the frames per second of the latter.

Run it with ``python -m benchmarks.side``. Jobs with and without the plugin at the side run in turn, round after round,
in one run; the ratios are taken pair by pair. The aim is printed as met or missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import trio

from benchmarks import side_tools
from benchmarks.pipeline import HEIGHT, WIDTH, make_clip, ratios, row
from kinora.actors.models import JobState
from kinora.actors.requests.job_request import parse_job_request
from kinora.settings import Settings
from kinora.system import System, open_system

FRAMES = 800
FIRST = 50
"""The frames before those that are measured."""
ROUNDS = 5
LEAST = 0.95
ALONE = "quick"
BESIDE = ("waits", "computes")
"""The plugins at the side: one that leaves the cores to others, one that would take one of them."""


async def run_job(system: System, clip: Path, *plugins: Any) -> tuple[float, JobState]:
    """Run one job; return the frames per second between its first frames and its last one, and its state."""
    request = parse_job_request({"source": clip.name, "plugins": list(plugins)})
    state = (await system.jobs.submit(request)).state
    began = ended = 0.0
    while not state.ended:
        state = await system.jobs.wait_changed(state.job_id, state)
        if not began and state.frames_done >= FIRST:
            began, first = trio.current_time(), state.frames_done
        if not ended and state.frames_done == FRAMES:
            ended = trio.current_time()
    assert (state.status, state.warnings) == ("done", ()), (state.error, state.warnings)
    return (FRAMES - first) / (ended - began), state


async def compare(folder: Path, rounds: int) -> None:
    """Run the jobs in turn, each round in the opposite order, and print the table."""
    clip = make_clip(folder / "clip.mp4", FRAMES, WIDTH, HEIGHT)
    settings = Settings(
        data_dir=folder / "data", media_dir=folder, plugin_files=(Path(side_tools.__file__),), min_free_bytes=0
    )
    figures: dict[str, list[float]] = defaultdict(list)
    done: dict[str, list[float]] = defaultdict(list)
    async with open_system(settings) as system:
        await run_job(system, clip, ALONE)
        for number in range(rounds):
            for beside in [ALONE, *BESIDE][:: -1 if number % 2 else 1]:
                side = [] if beside == ALONE else [{"name": beside, "side": True}]
                fps, state = await run_job(system, clip, ALONE, *side)
                figures[beside].append(fps)
                if side:
                    done[beside].append(state.plugins[beside].frames)
    print(f"\nA plugin of 500 ms at the side of one of 5 ms, {WIDTH}x{HEIGHT}, {FRAMES} frames, {os.cpu_count()} cores")
    row("the one of 5 ms alone", figures[ALONE], "frames/s")
    for beside in BESIDE:
        row(f"with one at the side that {beside} for 500 ms", figures[beside], "frames/s")
        row("   frames that this one has done", done[beside], "frames")
        row("   ratio, pair by pair", ratios(figures[beside], figures[ALONE]), "times")
    ratio = statistics.median(ratios(figures["waits"], figures[ALONE]))
    print(f"  aim: at least {LEAST} with one that waits: {'met' if ratio >= LEAST else 'missed'} ({ratio:.3f})")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        trio.run(compare, Path(folder), arguments.rounds)


if __name__ == "__main__":
    main()
