"""The limits of a worker: memory and threads."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from kinora.runtime.linux.machine import cores, threads_per_worker
from kinora.settings import Settings
from kinora.system import open_system
from tests.jobs_kit import CLIP_FRAMES, codes_of, frames_of, nothing_left_behind, run_job, write_plugin

BRIGHTNESS = """
@tool("brightness")
def brightness(frame):
    return {"mean": float(frame.image.mean())}
"""
GREEDY = """
@tool("greedy", memory_limit_mb=300)
def greedy(frame):
    hoard = []
    while True:
        hoard.append(np.ones((4, 2**20), np.uint8))
        time.sleep(0.01)  # so that a busy server sees it before the hard cap on its address space is reached
"""
GREEDY_CHILDREN = """
import subprocess
@tool("greedy", memory_limit_mb=300)
def greedy(frame):
    program = "import time; hoard = b'x' * 2**27; time.sleep(1000)"
    children = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(3)]
    time.sleep(1000)
"""
AT_ONE_STROKE = """
@tool("greedy", memory_limit_mb=300)
def greedy(frame):
    return {"sum": int(np.ones(2**34, np.uint8).sum())}
"""
SHARING = """
@tool("sharing", memory_limit_mb=300)
def sharing(frame):
    model = np.ones(2**27, np.uint8)
    for _ in range(4):
        if os.fork() == 0:
            model.sum()
            time.sleep(1000)
    time.sleep(1)
    return {"index": frame.index}
"""
THREADS = """
import cv2
@tool("threads")
def threads(frame):
    return {"opencv": cv2.getNumThreads(), "variable": os.environ["OMP_NUM_THREADS"]}

class Stubborn(Plugin):
    metadata = PluginMetadata(name="stubborn")

    def prepare(self, context):
        cv2.setNumThreads(3)

    def process_frame(self, frame):
        return {"opencv": cv2.getNumThreads()}
"""


@pytest.fixture(autouse=True)
def _plugins(plugins_dir: Path) -> None:
    write_plugin(plugins_dir, "brightness", BRIGHTNESS)


@pytest.mark.parametrize("source", [GREEDY, GREEDY_CHILDREN], ids=["itself", "with its children"])
async def test_a_plugin_that_eats_memory_is_killed_and_given_up(
    settings: Settings, plugins_dir: Path, source: str
) -> None:
    """Over its limit, children included: PLUGIN_MEMORY, in the end disabled, and the job goes on without it."""
    write_plugin(plugins_dir, "greedy", source)
    async with open_system(settings) as system:
        with nothing_left_behind(system):
            state = await run_job(system, "brightness", "greedy")
        assert state.status == "done"
        assert codes_of(system, state.job_id) == [("greedy", "PLUGIN_MEMORY"), ("greedy", "PLUGIN_DISABLED")]
        assert state.warnings[0] == ("greedy: its process used more than its 300 MB of memory and was killed (3 times)")
        assert state.plugins["greedy"].restarts == 2
        assert all("brightness" in frame["results"] for frame in await frames_of(system, state))


async def test_the_servers_limit_holds_for_every_plugin(settings: Settings, plugins_dir: Path) -> None:
    """A plugin that declares no limit, or a higher one, has the server's."""
    write_plugin(plugins_dir, "greedy", GREEDY.replace("memory_limit_mb=300", "memory_limit_mb=100_000"))
    async with open_system(attrs.evolve(settings, worker_memory_mb=200)) as system:
        state = await run_job(system, "greedy", max_frames=4)
        assert codes_of(system, state.job_id) == [("greedy", "PLUGIN_MEMORY"), ("greedy", "PLUGIN_DISABLED")]
        assert "its 200 MB" in state.warnings[0]


async def test_memory_taken_at_one_stroke_is_refused(settings: Settings, plugins_dir: Path) -> None:
    """Far more than its limit in one piece: the plugin gets MemoryError before the machine has to find the pages."""
    write_plugin(plugins_dir, "greedy", AT_ONE_STROKE)
    async with open_system(settings) as system:
        state = await run_job(system, "greedy", max_frames=1)
        assert codes_of(system, state.job_id) == [("greedy", "PLUGIN_ERROR")]
        assert "Unable to allocate 16.0 GiB" in state.warnings[0]


async def test_memory_that_processes_share_counts_once(settings: Settings, plugins_dir: Path) -> None:
    """A model of 128 MB that four children of the plugin share is far below 300 MB."""
    write_plugin(plugins_dir, "sharing", SHARING)
    async with open_system(settings) as system:
        with nothing_left_behind(system):
            state = await run_job(system, "sharing", max_frames=1)
        assert state.warnings == ()
        assert state.frames_done == 1


async def test_a_worker_has_the_cores_that_are_free(settings: Settings, plugins_dir: Path) -> None:
    """OpenCV has all for the first frame of a job that is alone; a plugin that sets its threads itself keeps them.

    The libraries that read the usual variables settle it when they are loaded, so they have an equal share.
    """
    write_plugin(plugins_dir, "threads", THREADS)
    async with open_system(settings) as system:
        state = await run_job(system, "threads", "stubborn")
        share = threads_per_worker(cores(), settings.max_jobs, 1)
        frames = await frames_of(system, state)
    assert len(frames) == CLIP_FRAMES
    assert frames[0]["results"]["threads"] == {"opencv": cores(), "variable": str(share)}
    assert {frame["results"]["stubborn"]["opencv"] for frame in frames} == {3}


async def test_all_workers_together_have_a_budget(settings: Settings, plugins_dir: Path) -> None:
    """Beyond it the largest worker is killed, with a warning that says so; everything else goes on."""
    write_plugin(plugins_dir, "greedy", GREEDY.replace("memory_limit_mb=300", "memory_limit_mb=100_000"))
    async with open_system(attrs.evolve(settings, workers_memory_mb=600)) as system:
        with nothing_left_behind(system):
            state = await run_job(system, "brightness", "greedy")
        assert state.status == "done"
        assert codes_of(system, state.job_id) == [("greedy", "PLUGIN_MEMORY"), ("greedy", "PLUGIN_DISABLED")]
        assert state.warnings[0] == (
            "greedy: its process was killed: all workers together used more than 600 MB of memory, and it was the "
            "largest (3 times)"
        )
        assert state.plugins["brightness"].failures == 0
        assert all("brightness" in frame["results"] for frame in await frames_of(system, state))


async def test_small_workers_within_the_budget_are_left_alone(settings: Settings) -> None:
    """Pages that workers share count once: many small ones need far less than the sum of what each shows."""
    async with open_system(attrs.evolve(settings, workers_memory_mb=600)) as system:
        assert (await run_job(system, "brightness", "motion", "quality")).warnings == ()
