"""Paused jobs: they hold up no other job, keep their workers for a while, and go on where they were."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.actors.jobs.job import Job
from kinora.actors.models import JobState
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import CommandQueue, Pause, PipelineEnded, Prepared, Resume, Stop
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.store.store import Store
from kinora.serve import open_server
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.actors.job_kit import (
    FakePipeline,
    RecordingAudience,
    Tell,
    frames,
    job_plan,
    job_request,
    job_spec,
    job_work,
)
from tests.client_kit import get, post
from tests.jobs_kit import (
    CLIP_FRAMES,
    ended,
    frames_of,
    messages_of,
    nothing_left_behind,
    run_job,
    submit,
    write_plugin,
)

SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""
SLOW = """
@tool("slow")
def slow(frame):
    time.sleep(0.1)
    return {"index": frame.index}
"""
HELD = """
class Held(Plugin):
    metadata = PluginMetadata(name="held")

    def process_frame(self, frame):
        while not os.path.exists(GO):
            time.sleep(0.01)
        return {"index": frame.index}
"""


@pytest.fixture
def go(tmp_path: Path, plugins_dir: Path) -> Path:
    """The file that lets jobs with the plugin ``held`` go on, once it is made."""
    path = tmp_path / "go"
    write_plugin(plugins_dir, "slow", SLOW)
    write_plugin(plugins_dir, "held", HELD.replace("GO", repr(str(path))))
    return path


@pytest.fixture
async def one_place(settings: Settings, go: Path) -> AsyncIterator[System]:
    """A system that runs one job at a time."""
    async with open_system(attrs.evolve(settings, max_jobs=1)) as running:
        with trio.fail_after(SAFETY_S):
            yield running


async def begun(system: System, *plugins: str) -> JobState:
    """A job that has done a few of its frames."""
    state = await submit(system, *plugins)
    while state.frames_done < 3:
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def until(system: System, state: JobState, status: str, stage: str) -> JobState:
    """Wait until a job has this status and stage."""
    while (state.status, state.stage) != (status, stage):
        assert not state.ended
        state = await system.jobs.wait_changed(state.job_id, state)
    return state


async def workers_gone(system: System) -> None:
    """Wait until every worker that there is now has ended."""
    for worker in list(system.fork_server._workers.values()):
        await worker.gone.wait()


async def each_frame_once(system: System, state: JobState) -> bool:
    """True if the job has all frames of the clip, each once."""
    return [frame["index"] for frame in await frames_of(system, state)] == list(range(CLIP_FRAMES))


# Places


async def test_paused_jobs_hold_no_other_job_up(settings: Settings, go: Path) -> None:
    """Over REST: with every place paused a third job runs to its end; then the first ones go on."""
    async with open_server(attrs.evolve(settings, max_jobs=2)) as server:
        with trio.fail_after(SAFETY_S):
            paused = [await begun(server.system, "slow") for _ in range(2)]
            for state in paused:
                answer = await post(f"{server.url}/v1/jobs/{state.job_id}/pause")
                assert (answer.status, answer.json()["status"]) == (200, "paused")
            assert (await run_job(server.system, "slow", max_frames=2)).status == "done"
            listed = (await get(f"{server.url}/v1/jobs?status=paused")).json()["jobs"]
            assert {job["job_id"] for job in listed} == {state.job_id for state in paused}
            for state in paused:
                answer = await post(f"{server.url}/v1/jobs/{state.job_id}/resume")
                assert (answer.status, answer.json()["status"]) == (200, "running")
            for state in paused:
                assert (await ended(server.system, state)).status == "done"
                assert await each_frame_once(server.system, state)


async def test_a_job_goes_on_when_a_place_is_free(one_place: System, go: Path) -> None:
    """Until then it is paused, and its stage says that it is queued; asking again changes nothing."""
    first = await begun(one_place, "slow")
    await one_place.jobs.pause(first.job_id)
    second = await until(one_place, await submit(one_place, "held", max_frames=1), "running", "running")
    for _ in range(2):
        state = await one_place.jobs.resume(first.job_id)
        assert (state.status, state.stage) == ("paused", "queued")
    await trio.Path(go).touch()
    assert (await ended(one_place, second)).status == "done"
    first = await ended(one_place, state)
    assert first.status == "done"
    assert await each_frame_once(one_place, first)
    stages = [message["payload"]["stage"] for message in messages_of(one_place, first.job_id, "progress")]
    assert [stage for stage, last in zip(stages, ["", *stages], strict=False) if stage != last] == [
        *("queued", "preparing", "running", "paused", "queued", "running", "finalizing")
    ]


async def test_a_job_that_waits_for_its_place_can_be_paused_again(one_place: System, go: Path) -> None:
    """It leaves the line: the place goes to the next one, and it stays paused."""
    first = await begun(one_place, "slow")
    await one_place.jobs.pause(first.job_id)
    second = await until(one_place, await submit(one_place, "held", max_frames=1), "running", "running")
    await one_place.jobs.resume(first.job_id)
    state = await one_place.jobs.pause(first.job_id)
    assert (state.status, state.stage) == ("paused", "paused")
    await trio.Path(go).touch()
    await ended(one_place, second)
    assert (await run_job(one_place, "slow", max_frames=2)).status == "done"
    assert (await one_place.jobs.state(first.job_id)).stage == "paused"
    await one_place.jobs.resume(first.job_id)
    assert (await ended(one_place, first)).status == "done"


async def test_a_job_that_waits_for_its_place_can_be_cancelled(one_place: System, go: Path) -> None:
    """Its processes end, and the place goes to the next job."""
    first = await begun(one_place, "slow")
    await one_place.jobs.pause(first.job_id)
    second = await until(one_place, await submit(one_place, "held", max_frames=1), "running", "running")
    await one_place.jobs.resume(first.job_id)
    assert (await one_place.jobs.cancel(first.job_id)).cancelled
    await trio.Path(go).touch()
    assert (await ended(one_place, second)).status == "done"
    assert (await run_job(one_place, "slow", max_frames=2)).status == "done"


async def test_pausing_and_resuming_at_once_never_gives_a_place_away_twice(one_place: System, go: Path) -> None:
    """After a storm of both, on three jobs with one place, one job at most runs at a time and all end."""
    jobs = []
    for _ in range(3):
        jobs.append(await begun(one_place, "slow"))
        await one_place.jobs.pause(jobs[-1].job_id)
    for turn in range(60):
        state = jobs[turn % 3]
        await (one_place.jobs.resume if turn % 5 else one_place.jobs.pause)(state.job_id)
        states = [await one_place.jobs.state(job.job_id) for job in jobs]
        assert sum(state.status == "running" for state in states) <= 1
    for state in jobs:
        await one_place.jobs.resume(state.job_id)
    for state in jobs:
        assert (await ended(one_place, state)).status == "done"
        assert await each_frame_once(one_place, state)


# Workers


async def test_after_a_long_pause_the_workers_are_prepared_again(settings: Settings, go: Path) -> None:
    """They end after ``paused_keep_s``; each frame is there once, and figures and messages go on."""
    async with open_system(attrs.evolve(settings, paused_keep_s=0.0)) as system:
        with trio.fail_after(SAFETY_S), nothing_left_behind(system):
            state = await begun(system, "slow")
            await system.jobs.pause(state.job_id)
            await workers_gone(system)
            paused = await system.jobs.state(state.job_id)
            assert (paused.status, paused.stage) == ("paused", "paused")
            assert 3 <= paused.frames_done < CLIP_FRAMES
            await system.jobs.resume(state.job_id)
            state = await ended(system, paused)
        assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
        assert [(group.plugin, group.code) for group in state.warning_groups] == [("slow", "STATE_LOST")]
        assert await each_frame_once(system, state)
        assert state.plugins["slow"].frames >= CLIP_FRAMES
        assert state.plugins["slow"].restarts == 0
        assert paused.plugin_timings is not None
        assert state.plugin_timings is not None
        assert state.plugin_timings["slow"] > paused.plugin_timings["slow"] > 0


async def test_a_job_without_workers_can_be_cancelled(settings: Settings, go: Path) -> None:
    """And deleted; each at once."""
    async with open_system(attrs.evolve(settings, paused_keep_s=0.0)) as system:
        with trio.fail_after(SAFETY_S):
            jobs = [await begun(system, "slow") for _ in range(2)]
            for state in jobs:
                await system.jobs.pause(state.job_id)
            await workers_gone(system)
            assert (await system.jobs.cancel(jobs[0].job_id)).cancelled
            await system.jobs.delete(jobs[1].job_id)
            assert (await run_job(system, "slow", max_frames=2)).status == "done"


async def test_a_paused_job_stays_paused_on_the_next_server(settings: Settings, go: Path) -> None:
    """It takes no place and no worker there until it is resumed; then it goes on after its last frame."""
    one_place = attrs.evolve(settings, max_jobs=1)
    with trio.fail_after(SAFETY_S):
        async with open_system(one_place) as system:
            state = await begun(system, "slow")
            await system.jobs.pause(state.job_id)
            assert (await run_job(system, "slow", max_frames=2)).status == "done"
        async with open_system(one_place) as system:
            found = await system.jobs.state(state.job_id)
            assert (found.status, found.stage) == ("paused", "paused")
            assert found.frames_done >= 3
            assert (await run_job(system, "slow", max_frames=2)).status == "done"
            assert (await system.jobs.state(state.job_id)).status == "paused"
            await system.jobs.resume(state.job_id)
            state = await ended(system, found)
            assert (state.status, state.frames_done) == ("done", CLIP_FRAMES)
            assert await each_frame_once(system, state)


# On the virtual clock


class Pipelines:
    """Makes pipelines that do two frames each and then wait, and keeps the points at which they begin."""

    def __init__(self) -> None:
        self.points: list[ResumePoint] = []
        self.commands: list[object] = []

    def make(self, order: WorkOrder) -> FakePipeline:
        """Make one."""
        point = order.begin

        async def work(tell: Tell, commands: CommandQueue) -> None:
            self.points.append(point)
            await tell(Prepared())
            await frames(tell, point.start, point.start + 2)
            while not self.commands or not isinstance(self.commands[-1], Stop):
                self.commands.append(await commands.get())
            self.commands.append("ended")
            await tell(PipelineEnded())

        return FakePipeline(work)


@pytest.mark.parametrize(("kind", "begun_at"), [("video", [0, 4, 8]), ("stream", [0])])
async def test_the_pause_must_be_long(
    autojump_clock: MockClock, tmp_path: Path, kind: str, begun_at: list[int]
) -> None:
    """Each of several pauses counts alone; a new pipeline begins behind the last stored frame, by the stride.

    A live stream keeps its workers.
    """
    store, audience, pipelines = Store(tmp_path / "kinora.db"), RecordingAudience(), Pipelines()
    plan = job_plan(job_request(stride=2), kind=kind)
    job = Job(
        job_spec(plan.request), work=job_work(plan, pipelines.make), store=store, audience=audience, paused_keep_s=600.0
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        job.begin()
        nursery.start_soon(job.run)
        await trio.sleep(1)
        for _ in range(3):
            job.pause()
            await trio.sleep(599)
            job.resume()
            await trio.sleep(1)
        assert pipelines.commands == [Pause(), Resume()] * 3
        for _ in range(2):
            job.pause()
            await trio.sleep(601)
            assert job.state().status == "paused"
            job.resume()
            await wait_all_tasks_blocked()
            await trio.sleep(1)
        assert [point.start for point in pipelines.points] == begun_at
        assert [point.frames for point in pipelines.points] == [start // 2 for start in begun_at]
        assert job.state().frames_done == 2 * len(begun_at)
        job.cancel()
        await job.ended.wait()
        assert job.state().status == "cancelled"
        stops = [command for command in pipelines.commands if isinstance(command, Stop)]
        assert stops == [Stop(saving=True)] * (len(begun_at) - 1) + [Stop()]
        store.stop()
