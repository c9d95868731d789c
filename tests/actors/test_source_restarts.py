"""Jobs whose decoder or fork server is killed while they run: what is promised of a job's frames and of its end."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from kinora.actors.models import JobState
from kinora.system import System
from tests.clips import make_clip
from tests.jobs_kit import codes_of, ended, frames_of, messages_of, nothing_left_behind, run_job, submit, write_plugin

FRAMES = 100
PLUGINS = """
class Counts(Plugin):
    metadata = PluginMetadata(name="counts")
    seen = 0
    def process_frame(self, frame):
        time.sleep(0.01)
        self.seen += 1
        return {"seen": self.seen, "sum": int(frame.image.sum())}
"""


@pytest.fixture(autouse=True)
def _sources(media: Path, plugins_dir: Path) -> None:
    make_clip(media / "long.mp4", frames=FRAMES)
    write_plugin(plugins_dir, "plugins", PLUGINS)


async def until_frames(system: System, state: JobState, frames: int) -> None:
    """Wait until a running job has so many frames."""
    with trio.fail_after(60):
        while state.frames_done < frames:
            state = await system.jobs.wait_changed(state.job_id, state)
    assert not state.ended


async def kill_decoder(system: System, state: JobState) -> None:
    """Kill the decoder of a job, once it runs."""
    workers = system.fork_server._workers
    with trio.fail_after(60):
        while True:
            pids = [worker.pid for worker in workers.values() if worker.name == f"{state.job_id}/decoder"]
            if any(pids):
                break
            await trio.sleep(0.01)
    os.kill(pids[0], signal.SIGKILL)


async def kill_fork_server(system: System, _: JobState) -> None:  # noqa: ASYNC124 - a way as kill_decoder is one
    """Kill the fork server, and all workers with it."""
    pid = system.fork_server.statistics().pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_killed_decoder_costs_no_frame_and_no_state(system: System) -> None:
    """Several times: the job is done with the very frames that it would have had, and says what happened."""
    undisturbed = await frames_of(system, await run_job(system, "counts", source="long.mp4"))
    with nothing_left_behind(system):
        state = await submit(system, "counts", source="long.mp4")
        for frames in (3, 25, 50, 70):
            await until_frames(system, state, frames)
            await kill_decoder(system, state)
        state = await ended(system, state)
    assert (state.status, state.error, state.progress, state.frames_total) == ("done", None, 100, FRAMES)
    assert await frames_of(system, state) == undisturbed
    assert codes_of(system, state.job_id) == [(None, "SOURCE_RESTARTED")] * 4
    assert all("lack of memory; the source was opened again" in text for text in state.warnings)
    assert state.plugins["counts"].restarts == 0


async def test_a_killed_fork_server_costs_the_frames_in_its_workers(system: System) -> None:
    """All running jobs go on by themselves: every frame is there, and the plugin is not blamed."""
    states = [await submit(system, "counts", source="long.mp4") for _ in range(2)]
    for frames in (3, 40):
        for state in states:
            await until_frames(system, state, frames)
        await kill_fork_server(system, states[0])
    for state in states:
        finished = await ended(system, state)
        assert (finished.status, finished.error, finished.frames_done) == ("done", None, FRAMES)
        found = await frames_of(system, state)
        assert [frame["index"] for frame in found] == list(range(FRAMES))
        lost = [frame for frame in found if not frame["results"]]
        assert len(lost) <= 2
        told = {(None, "SOURCE_RESTARTED"), ("counts", "PLUGIN_CRASH"), ("counts", "STATE_LOST")}
        assert set(codes_of(system, state.job_id)) <= told
        stage = finished.plugins["counts"]
        assert (stage.status, stage.failures, stage.health) == ("completed", 0, "ok")
    assert system.ready() == []


@pytest.mark.parametrize("way", [kill_decoder, kill_fork_server])
async def test_a_source_that_is_lost_ends_the_job_as_failed(
    system: System, media: Path, way: Callable[[System, JobState], Awaitable[None]]
) -> None:
    """Its file is gone when it is to be opened again: what was done is there, and nothing says that it is all."""
    state = await submit(system, "counts", source="long.mp4")
    await until_frames(system, state, 10)
    (media / "long.mp4").unlink()
    await way(system, state)
    state = await ended(system, state)
    found = await frames_of(system, state)
    last = len(found) - 1
    assert [frame["index"] for frame in found] == list(range(last + 1))
    assert state.status == "failed"
    assert state.error == f"The source could not be read beyond frame {last}: long.mp4 does not exist; check the path."
    assert (state.frames_done, state.frames_total, state.progress) == (last + 1, FRAMES, last + 1)
    (complete,) = messages_of(system, state.job_id, "complete")
    assert (complete["payload"]["status"], complete["payload"]["frames"]) == ("failed", last + 1)
