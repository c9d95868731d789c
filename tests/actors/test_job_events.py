"""The events of a job: told with their frames, numbered in order, kept with the job, each once."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import trio
from trio.testing import MockClock

from kinora.actors.found_events import FoundEvent
from kinora.actors.messages import Code, EventPayload, FramePayload, ProgressPayload, WarningPayload
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import CommandQueue, FrameDone, PipelineEnded
from kinora.actors.store import database, event_table, job_events, schema
from kinora.actors.store.job_events import StoredEvent
from kinora.actors.store.store import PAGE_EVENTS, Store
from kinora.plugins.protocol import MAX_EVENTS, Done, Event
from kinora.runtime.events.outbox import Overflow
from tests.actors.job_kit import JOB, JOB_RECORD, RecordingAudience, Tell, make_job
from tests.actors.stage_kit import CRASH, FOUND, NO_DEVICE, PLUGIN, RAISED, RESULT, Act, FakeProcess, Stage
from tests.actors.test_side_stage import Beside
from tests.actors.test_store import until

FALL = Event(kind="fall", message="Somebody fell.", data=b'{"height":1.5}')


def found(index: int | None, kind: str = "fall", plugin: str = PLUGIN) -> FoundEvent:
    """An event of a frame, or of none."""
    return FoundEvent(plugin=plugin, kind=kind, data=b'{"n": 1}', index=index, timestamp_ms=index and 40.0 * index)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """A running store that knows the job."""
    running = Store(tmp_path / "kinora.db")
    async with trio.open_nursery() as nursery:
        await nursery.start(running.run)
        await running.add_job(JOB_RECORD)
        yield running
        running.stop()


async def run(store: Store, *told: FrameDone | FoundEvent, resumed: ResumePoint | None = None) -> RecordingAudience:
    """A job whose pipeline tells this, to its end."""
    audience = RecordingAudience()

    async def script(tell: Tell, commands: CommandQueue) -> None:
        for event in (*told, PipelineEnded()):
            await tell(event)

    job = make_job(script, store, audience, resumed=resumed)
    job.begin()
    await job.run()
    return audience


async def kept(store: Store) -> list[tuple[int, str, int | None]]:
    """Number, kind and frame of each event that is stored."""
    page = await store.events(JOB)
    assert [event.number for event in page.events] == [json.loads(event.data)["number"] for event in page.events]
    return [(event.number, event.kind, json.loads(event.data)["index"]) for event in page.events]


def count_events(path: Path) -> int:
    """Count the events in the file, also those of deleted jobs."""
    with closing(database.open_reader(str(path))) as reader:
        return int(reader.execute("SELECT count(*) FROM events").fetchone()[0])


# In the job


async def test_events_are_numbered_told_and_kept(store: Store) -> None:
    """In the order of the frames; with a frame before its progress, and never dropped for a slow client."""
    audience = await run(
        store,
        found(None, "ready"),
        FrameDone(0, b"{}", events=(found(0), found(0, "left", "zones"))),
        FrameDone(1, b"{}"),
        FrameDone(2, b"{}", events=(found(2),)),
        found(None, "summary"),
    )
    told = audience.of(EventPayload)
    assert [event.number for event in told] == [1, 2, 3, 4, 5]
    assert {event.overflow for event in told} == {Overflow.KEPT}
    first = told[1]
    assert (first.job_id, first.plugin, first.frame_id, first.index) == (JOB, PLUGIN, "frame-000000", 0)
    assert msgspec.json.decode(first.data) == {"n": 1}
    before = audience.published[: audience.published.index(first)]
    assert all(payload.frames_done == 0 for payload in before if isinstance(payload, ProgressPayload))
    assert await kept(store) == [
        (1, "ready", None),
        (2, "fall", 0),
        (3, "left", 0),
        (4, "fall", 2),
        (5, "summary", None),
    ]


async def test_a_job_that_goes_on_numbers_on(store: Store) -> None:
    """After its last stored frame."""
    await run(store, FrameDone(0, b"{}", events=(found(0), found(0))))
    resumed = ResumePoint(frames=1, start=1, events=await store.newest_event(JOB))
    audience = await run(store, FrameDone(1, b"{}", events=(found(1),)), resumed=resumed)
    assert [event.number for event in audience.of(EventPayload)] == [3]
    assert [number for number, _, _ in await kept(store)] == [1, 2, 3]


async def test_a_job_keeps_a_bounded_number_of_events(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest, some at a time; all are told, and a warning says that the oldest are gone."""
    monkeypatch.setattr(job_events, "MAX_JOB_EVENTS", 4)
    monkeypatch.setattr(job_events, "REMOVED_EVENTS", 3)
    frames = [FrameDone(index, b"{}", events=(found(index), found(index))) for index in range(5)]
    audience = await run(store, *frames, found(None))
    assert [event.number for event in audience.of(EventPayload)] == list(range(1, 12))
    assert [number for number, _, _ in await kept(store)] == list(range(6, 12))
    (warning,) = audience.of(WarningPayload)
    assert warning.code == Code.EVENTS_DROPPED
    assert (await store.events(JOB, after=2)).events[0].number == 6
    with closing(database.open_reader(str(tmp_path / "kinora.db"))) as reader:
        (size,) = reader.execute("SELECT frame_bytes FROM sizes").fetchone()
        parts = "SELECT sum(length(data) + {}) FROM {}"
        costs = (("frames", schema.FRAME_COST), ("events", schema.EVENT_COST))
        assert size == sum(reader.execute(parts.format(cost, table)).fetchone()[0] for table, cost in costs)


