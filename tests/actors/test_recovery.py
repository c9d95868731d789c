"""What the next server makes of the jobs that an earlier one has left, however many they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing

from kinora.actors.jobs.job import Job, Work
from kinora.actors.jobs.job_factory import JobFactory
from kinora.actors.jobs.recovery import INTERRUPTED_LIVE, Recovered, recover
from kinora.actors.models import JobState, JobStatus, StageState, WarningGroup
from kinora.actors.pipeline.job_spec import JobSpec, ResumePoint
from kinora.actors.pipeline.pipeline_link import CommandQueue
from kinora.actors.requests.job_request import JobRequest
from kinora.actors.store.store import JobRecord, Store
from kinora.actors.times import utc_now
from kinora.media.arrival import clock_s
from tests.actors.job_kit import (
    CREATED_AT,
    PLUGIN,
    FakePipeline,
    RecordingAudience,
    Tell,
    job_plan,
    job_request,
    job_spec,
    job_work,
)

MANY = 600
"""More than the queue and any page of jobs would hold."""


async def find_nothing() -> Work:
    """Be called by no test."""
    await trio.lowlevel.checkpoint()
    raise AssertionError("recovering checks no source")


async def do_nothing(tell: Tell, commands: CommandQueue) -> None:
    """Be a pipeline that no test lets run."""
    await trio.lowlevel.checkpoint()
    raise AssertionError("recovering runs no job")


class FakeFactory(JobFactory):
    """Makes real jobs that find no work: it is an error to look for it while jobs are taken up."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def recall(self, spec: JobSpec, upload: str | None) -> Job:
        """Make a job."""
        return Job(spec, find_work=find_nothing, store=self._store, audience=RecordingAudience())


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A running store on disk."""
    running = Store(tmp_path / "kinora.db")
    async with trio.open_nursery() as nursery:
        await nursery.start(running.run)
        yield running
        running.stop()


async def leave(
    store: Store, *job_ids: str, status: JobStatus = "queued", source: str = "clip.mp4", stride: int = 1
) -> None:
    """Leave jobs behind, in order of submission, all of the same millisecond."""
    request = job_request(source, stride=stride)
    async with trio.open_nursery() as nursery:
        for job_id in job_ids:
            nursery.start_soon(store.add_job, record(job_id, status, request))
            await trio.testing.wait_all_tasks_blocked()


def record(job_id: str, status: JobStatus, request: JobRequest) -> JobRecord:
    """A job as an earlier server has stored it."""
    plan = job_plan(request, kind="stream" if request.source == "camera" else "video")
    work = job_work(plan, lambda _: FakePipeline(do_nothing))
    job = Job(job_spec(request, job_id=job_id), work=work, store=Store(":memory:"), audience=RecordingAudience())
    state = attrs.evolve(job.state(), status=status)
    return JobRecord(
        job_id=job_id,
        created_at=CREATED_AT,
        status=status,
        request=msgspec.json.encode(request),
        state=msgspec.json.encode(state),
        source=msgspec.json.encode(plan.info),
    )


async def statuses(store: Store) -> Mapping[str, str]:
    """All jobs as they are stored."""
    return {found.job_id: found.status for found in (await store.jobs())[0]}


def ids(recovered: list[Recovered]) -> list[str]:
    """Of the jobs to run."""
    return [taken.job.spec.job_id for taken in recovered]


async def test_every_one_of_very_many_queued_jobs_is_taken_up(store: Store) -> None:
    """In order of submission, each once and from its beginning; none becomes interrupted."""
    submitted = [f"job-{number:03}" for number in range(MANY)]
    await leave(store, *submitted)
    recovered = await recover(store, FakeFactory(store))
    assert ids(recovered) == submitted
    assert {taken.job.spec.resumed for taken in recovered} == {ResumePoint()}
    assert all(taken.job.queued for taken in recovered)
    assert set((await statuses(store)).values()) == {"queued"}


async def test_those_that_ran_come_before_those_that_waited(store: Store) -> None:
    """Running ones, paused ones, queued ones, each in order of submission."""
    left: dict[str, JobStatus] = {"a": "queued", "b": "paused", "c": "running", "d": "queued", "e": "running"}
    for job_id, status in left.items():
        await leave(store, job_id, status=status)
    assert ids(await recover(store, FakeFactory(store))) == ["c", "e", "b", "a", "d"]


async def test_what_has_ended_stays_as_it_is(store: Store) -> None:
    """No end is taken up, and none is changed."""
    ends: tuple[JobStatus, ...] = ("done", "failed", "cancelled", "interrupted")
    for status in ends:
        await leave(store, status, status=status)
    assert await recover(store, FakeFactory(store)) == []
    assert await statuses(store) == {status: status for status in ends}


async def test_a_job_goes_on_after_its_last_frame(store: Store) -> None:
    """With the next index by its stride, and with the frames that it has."""
    await leave(store, "a", status="running", stride=3)
    for index in (0, 3, 6):
        await store.put_frame("a", index, b"{}")
    (taken,) = await recover(store, FakeFactory(store))
    assert taken.job.spec.resumed == ResumePoint(frames=3, start=9)
    assert taken.job.state().frames_done == 3


async def test_a_live_stream_that_ran_waits_for_resume(store: Store) -> None:
    """Nobody knows what it showed meanwhile. One without a frame goes on, and so does one that was paused."""
    await leave(store, "begun", "new", status="running", source="camera")
    await leave(store, "paused", status="paused", source="camera")
    for job_id in ("begun", "paused"):
        await store.put_frame(job_id, 0, b"{}")
    lost = {taken.job.spec.job_id: taken.lost for taken in await recover(store, FakeFactory(store))}
    assert lost == {"begun": INTERRUPTED_LIVE, "new": None, "paused": None}


async def test_a_live_stream_goes_on_by_what_is_known_of_its_last_frame(store: Store) -> None:
    """The time at which that came: the time since then counts in the next frame's."""
    await leave(store, "begun", "new", status="running", source="camera")
    came_at = utc_now()
    await store.put_frame("begun", 7, msgspec.json.encode({"timestamp_ms": 280.0, "received_at": came_at}))
    begun, new = (taken.job.spec.resumed for taken in await recover(store, FakeFactory(store)))
    assert (begun.frames, begun.start, new.after) == (1, 8, None)
    assert begun.after is not None
    assert begun.after.timestamp_ms == 280.0
    assert clock_s() - 60 < begun.after.received_s <= clock_s()


