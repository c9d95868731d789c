"""Frames handed over together in real jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import msgspec

from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, frames_of, messages_of, run_job, write_plugin

COUNTING = """
class Counting(Plugin):
    metadata = PluginMetadata(name="counting", stateless={stateless}, max_batch=8, batch_wait_ms=500)

    def prepare(self, context):
        self.seen = 0

    def process_batch(self, frames):
        if {fails}:
            raise ValueError("no good")
        self.seen += len(frames)
        return [
            {{"index": frame.index, "together": len(frames), "before": frame.results["before"]["sum"]}}
            for frame in frames
        ]

    def finalize(self):
        return {{"seen": self.seen}}
"""
BEFORE = """
@tool("before", stateless=True)
def before(frame):
    return {"sum": int(frame.image.sum())}
"""
"""Its results show that each frame of a batch comes with its own."""


FAILS = "any(frame.index == 13 for frame in frames)"


def write(folder: Path) -> None:
    """Both plugins."""
    write_plugin(folder, "counting", COUNTING.format(fails="False", stateless=False))
    write_plugin(folder, "before", BEFORE)


def results(frames: list[dict[str, Any]]) -> list[Any]:
    """Those of the plugin that takes batches."""
    return [frame["results"].get("counting") for frame in frames]


async def test_jobs_in_batches(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """All is as if the frames had come one by one, but for the time that it takes."""
    write(plugins_dir)
    write_plugin(plugins_dir, "failing", COUNTING.format(fails=FAILS, stateless=True).replace("counting", "failing"))
    async with open_system(settings) as system:
        await look_at_all_frames(system)
        await look_at_the_newest(system)
        for replicas in (1, 2):
            await look_at_a_failure(system, replicas)


async def look_at_all_frames(system: System) -> None:
    """All frames are there, in order, with their own results, and are told one by one."""
    state = await run_job(system, "before", "counting")
    frames = await frames_of(system, state)
    told = [message["payload"]["index"] for message in messages_of(system, state.job_id, "frame")]
    assert (state.status, state.warnings) == ("done", ())
    found = results(frames)
    assert [result["index"] for result in found] == list(range(CLIP_FRAMES))
    assert [result["before"] for result in found] == [frame["results"]["before"]["sum"] for frame in frames]
    assert max(result["together"] for result in found) == 8
    assert sorted(told) == sorted([*range(CLIP_FRAMES)] * 2)
    assert msgspec.json.decode(state.plugins["counting"].finalize) == {"seen": CLIP_FRAMES}
    assert state.plugins["counting"].frames == CLIP_FRAMES


async def look_at_the_newest(system: System) -> None:
    """With ``latest`` frames do not gather while the plugin is at work, and those that are left out are counted."""
    state = await run_job(system, "before", "counting", policy="latest")
    frames = await frames_of(system, state)
    assert state.status == "done"
    assert len(frames) + (state.frames_dropped or 0) == CLIP_FRAMES
    assert [result["index"] for result in results(frames)] == [frame["index"] for frame in frames]


async def look_at_a_failure(system: System, replicas: int) -> None:
    """One bad frame costs itself, and the only warning names it."""
    state = await run_job(system, "before", {"name": "failing", "replicas": replicas})
    found = [frame["results"].get("failing") for frame in await frames_of(system, state)]
    (warning,) = messages_of(system, state.job_id, "warning")
    assert (warning["payload"]["code"], warning["payload"]["frame_id"]) == ("PLUGIN_ERROR", "frame-000013")
    assert [index for index, result in enumerate(found) if result is None] == [13]
    assert state.plugins["failing"].failures == 1
    assert max(result["together"] for result in found if result) > 1


async def test_a_small_ring_makes_batches_small(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """Nothing waits for a slot that only the batch itself could free."""
    write(plugins_dir)
    async with open_system(attrs.evolve(settings, ring_bytes=1)) as system:
        state = await run_job(system, "before", "counting")
        found = results(await frames_of(system, state))
    assert state.status == "done"
    assert [result["together"] for result in found] == [1] * CLIP_FRAMES