# In the store


async def test_events_come_in_pages(store: Store) -> None:
    """Written or not; a page that is not full is the last. Only some kinds or plugins, if asked for."""
    events = [StoredEvent(n, f"p{n % 2}", f"k{n % 3}", b"{}") for n in range(1, 11)]
    for flushed in (False, True):
        if not flushed:
            await store.put_frame(JOB, 0, b"{}", None, events[:4])
            await store.flush()
            await store.put_events(JOB, events[4:])
        else:
            await store.flush()
        page = await store.events(JOB)
        assert (page.events, page.next) == (events, None)
        page = await store.events(JOB, after=3, limit=4)
        assert (page.events, page.next) == (events[3:7], 7)
        page = await store.events(JOB, after=7, limit=3)
        assert (page.events, page.next) == (events[7:], None)
        assert [event.number for event in (await store.events(JOB, kind="k1")).events] == [1, 4, 7, 10]
        assert [event.number for event in (await store.events(JOB, kind="k1", plugin="p0", limit=1)).events] == [4]
        assert (await store.events(JOB, after=10)).events == (await store.events("nobody")).events == []
        assert await store.newest_event(JOB) == 10
    assert await store.newest_event("nobody") == 0


async def test_a_page_of_events_has_a_bounded_size(store: Store) -> None:
    """In number and in bytes, of events on disk and of waiting ones."""
    await store.put_frame(JOB, 0, b"{}", None, [StoredEvent(n, "p", "k", b"{}") for n in range(1, PAGE_EVENTS + 2)])
    page = await store.events(JOB, limit=10**9)
    assert (len(page.events), page.next) == (PAGE_EVENTS, PAGE_EVENTS)
    large = b"x" * event_table.EVENT_PAGE_BYTES
    await store.put_events(JOB, [StoredEvent(n, "p", "large", large) for n in (2001, 2002)])
    for _ in range(2):
        page = await store.events(JOB, kind="large")
        assert ([event.number for event in page.events], page.next) == ([2001], 2001)
        await store.flush()


async def test_the_events_of_a_deleted_job_go(store: Store, tmp_path: Path) -> None:
    """A little at a time, behind everything else; another job's stay."""
    await store.put_frame(JOB, 0, b"{}", None, [StoredEvent(n, "p", "k", b"{}") for n in range(1, 2 * PAGE_EVENTS)])
    await store.flush()
    assert (await store.room()).used > 0
    await store.delete_job(JOB)
    assert (await store.events(JOB)).events == []
    await store.add_job(JOB_RECORD)
    await store.put_frame(JOB, 0, b"{}", None, [StoredEvent(1, "p", "k", b"{}")])
    await store.flush()
    await until(lambda: count_events(tmp_path / "kinora.db") == 1)
    assert await store.newest_event(JOB) == 1


# In a stage