async def test_a_jobs_figures_go_on(store: Store) -> None:
    """Its begin, its running time, its warnings, what its stages did; frames of the last second count as processed."""
    found = record("a", "running", job_request())
    group = WarningGroup(
        plugin=PLUGIN, code="PLUGIN_ERROR", severity="medium", message="not this one", count=3, frame_id="frame-000001"
    )
    stage = StageState(status="running", frames=5, failures=3, restarts=1, finalize=msgspec.Raw(b"null"))
    before = attrs.evolve(
        msgspec.json.decode(found.state, type=JobState),
        started_at=CREATED_AT,
        duration_ms=60_000.0,
        frames_done=4,
        warning_groups=(group, attrs.evolve(group, plugin=None, code="STORE_FAILING")),
        plugins={PLUGIN: stage},
        plugin_timings={PLUGIN: 12.5},
    )
    await store.add_job(attrs.evolve(found, state=msgspec.json.encode(before)))
    for index in range(6):
        await store.put_frame("a", index, b"{}")
    await store.save_log("a", b'{"motion": "printed"}')
    (taken,) = await recover(store, FakeFactory(store))
    state = taken.job.state()
    assert (state.started_at, state.duration_ms, state.frames_done, state.fps) == (CREATED_AT, 60_000.0, 6, 0.1)
    assert set(state.warning_groups) == set(before.warning_groups)
    assert state.warnings == ("store: not this one (3 times)", "motion: not this one (3 times)")
    assert state.plugin_timings == {PLUGIN: 12.5}
    assert (state.plugins[PLUGIN].frames, state.plugins[PLUGIN].failures, state.plugins[PLUGIN].restarts) == (6, 3, 1)
    assert taken.job.logs() == {PLUGIN: "printed"}
    assert taken.job.fingerprint == state.fingerprint


@pytest.mark.parametrize(("every", "counted"), [(1, 6), (2, 3), (3, 2), (4, 2), (7, 1)])
async def test_a_stage_counts_its_turns_of_the_last_second(store: Store, every: int, counted: int) -> None:
    """Its state was stored after four frames; two more were."""
    found = record("a", "running", job_request())
    stage = StageState(status="running", every=every, frames=-(-4 // every), finalize=msgspec.Raw(b"null"))
    state = attrs.evolve(msgspec.json.decode(found.state, type=JobState), frames_done=4, plugins={PLUGIN: stage})
    await store.add_job(attrs.evolve(found, state=msgspec.json.encode(state)))
    for index in range(6):
        await store.put_frame("a", index, b"{}")
    (taken,) = await recover(store, FakeFactory(store))
    assert taken.job.state().plugins[PLUGIN].frames == counted
