"""How a job decides: each way to its one end, on the virtual clock, with a pipeline that does what a test says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import cast

import pytest
import structlog
import trio
from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.jobs.job import CRASHED, Job
from kinora.actors.messages import Code, CompletePayload, ErrorPayload, FrameImage, ProgressPayload, WarningPayload
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import (
    Command,
    CommandQueue,
    FrameDone,
    Pause,
    PipelineEnded,
    Prepared,
    Resume,
    Stop,
    Watch,
)
from kinora.actors.store.frame_buffer import MAX_WAITING_BYTES
from kinora.actors.store.store import Store
from tests.actors.job_kit import (
    FRAMES,
    JOB,
    JOB_RECORD,
    FakePipeline,
    RecordingAudience,
    Script,
    Tell,
    frames,
    make_job,
    pipeline_state,
    until_told,
)


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    """A running store in memory that knows the job: while a thread works for it the clock may jump."""
    running = Store(":memory:")
    async with trio.open_nursery() as nursery:
        await nursery.start(running.run)
        await running.add_job(JOB_RECORD)
        yield running
        running.stop()


@pytest.fixture
def audience() -> RecordingAudience:
    """One that keeps all."""
    return RecordingAudience()


async def run(job: Job) -> None:
    """From the queue to its end."""
    job.announce()
    job.begin()
    await job.run()
    assert job.ended.is_set()


async def all_frames(tell: Tell, commands: CommandQueue) -> None:
    """Work without a fault."""
    await tell(Prepared())
    await until_told(tell, *range(FRAMES))


async def until_stopped(tell: Tell, commands: CommandQueue) -> None:
    """Work on until Stop comes."""
    while await commands.get() != Stop():
        pass
    await tell(PipelineEnded())


async def working(tell: Tell, commands: CommandQueue) -> None:
    """Be through with three frames, then work on until Stop comes."""
    await tell(Prepared())
    await frames(tell, 0, 1, 2)
    await until_stopped(tell, commands)


# The ways to the end


async def test_a_job_that_goes_well_is_done(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """All frames are stored, progress goes to 99 and at last to 100, and the end says how many there were."""
    job = make_job(all_frames, store, audience)
    await run(job)
    assert (audience.end.status, audience.end.frames) == ("done", FRAMES)
    assert [index for index, _ in await store.frames(JOB)] == list(range(FRAMES))
    progress = [(p.stage, p.progress) for p in audience.of(ProgressPayload)]
    assert progress == [
        *[("queued", 0), ("preparing", 0), ("running", 0)],
        *[("running", 10 * n) for n in range(1, 10)],
        *[("running", 99), ("finalizing", 99), ("finalizing", 100)],
    ]
    state = job.state()
    assert (state.status, state.progress, state.frames_total, state.error) == ("done", 100, FRAMES, None)


async def test_a_source_longer_than_was_known_stays_at_99(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """An estimate that was too low is not 100 before the end."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await until_told(tell, *range(FRAMES * 2))

    job = make_job(work, store, audience)
    await run(job)
    assert (audience.end.status, job.state().frames_total) == ("done", FRAMES * 2)


