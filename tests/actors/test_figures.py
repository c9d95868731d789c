"""What jobs, stages and sessions count for metrics."""

from __future__ import annotations

import pytest
import trio
import trio.testing

from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.messages import Code
from kinora.actors.pipeline.pipeline_link import CommandQueue, PipelineEnded
from kinora.actors.realtime import client_session
from kinora.actors.stages.plugin_process import PluginDied
from kinora.actors.store.store import Store
from kinora.plugins.protocol import Done
from tests.actors.job_kit import RecordingAudience, Tell, frames, make_job, pipeline_state
from tests.actors.realtime_kit import connect, frame, manager_of, running
from tests.actors.stage_kit import CRASH, FOUND, HANG, NO_DEVICE, RAISED, FakeProcess, Stage

TOO_MUCH = PluginDied(Code.PLUGIN_MEMORY, "its process used more than its 100 MB of memory and was killed")
BAD = Done(result=None, run_ms=3.0, fault="a set has no form in JSON")


async def test_a_stage_counts_its_frames_and_failures(autojump_clock: trio.testing.MockClock) -> None:
    """Each frame has waited; those that were answered count with their time, and each failure by its kind."""
    stage = Stage(FakeProcess(frames=[FOUND, RAISED, CRASH, HANG, FOUND, TOO_MUCH, BAD]))
    await stage.run(frames=8)
    record = stage.record
    assert record.queue.count == 8
    assert (record.run.count, round(record.run.sum, 6)) == (5, (4 + 2 + 4 + 3 + 4) / 1000)
    assert record.failed == {
        Code.PLUGIN_ERROR: 1,
        Code.PLUGIN_CRASH: 1,
        Code.PLUGIN_TIMEOUT: 1,
        Code.PLUGIN_MEMORY: 1,
        Code.PLUGIN_BAD_RESULT: 1,
    }
    assert (record.restarts, record.disabled) == (3, 0)


async def test_a_stage_counts_that_it_is_disabled_once(autojump_clock: trio.testing.MockClock) -> None:
    """A plugin that fails too often is counted as disabled, once for its job."""
    stage = Stage(FakeProcess(frames=[CRASH, CRASH, CRASH]), max_failures=3)
    await stage.run(frames=6)
    assert (stage.record.failed[Code.PLUGIN_CRASH], stage.record.disabled) == (3, 1)


async def test_a_stage_counts_that_its_device_failed(autojump_clock: trio.testing.MockClock) -> None:
    """A failure of the device is none of the plugin's, and is counted apart."""
    stage = Stage(FakeProcess(frames=[NO_DEVICE, FOUND]), device="cuda:0")
    await stage.run(frames=1)
    assert (stage.record.fallbacks, stage.record.failed) == (1, {})


async def test_a_job_counts_what_its_pipelines_tell(autojump_clock: trio.testing.MockClock) -> None:
    """Frames that are done or dropped and decoders that were replaced count as they are told, and never twice."""
    figures = JobFigures()

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await tell(pipeline_state(dropped=2))
        await frames(tell, 0, 1, 2)
        await tell(pipeline_state(dropped=5, source_restarts=1))
        await tell(pipeline_state(dropped=5, source_restarts=1))
        await tell(PipelineEnded())

    async with trio.open_nursery() as nursery:
        store = Store(":memory:")
        await nursery.start(store.run)
        job = make_job(work, store, RecordingAudience(), figures=figures)
        job.begin()
        await job.run()
        store.stop()
    assert (figures.frames_done, figures.frames_dropped, figures.source_restarts) == (3, 5, 1)
    assert figures.ended == {"done": 1}


async def test_a_slow_client_is_counted_with_what_it_missed(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The messages that were dropped for a client are counted when it is told of the gap, and so is the gap."""
    monkeypatch.setattr(client_session, "JOIN_AT", 10**6)
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        client.stop_reading()
        for index in range(3000):
            manager.broadcast(frame(index))
            if index % 100 == 0:
                await trio.testing.wait_all_tasks_blocked()
        await trio.testing.wait_all_tasks_blocked()
        client.read_on()
        await trio.testing.wait_all_tasks_blocked()
        [gap] = client.of_type("gap")
        assert manager.figures.dropped == gap["payload"]["dropped"] > 1000
        assert manager.figures.gaps == {"slow": 1}
        await client.say(None)
    assert sum(manager.figures.ended.values()) == 1
