"""What the next server makes of the jobs that an earlier one has left, however many they are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing

from kinora.actors.errors import UnsupportedSource
from kinora.actors.job import Job
from kinora.actors.job_factory import JobFactory
from kinora.actors.job_request import JobRequest
from kinora.actors.job_spec import JobPlan, JobSpec, ResumePoint
from kinora.actors.models import JobState, JobStatus
from kinora.actors.pipeline_link import CommandQueue
from kinora.actors.recovery import AT_ONCE, Recovered, recover
from kinora.actors.store import JobRecord, Store
from tests.actors.job_kit import CREATED_AT, FakePipeline, RecordingAudience, Tell, job_plan, job_request

MANY = 600
"""More than the queue and any page of jobs would hold."""


async def do_nothing(tell: Tell, commands: CommandQueue) -> None:
    """Be a pipeline that no test lets run."""
    await trio.lowlevel.checkpoint()
    raise AssertionError("recovering runs no job")


class FakeFactory(JobFactory):
    """Makes real jobs of requests, with pipelines that do nothing; its sources are what their names say."""

    def __init__(self, store: Store) -> None:
        self.at_once = self.most_at_once = 0
        self._store = store

    async def plan(self, request: JobRequest, upload: Path | None) -> JobPlan:
        """Open nothing, but take turns as if."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await trio.lowlevel.checkpoint()
        self.at_once -= 1
        if request.source == "broken":
            raise UnsupportedSource("It is neither a video nor an image.")
        return job_plan(request, kind="stream" if request.source == "camera" else "video")

    def build(self, spec: JobSpec) -> Job:
        """Make a job."""
        return Job(
            spec, make_pipeline=lambda _: FakePipeline(do_nothing), store=self._store, audience=RecordingAudience()
        )


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
    spec = JobSpec(job_id=job_id, created_at=CREATED_AT, plan=job_plan(request))
    job = Job(
        spec, make_pipeline=lambda _: FakePipeline(do_nothing), store=Store(":memory:"), audience=RecordingAudience()
    )
    state = attrs.evolve(job.state(), status=status)
    return JobRecord(
        job_id=job_id,
        created_at=CREATED_AT,
        status=status,
        request=msgspec.json.encode(request),
        state=msgspec.json.encode(state),
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


async def test_a_live_stream_that_was_begun_is_interrupted(store: Store) -> None:
    """Nobody can tell what was missed, and it says so; one that has no frame yet begins."""
    await leave(store, "begun", "new", status="running", source="camera")
    await store.put_frame("begun", 0, b"{}")
    assert ids(await recover(store, FakeFactory(store))) == ["new"]
    stored = await store.job("begun")
    assert stored is not None
    state = msgspec.json.decode(stored.state, type=JobState)
    assert (stored.status, state.status) == ("interrupted", "interrupted")
    assert "live stream" in str(state.error)
    assert state.finished_at is not None


async def test_a_job_that_cannot_be_planned_any_more_is_interrupted(store: Store) -> None:
    """With the reason; the others are taken up all the same."""
    await leave(store, "a", source="broken")
    await leave(store, "b")
    assert ids(await recover(store, FakeFactory(store))) == ["b"]
    assert await statuses(store) == {"a": "interrupted", "b": "queued"}
    stored = await store.job("a")
    assert stored is not None
    error = msgspec.json.decode(stored.state, type=JobState).error
    assert error == "The job could not be resumed after a restart of the server: It is neither a video nor an image."


async def test_a_few_sources_are_opened_at_the_same_time(store: Store) -> None:
    """Not one by one, and not all at once."""
    await leave(store, *(f"job-{number}" for number in range(3 * AT_ONCE)))
    factory = FakeFactory(store)
    await recover(store, factory)
    assert factory.most_at_once == AT_ONCE