async def test_without_a_known_length_there_is_progress_at_the_end_only(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Until then it is null."""
    await run(make_job(all_frames, store, audience, frames=None))
    assert [p.progress for p in audience.of(ProgressPayload)] == [None] * (4 + FRAMES) + [100]
    assert audience.end.status == "done"


async def test_a_job_that_another_server_began_goes_on_counting(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Frames that are stored already count from the start, and progress with them."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await until_told(tell, *range(6, FRAMES))

    job = make_job(work, store, audience, resumed=ResumePoint(frames=6, start=6))
    await run(job)
    assert audience.of(ProgressPayload)[0].progress == 60
    assert audience.end.frames == FRAMES


async def test_an_error_of_the_pipeline_fails_it(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """The sentence is told once, with its code, and is in the state; frames before that are kept."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await until_told(tell, 0, 1, error="The source cannot be decoded.")

    job = make_job(work, store, audience)
    await run(job)
    assert (audience.end.status, audience.end.frames) == ("failed", 2)
    (error,) = audience.of(ErrorPayload)
    assert (error.error, error.details["error_code"]) == ("The source cannot be decoded.", "JOB_FAILED")
    assert (job.state().error, job.state().progress) == ("The source cannot be decoded.", 20)


@pytest.mark.parametrize(
    ("indexes", "status", "warned"), [((0, 1, 2), "done", [Code.SOURCE_TRUNCATED]), ((), "failed", [])]
)
async def test_a_source_that_broke_off(  # noqa: PLR0917 - fixtures
    autojump_clock: MockClock,
    store: Store,
    audience: RecordingAudience,
    indexes: tuple[int, ...],
    status: str,
    warned: list[Code],
) -> None:
    """With frames the job is done and warns; without any it has failed."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await until_told(tell, *indexes, truncated="it ended in the middle")

    job = make_job(work, store, audience)
    await run(job)
    assert (audience.end.status, audience.end.warnings_count) == (status, len(warned))
    assert [w.code for w in audience.of(WarningPayload)] == warned
    assert ("it ended in the middle" in str(job.state().error)) is (status == "failed")


async def crash(tell: Tell, commands: CommandQueue) -> None:
    """Have a fault."""
    await frames(tell, 0)
    raise ZeroDivisionError("a fault of Kinora")


async def say_nothing(tell: Tell, commands: CommandQueue) -> None:
    """End without a last event."""
    await frames(tell, 0)


@pytest.mark.parametrize("work", [crash, say_nothing])
async def test_a_fault_of_its_own_fails_it(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience, work: Script
) -> None:
    """The client is told where to look, not what it was."""
    job = make_job(work, store, audience)
    await run(job)
    assert audience.end.status == "failed"
    assert job.state().error == CRASHED


async def test_a_store_that_has_ended_fails_it(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """At the first frame that cannot be stored the pipeline is told to stop; what it still gives is left out."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await frames(tell, 0)
        await wait_all_tasks_blocked()
        store.stop()
        await frames(tell, 1, 2)
        assert await commands.get() == Stop()
        await until_told(tell, 3, error="a later error")

    job = make_job(work, store, audience)
    await run(job)
    assert (audience.end.status, audience.end.frames) == ("failed", 1)
    assert job.state().error == "Its results could not be stored: the store does not run."


async def test_a_store_that_ends_before_all_is_on_disk_fails_it(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """A job is done only when its last frame is stored."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await frames(tell, 0)
        await wait_all_tasks_blocked()
        store.stop()
        await tell(PipelineEnded())

    job = make_job(work, store, audience)
    await run(job)
    assert audience.end.status == "failed"
    assert "could not be stored" in str(job.state().error)


# Cancelled by a client


async def test_a_queued_job_is_cancelled_on_the_spot(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """It says so, has ended, and asking again changes nothing."""
    await trio.lowlevel.checkpoint()
    job = make_job(all_frames, store, audience)
    job.announce()
    assert job.cancel() is True
    assert job.ended.is_set()
    assert job.cancel() is False
    assert (audience.end.status, audience.end.duration_ms) == ("cancelled", 0.0)
    assert (job.cancel_answer().cancelled, job.cancel_answer().cancel_ms) == (True, 0.0)


async def before_prepared(tell: Tell, commands: CommandQueue) -> None:
    """Be preparing when Stop comes, and take a while to stop."""
    await until_slowly_stopped(tell, commands)


async def amid_frames(tell: Tell, commands: CommandQueue) -> None:
    """Be at frames."""
    await tell(Prepared())
    await frames(tell, 0, 1, 2)
    await until_slowly_stopped(tell, commands)


async def until_slowly_stopped(tell: Tell, commands: CommandQueue) -> None:
    """Take a while to stop, and tell of a frame meanwhile."""
    assert await commands.get() == Stop()
    await frames(tell, 3)
    await trio.sleep(0.25)
    await tell(PipelineEnded(error="a later error", stuck=(42,)))


@pytest.mark.parametrize(("work", "stored"), [(before_prepared, 0), (amid_frames, 3)])
async def test_a_job_at_work_is_cancelled(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience, work: Script, stored: int
) -> None:
    """It has ended once its pipeline has; what came meanwhile is left out, and the answer says how long it took."""
    job = make_job(work, store, audience)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, job)
        await trio.sleep(5)
        assert job.cancel() is False
        assert not job.ended.is_set()
    assert (audience.end.status, audience.end.frames) == ("cancelled", stored)
    answer = job.cancel_answer()
    assert (answer.cancelled, answer.cancel_ms, answer.pids) == (True, 250.0, (42,))
    assert job.state().error is None


async def test_a_job_that_waits_for_a_full_store_is_cancelled(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """While the disk refuses, the frame that finds no room is not stored."""
    job = make_job(working, store, audience)
    async with trio.open_nursery() as nursery, store._write_limiter:  # nothing is written meanwhile
        nursery.start_soon(run, job)
        await store.put_frame("other", 0, bytes(MAX_WAITING_BYTES))
        await wait_all_tasks_blocked()
        assert job.state().frames_done == 0
        job.cancel()
        await job.ended.wait()
    assert (audience.end.status, audience.end.frames) == ("cancelled", 0)


async def test_a_job_that_waits_for_its_last_frames_to_be_stored_is_cancelled(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """All work is done, but it is not done before all is on disk."""
    job = make_job(all_frames, store, audience)
    async with trio.open_nursery() as nursery, store._write_limiter:
        nursery.start_soon(run, job)
        await wait_all_tasks_blocked()
        assert (job.state().stage, job.state().progress) == ("finalizing", 99)
        job.cancel()
        await job.ended.wait()
    assert audience.end.status == "cancelled"


@pytest.mark.parametrize("work", [all_frames, crash])
async def test_what_has_ended_is_not_cancelled(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience, work: Script
) -> None:
    """The end that was decided first holds, and there is no second complete."""
    job = make_job(work, store, audience)
    await run(job)
    first = job.state()
    assert job.cancel() is False
    assert (job.state().status, job.cancel_answer().cancelled) == (first.status, False)
    assert audience.end.status == first.status


async def test_a_job_that_has_failed_is_not_cancelled_before_it_is_gone(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Its results could not be stored: a cancel while the pipeline stops does not make that undone."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await wait_all_tasks_blocked()
        store.stop()
        await frames(tell, 0)
        assert await commands.get() == Stop()
        assert job.cancel() is False
        await tell(PipelineEnded())

    job = make_job(work, store, audience)
    await run(job)
    assert audience.end.status == "failed"


# Ended from outside


async def test_a_server_that_ends_leaves_the_job_as_it_is(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """It says no end: the next server goes on with it."""
    job = make_job(working, store, audience)
    with trio.move_on_after(5) as scope:
        await run(job)
    assert scope.cancelled_caught
    assert job.ended.is_set()
    assert audience.of(CompletePayload) == []
    assert (job.state().status, job.state().finished_at) == ("running", None)
    assert isinstance(job._pipeline, FakePipeline)
    assert not job._pipeline.running


# Commands and questions on the way


async def test_pause_and_resume_are_passed_on(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Each once, and only while it runs; the state says so at once."""
    got: list[Command] = []

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await tell(Prepared())
        got.extend([await commands.get(), await commands.get()])
        await tell(PipelineEnded())

    job = make_job(work, store, audience)
    assert job.pause() is False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, job)
        await trio.sleep(1)
        assert (job.pause(), job.pause(), job.state().status, job.state().stage) == (True, True, "paused", "paused")
        await wait_all_tasks_blocked()
        assert (job.resume(), job.resume(), job.state().status, job.state().stage) == (True, True, "running", "running")
    assert got == [Pause(), Resume()]
    assert job.resume() is False
    assert audience.end.status == "done"


async def test_a_job_paused_while_it_prepares_stays_paused(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Being ready is no reason to run."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        assert await commands.get() == Pause()
        await tell(Prepared())
        await until_stopped(tell, commands)

    job = make_job(work, store, audience)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, job)
        await trio.sleep(1)
        job.pause()
        await trio.sleep(1)
        assert (job.state().status, job.state().stage) == ("paused", "paused")
        job.cancel()
    assert audience.end.status == "cancelled"


async def test_the_pipeline_learns_what_the_audience_wants(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Whenever that changes, and not when somebody comes who wants the same; before that, nothing."""
    got: list[tuple[float, Command]] = []

    async def work(tell: Tell, commands: CommandQueue) -> None:
        while (command := await commands.get()) != Stop():
            got.append((trio.current_time() - began, command))
        await tell(PipelineEnded())

    job = make_job(work, store, audience)
    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(run, job)
        for fps in (0.0, 5.0, 5.0, 25.0, 0.0):
            await trio.sleep(1)
            audience.wish(fps)
        await trio.sleep(1)
        job.cancel()
    assert [(round(at), command) for at, command in got] == [(2, Watch(5.0)), (4, Watch(25.0)), (5, Watch(0.0))]


async def test_those_who_watch_from_the_start_are_not_forgotten(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """A wish from before the job began is the first command."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        assert await commands.get() == Watch(5.0)
        await tell(PipelineEnded())

    audience.wish(5.0)
    await run(make_job(work, store, audience))
    assert audience.end.status == "done"


async def test_what_the_pipeline_tells_is_passed_on(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Pictures are shown, payloads published, and the newest state is the one that the job shows."""
    image = FrameImage(job_id=JOB, frame_id="frame-000000", index=0, width=2, height=2, jpeg=b"jpeg")
    warning = WarningPayload(job_id=JOB, plugin="motion", message="late", severity="low", code=Code.PLUGIN_SLOW)

    async def work(tell: Tell, commands: CommandQueue) -> None:
        await tell(image)
        await tell(warning)
        await tell(pipeline_state(warnings=("motion: late",), warnings_total=3, dropped=2, logs={"motion": "hello"}))
        await tell(PipelineEnded())

    job = make_job(work, store, audience)
    await run(job)
    assert audience.shown == [image]
    assert audience.of(WarningPayload) == [warning]
    assert (job.state().warnings, job.state().frames_dropped, job.logs()) == (("motion: late",), 2, {"motion": "hello"})
    assert audience.end.warnings_count == 3


async def test_who_waits_for_a_change_is_woken_by_each(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """Each frame is one, and so is the end."""
    seen: list[tuple[str, int]] = []

    async def work(tell: Tell, commands: CommandQueue) -> None:
        for index in range(3):
            await trio.sleep(1)
            await tell(FrameDone(index, b"{}"))
        await trio.sleep(1)
        await tell(PipelineEnded())

    job = make_job(work, store, audience)

    async def look() -> None:
        while not job.ended.is_set():
            await job.wait_changed()
            seen.append((job.state().status, job.state().frames_done))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await wait_all_tasks_blocked()
        await run(job)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert {("running", 1), ("running", 2), ("running", 3), ("done", 3)} <= set(seen)


# The log


async def logged(job: Job) -> list[structlog.typing.EventDict]:
    """What is logged while it runs."""
    with capture_logs(processors=[merge_contextvars]) as lines:
        await run(job)
    return list(lines)


async def test_beginning_and_end_are_logged(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """With the job's id, what it is and what came of it."""
    started, ended = await logged(make_job(all_frames, store, audience))
    assert (started["event"], started["job_id"], started["source"], started["plugins"]) == (
        *("job started", JOB, "clip.mp4"),
        ["motion"],
    )
    assert (ended["event"], ended["job_id"], ended["status"], ended["frames"]) == ("job ended", JOB, "done", FRAMES)
    assert (started["log_level"], ended["log_level"]) == ("info", "info")


async def test_a_failure_is_logged(autojump_clock: MockClock, store: Store, audience: RecordingAudience) -> None:
    """As a warning with its reason; a fault of Kinora's own as an error with its traceback before that."""
    _, fault, ended = await logged(make_job(crash, store, audience))
    assert (fault["event"], fault["job_id"], fault["log_level"]) == ("a job crashed", JOB, "error")
    assert fault["exc_info"]
    assert (ended["job_id"], ended["log_level"], ended["status"], ended["error"]) == (JOB, "warning", "failed", CRASHED)


async def test_the_end_of_a_job_that_never_ran_is_logged(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """It bears its id as well."""
    await trio.lowlevel.checkpoint()
    job = make_job(all_frames, store, audience)
    with capture_logs(processors=[merge_contextvars]) as lines:
        job.cancel()
    (ended,) = lines
    assert (ended["event"], ended["job_id"], ended["status"]) == ("job ended", JOB, "cancelled")


async def test_what_a_frame_lacks_is_stored_before_it(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """A state that tells of a loss is saved at once, each time, and before the frames behind it."""

    async def script(tell: Tell, commands: CommandQueue) -> None:
        await tell(pipeline_state(losses=1))
        await frames(tell, 0, 1)
        await tell(pipeline_state(losses=1))
        await frames(tell, 2)
        await tell(pipeline_state(losses=2))
        await until_told(tell, 3)

    job = make_job(script, store, audience)
    saved_at: list[int] = []
    job.save_soon = lambda: saved_at.append(job.state().frames_done)
    await run(job)
    assert saved_at == [0, 3]


async def test_the_detections_are_counted_and_a_frame_stands_for_the_job(
    autojump_clock: MockClock, store: Store, audience: RecordingAudience
) -> None:
    """The first frame with the most of them; a job with none has its first frame."""

    async def work(tell: Tell, commands: CommandQueue) -> None:
        for index, found in enumerate((0, 2, 5, 5, 1)):
            await tell(FrameDone(index, b"{}", found))
            await trio.sleep(1)
            pictures.append(job.state().picture)
        await tell(PipelineEnded())

    pictures: list[int | None] = []
    job = make_job(work, store, audience)
    assert (job.state().picture, job.state().detections) == (None, 0)
    await run(job)
    assert pictures == [0, 1, 2, 2, 2]
    assert job.state().detections == 13


def test_of_each_frame_the_plugin_with_the_most_detections_counts() -> None:
    """A tracker repeats what another plugin found; results without a list of detections count as none."""
    ticket = FrameTicket(ring=cast(JobRing, None), slot=0, index=0, timestamp_ms=0, width=1, height=1, queued_at=0)
    assert ticket.found == 0
    ticket.results = {
        "people": b'{"detections": [{}, {}]}',
        "tracker": b'{"detections": [1, 2, 3], "tracks": 3}',
        "odd": b'{"detections": {"a": 1}}',
        "list": b"[1, 2, 3, 4]",
    }
    assert ticket.found == 3
