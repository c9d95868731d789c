"""What it costs that the built-in plugins save their states: frames a second with and without, side by side.

Run it with ``python -m benchmarks.states``; it takes a minute. Each plugin has two workers; one keeps its state
after each frame. Both see the same frames (1280x720, in the ring), in turn; a frame's time is that from the request to
its answer. The ratio is taken round by round, and its median is printed, with the aim as met or missed.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

import attrs
import numpy as np
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.stages.plugin_process import PluginProcess, ProcessSpec
from kinora.plugins import protocol
from kinora.plugins.api import Plugin
from kinora.plugins.builtin.motion import Motion
from kinora.plugins.builtin.scenes import Scenes
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.options import check_options
from kinora.plugins.protocol import Done
from kinora.runtime.forking.workers import ForkServer
from kinora.runtime.shared_memory.frames import RingWriter
from kinora.runtime.shared_memory.state_memory import StateMemory

WIDTH, HEIGHT = 1280, 720
SLOTS = 16
FRAMES = 96
"""Of one round: more than twice as many as motion keeps between two copies of its model."""
ROUNDS = 7
TRACKED = 10
LEAST = 0.98
"""The share of its frames a second that a plugin keeps."""
PLUGINS: Mapping[str, type[Plugin]] = {"motion": Motion, "scenes": Scenes, "tracker": Tracker}


async def hear(_: protocol.Note) -> None:
    """Pass over what a plugin says."""


@attrs.define
class Stage:
    """A worker, and the time that its frames took."""

    process: PluginProcess
    took_s: float = 0.0

    async def work(self, ticket: FrameTicket) -> None:
        """Process a frame."""
        began = perf_counter()
        answer = await self.process.process(ticket, 1, hear)
        self.took_s += perf_counter() - began
        assert isinstance(answer, Done), answer


def paint(ring: JobRing) -> None:
    """Things that move before a restless ground, in each slot."""
    writer = RingWriter(os.dup(ring.fd), ring.slots, ring.slot_bytes)
    noise = np.random.default_rng(1)
    ground = noise.integers(40, 90, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    for slot in range(ring.slots):
        image = writer.view(slot, HEIGHT, WIDTH)
        image[:] = ground + noise.integers(0, 6, ground.shape, dtype=np.uint8)
        for thing in range(TRACKED):
            x, y, width, height = box(slot, thing)
            image[y : y + height, x : x + width] = 255 - 20 * thing


def box(index: int, thing: int) -> tuple[int, int, int, int]:
    """The place of a thing: it goes to and fro."""
    return 20 + 110 * thing + 3 * abs(index % (2 * SLOTS) - SLOTS), 40 + 60 * thing, 48, 90


def ticket(ring: JobRing, index: int) -> FrameTicket:
    """A frame with the detections of another plugin."""
    slot = abs((index + SLOTS - 1) % (2 * SLOTS - 2) - (SLOTS - 1))  # to and fro: no picture jumps
    keys = ("x", "y", "width", "height")
    found: list[dict[str, Any]] = [
        {**dict(zip(keys, box(slot, thing), strict=True)), "confidence": 0.9, "class": "person"}
        for thing in range(TRACKED)
    ]
    results = {"people": json.dumps({"detections": found}).encode()}
    return FrameTicket(
        ring=ring, slot=slot, index=index, timestamp_ms=40.0 * index, width=WIDTH, height=HEIGHT, results=results
    )


async def begin(forks: ForkServer, name: str, ring: JobRing, memory: StateMemory | None) -> Stage:
    """Prepare a worker, which keeps its state if there is a memory for it."""
    plugin = PLUGINS[name]
    spec = ProcessSpec(
        job_id="states",
        plugin=name,
        origin=protocol.Origin(kind="builtin", location=plugin.__module__, attribute=plugin.__name__),
        options=check_options(plugin.metadata, {}),
        models_dir=Path(),
        threads=1,
        memory_limit=None,
    )
    stage = Stage(PluginProcess(spec, forks))
    await stage.process.start()
    await stage.process.prepare("cpu", ring, hear)
    if memory is not None:
        await stage.process.remember(memory, None, hear)
    return stage


async def measure(forks: ForkServer, name: str, ring: JobRing) -> bool:
    """Print a row, and return whether the aim is met."""
    memory = StateMemory()
    without, with_states = await begin(forks, name, ring, None), await begin(forks, name, ring, memory)
    ratios, ours, theirs, saved = [], [], [], 0
    for number in range(ROUNDS + 1):
        without.took_s = with_states.took_s = 0.0
        for index in range(number * FRAMES, (number + 1) * FRAMES):
            pair = (without, with_states) if index % 2 else (with_states, without)
            for stage in pair:
                await stage.work(ticket(ring, index))
            newest = memory.newest(index)
            saved += newest is not None and newest.index == index
        if number:  # the first round warms up
            ratios.append(without.took_s / with_states.took_s)
            ours.append(FRAMES / with_states.took_s)
            theirs.append(FRAMES / without.took_s)
    newest = memory.newest((ROUNDS + 1) * FRAMES)
    size = 0 if newest is None else newest.size
    for stage in (without, with_states):
        await stage.process.aclose()
    memory.close()
    ratio = statistics.median(ratios)
    print(
        f"{name:<10}{statistics.median(theirs):10.0f}{statistics.median(ours):12.0f}{ratio:10.3f}"
        f"{size / 1000:12,.1f} kB{saved / (ROUNDS + 1) / FRAMES:10.0%}   {'met' if ratio >= LEAST else 'missed'}"
    )
    return ratio >= LEAST


async def main() -> None:
    """Measure each plugin."""
    ring = JobRing(SLOTS, WIDTH * HEIGHT * 3)
    paint(ring)
    ring.seal()
    print(f"{'plugin':<10}{'frames/s':>10}{'with states':>12}{'ratio':>10}{'a state':>15}{'kept':>10}   aim: {LEAST}")
    async with trio.open_nursery() as nursery:
        forks = ForkServer()
        await nursery.start(forks.run)
        for name in PLUGINS:
            await measure(forks, name, ring)
        nursery.cancel_scope.cancel()
    ring.close()


if __name__ == "__main__":
    trio.run(main)