async def test_a_frame_bears_its_events(autojump_clock: MockClock) -> None:
    """Those reported while the plugin works on it, then those of its result; others are told alone."""
    prepared = Act(Done(result=None, run_ms=1.0), notes=(Event(kind="ready"),))
    seen = Act(Done(result=RESULT, run_ms=1.0, events=(Event(kind="in result"),)), notes=(FALL,))
    summed = Act(Done(result=None, run_ms=1.0), notes=(Event(kind="summary"),))
    stage = Stage(FakeProcess(prepare=[prepared], frames=[FOUND, seen], finalize=summed))
    await stage.run(frames=3)
    first, second, third = stage.passed_on
    assert first.events == third.events == []
    assert second.events == [
        FoundEvent(
            plugin=PLUGIN, kind="fall", message=FALL.message, data=FALL.data, index=1, timestamp_ms=second.timestamp_ms
        ),
        FoundEvent(plugin=PLUGIN, kind="in result", index=1, timestamp_ms=40.0),
    ]
    assert [event.kind for event in stage.told if isinstance(event, FoundEvent)] == ["ready", "summary"]


async def test_an_event_outlives_the_plugin(autojump_clock: MockClock) -> None:
    """What it reported before it raised or crashed has happened."""
    frames = [Act(RAISED, notes=(FALL,)), Act(CRASH, notes=(FALL,))]
    stage = Stage(FakeProcess(frames=frames))
    await stage.run(frames=2)
    assert [[event.kind for event in ticket.events] for ticket in stage.passed_on] == [["fall"], ["fall"]]


async def test_a_frame_that_is_tried_again_has_its_events_once(autojump_clock: MockClock) -> None:
    """After a failure of the device; and a process that reports without end is cut off, on a frame and beside."""
    stage = Stage(FakeProcess(frames=[Act(NO_DEVICE, notes=(FALL,)), Act(FOUND, notes=(FALL,))]), device="cuda:0")
    await stage.run(frames=1)
    assert len(stage.passed_on[0].events) == 1
    stage = Stage(FakeProcess(frames=[Act(FOUND, notes=(FALL,) * (MAX_EVENTS + 10))]))
    await stage.run(frames=1)
    assert len(stage.passed_on[0].events) == MAX_EVENTS
    flood = Act(Done(result=None, run_ms=1.0), notes=(FALL,) * (MAX_EVENTS + 10))
    stage = Stage(FakeProcess(prepare=[flood], finalize=flood))
    await stage.run(frames=1)
    assert sum(isinstance(event, FoundEvent) for event in stage.told) == 2 * MAX_EVENTS


async def test_events_of_a_batch_are_of_its_frames(autojump_clock: MockClock) -> None:
    """Those in results of theirs, those reported of the last one; a batch that fails is done again one by one."""
    batch = Act(Done(result=RESULT, run_ms=1.0, events=(Event(kind="in result"),)), notes=(FALL,))
    for batches in ([batch], [Act(RAISED, notes=(FALL,))]):
        single = Act(FOUND, notes=(FALL,))
        stage = Stage(FakeProcess(batches=batches, frames=[single, single], max_batch=2), max_batch=2)
        await stage.run(frames=2)
        kinds = [[event.kind for event in ticket.events] for ticket in stage.passed_on]
        assert kinds == ([["in result"], ["fall", "in result"]] if batches == [batch] else [["fall"], ["fall"]])
        assert not [event for event in stage.told if isinstance(event, FoundEvent)]


async def test_events_at_the_side_come_with_the_frame_or_after_it(autojump_clock: MockClock) -> None:
    """In time, the frame bears them; else they are told alone, with their frame's number."""
    stage = Beside(FakeProcess(frames=[Act(FOUND, notes=(FALL,)), Act(FOUND, takes_s=0.5, notes=(FALL,))]))
    async with stage.running():
        (in_time,) = stage.pass_by(0)
        await trio.sleep(1.0)
        assert [event.index for event in in_time.events] == [0]
        (late,) = stage.pass_by(1)
        stage.finish(late)
        await trio.sleep(2.0)
    assert late.events == []
    assert [event.index for event in stage.told if isinstance(event, FoundEvent)] == [1]
    assert [payload.index for payload in stage.told if isinstance(payload, FramePayload)] == [0, 1]
