"""Whole jobs with a plugin at the side: the others do not notice it, whatever it does, and its results arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trio

from kinora.actors.models import JobState
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.jobs_kit import CLIP_FRAMES, ended, frames_of, messages_of, nothing_left_behind, submit, write_plugin

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
PLUGINS = """
@tool("quick", stateless=True)
def quick(frame):
    return {"index": frame.index, "saw": sorted(frame.results)}

@tool("late", stateless=True)
def late(frame):
    time.sleep(0.1)
    return {"index": frame.index, "saw": sorted(frame.results), "detections": []}

@tool("dies")
def dies(frame):
    os._exit(3)

@tool("hangs")
def hangs(frame):
    time.sleep(1000)

class Unready(Plugin):
    metadata = PluginMetadata(name="unready")

    def prepare(self, context):
        time.sleep(1000)

    def process_frame(self, frame):
        return None
"""


@pytest.fixture
async def system(settings: Settings, plugins_dir: Path) -> AsyncIterator[System]:
    """A running system that has these plugins."""
    write_plugin(plugins_dir, "side", PLUGINS)
    with trio.fail_after(SAFETY_S):
        async with open_system(settings) as running:
            yield running


def at_the_side(name: str, **more: Any) -> dict[str, Any]:
    """An entry of a request."""
    return {"name": name, "options": {}, **more, "side": True}


def told(system: System, state: JobState, plugin: str) -> list[dict[str, Any]]:
    """The results of a plugin as they were published."""
    messages = messages_of(system, state.job_id, "frame")
    return [message["payload"] for message in messages if message["payload"]["plugin"] == plugin]


async def all_frames(system: System, state: JobState) -> JobState:
    """Wait until all frames are done; the job may have work left."""
    while state.frames_done < CLIP_FRAMES:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def test_its_results_are_told_and_those_in_time_are_in_the_frames(system: System) -> None:
    """Each frame is done or passed over; the last one is done; ``complete`` comes after everything."""
    plugins = ["quick", at_the_side("late"), {"name": "motion", "options": {}}]
    with nothing_left_behind(system):
        state = await ended(system, await submit(system, *plugins))
    frames, late, quick = await frames_of(system, state), told(system, state, "late"), told(system, state, "quick")
    figures = state.plugins["late"]
    assert (state.status, state.warnings, figures.side) == ("done", (), True)
    assert [frame["index"] for frame in frames] == list(range(CLIP_FRAMES))
    assert [result["data"] for result in quick] == [{"index": n, "saw": []} for n in range(CLIP_FRAMES)]
    assert all(frame["results"]["quick"]["saw"] == [] and "motion" in frame["results"] for frame in frames)
    indexes = [result["index"] for result in late]
    assert indexes == sorted(set(indexes))
    assert indexes[-1] == CLIP_FRAMES - 1
    assert all(result["data"]["saw"] == ["quick"] for result in late)
    assert figures.frames == len(late) < CLIP_FRAMES
    assert figures.frames + figures.passed_over == CLIP_FRAMES
    in_time = [frame["index"] for frame in frames if "late" in frame["results"]]
    assert len(in_time) == figures.frames - figures.late
    assert set(in_time) <= set(indexes)
    messages = messages_of(system, state.job_id)
    assert messages[-1]["type"] == "complete"
    assert state.request["plugins"] == [{"name": "quick", "options": {}}, *plugins[1:]]


async def test_whatever_it_does_the_others_go_on(system: System) -> None:
    """All their results come while it still makes trouble; a cancel ends it at once."""
    with nothing_left_behind(system):
        for plugin in ("dies", "hangs", "unready"):
            state = await all_frames(system, await submit(system, at_the_side(plugin), "quick"))
            if plugin == "dies":
                assert (await ended(system, state)).status == "done"
            else:
                answer = await system.jobs.cancel(state.job_id)
                assert (answer.status, answer.pids) == ("cancelled", ())
            await check_the_others(system, state, plugin)


async def check_the_others(system: System, state: JobState, plugin: str) -> None:
    """They have all their results, and only this plugin is warned of."""
    assert [result["index"] for result in told(system, state, "quick")] == list(range(CLIP_FRAMES))
    assert [frame["results"]["quick"]["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))
    warned = {message["payload"]["plugin"] for message in messages_of(system, state.job_id, "warning")}
    assert warned == ({plugin} if plugin == "dies" else set())


async def test_the_end_of_the_source_is_not_held_up_for_long(system: System) -> None:
    """One that hangs has the time that each frame has, for the frame that it has and the newest."""
    began = trio.current_time()
    state = await ended(system, await submit(system, "quick", at_the_side("hangs"), plugin_timeout_ms=1_000))
    assert trio.current_time() - began < SAFETY_S / 4
    assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
    assert state.plugins["hangs"].failures <= 2
    assert {group.code for group in state.warning_groups} == {"PLUGIN_TIMEOUT"}


async def test_all_of_them_may_be_at_the_side(system: System) -> None:
    """Then the source sets the pace, and the last frame has its result all the same."""
    state = await ended(system, await submit(system, at_the_side("late", every=7), at_the_side("quick")))
    assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
    assert {result["index"] for result in told(system, state, "late")} <= set(range(0, CLIP_FRAMES, 7))
    assert told(system, state, "late")[-1]["index"] == 28
    assert told(system, state, "quick")[-1]["index"] == CLIP_FRAMES - 1
    assert all(result["data"]["saw"] == [] for result in told(system, state, "late"))
