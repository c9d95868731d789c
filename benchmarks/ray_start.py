"""Measures how soon a job has its first frame where Ray starts the agents: ``python -m benchmarks.ray_start``.

In turns: in a server without agents, in a warm agent of Ray, and in one that Ray starts for the job. Both servers run
in this process, with a Ray of their own. Needs ``kinora[ray]``; takes two minutes.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import structlog
import trio

from kinora.actors.requests.job_request import parse_job_request
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System
from tests.clips import make_clip

ROUNDS = 7
LIMIT_S = 240.0
HERE, WARM, COLD = "in the server itself", "in a warm agent of Ray", "in an agent that Ray starts for it"
AIMS_MS = {WARM: 150.0}
CLIP = "clip.avi"


def settings(folder: Path, engine: str) -> Settings:
    """A server with a clip in its media folder."""
    return Settings(
        port=0,
        data_dir=folder / engine,
        media_dir=folder,
        min_free_bytes=0,
        engine=engine,
        agent_idle_s=3600.0,
    )


async def first_frame_s(system: System) -> float:
    """The seconds from a job's request to its first frame; the job has ended afterwards."""
    begun = time.monotonic()
    request = parse_job_request({"source": CLIP, "plugins": ["motion"], "options": {"max_frames": 5}})
    state = (await system.jobs.submit(request)).state
    first = None
    while not state.ended:
        if first is None and state.frames_done:
            first = time.monotonic()
        state = await system.jobs.wait_changed(state.job_id, state)
    assert state.status == "done", state.error
    return (first or time.monotonic()) - begun


async def cold_s(system: System) -> float:
    """The same without an agent that is there."""
    for agent in system.agent_book.all():
        while not system.engine.dismiss(agent.facts.name):  # noqa: ASYNC110 - its last job is just ending
            await trio.sleep(0.01)
        await agent.gone.wait()
    return await first_frame_s(system)


async def measure(folder: Path, rounds: int) -> Mapping[str, Sequence[float]]:
    """The times of all rounds; the first one warms up and is left out."""
    make_clip(folder / CLIP, frames=30, width=640, height=480)
    with trio.fail_after(LIMIT_S):
        async with open_server(settings(folder, "embedded")) as here, open_server(settings(folder, "ray")) as there:
            ways: Mapping[str, Callable[[], Awaitable[float]]] = {
                HERE: partial(first_frame_s, here.system),
                COLD: partial(cold_s, there.system),
                WARM: partial(first_frame_s, there.system),
            }
            turns = [{name: await way() for name, way in ways.items()} for _ in range(rounds + 1)]
    return {name: [turn[name] for turn in turns[1:]] for name in (HERE, WARM, COLD)}


def row(name: str, times: Sequence[float]) -> str:
    """A line of the table."""
    median, low, high = (1000 * value for value in (statistics.median(times), min(times), max(times)))
    aim = AIMS_MS.get(name)
    judged = "" if aim is None else f"{aim:,.0f} ms, {'met' if median <= aim else 'missed'}"
    return f"| {name} | {median:,.0f} ms [{low:,.0f} … {high:,.0f}] | {judged} |"


def main(rounds: int) -> None:
    """Print the table."""
    print(f"load before: {os.getloadavg()[0]:.1f}; {rounds} rounds, medians; 640x480, motion\n")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory(prefix="benchmark-ray-") as folder:
        found = trio.run(measure, Path(folder), rounds)
    print("| a job runs | from its request to its first frame | aim |\n|---|---|---|")
    for name, times in found.items():
        print(row(name, times))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    main(parser.parse_args().rounds)
