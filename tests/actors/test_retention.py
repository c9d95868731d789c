"""Retention: what has ended goes once it is too old or too much, and nothing else ever does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.actors.errors import NotFound
from kinora.actors.retention import retention as retention_module
from kinora.actors.retention.retention import DAY_S, LOOK_AFTER_END_S, LOOK_S, Kept, Retention
from kinora.actors.retention.retention_rule import ALWAYS, Candidate, Rule, that_go
from kinora.actors.store.recent_reads import READING_S, RecentReads
from kinora.actors.store.store import JobRecord, Store
from kinora.actors.store.stored_room import EndedJob
from kinora.actors.store.used_room import RoomMeter
from kinora.actors.times import time_before, time_text
from kinora.settings import Settings
from kinora.system import System, open_system
from tests.actors.job_kit import job_request
from tests.jobs_kit import messages_of, run_job, submit, write_plugin

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
MB = 2**20
SAFETY_S = 120.0
SLACK_S = 30.0
"""A step of the clock, and what a busy machine needs for a look."""


@pytest.fixture
def clock() -> MockClock:
    """Time that runs as usual, for the store's threads, and jumps when the test says so."""
    return MockClock(rate=1.0)


async def pass_by(clock: MockClock, retention: Retention, seconds: float, *, steps: int) -> None:
    """Let time pass in steps; each look that is due is over before the next step."""
    for _ in range(steps):
        clock.jump(seconds / steps)
        await wait_all_tasks_blocked()
        await retention.prune(Rule(), dry_run=True)  # waits for its turn behind the look


def candidate(number: int, *, day: int = 0, size: int = 10) -> Candidate:
    """A job that ended on this day."""
    ended_at = time_text(BEGIN + timedelta(days=day))
    job = EndedJob(
        number=number, job_id=f"job-{number}", status="done", ended_at=ended_at, upload=None, stored_bytes=size
    )
    return Candidate(job=job, bytes=size)


def numbers(candidates: Sequence[Candidate]) -> list[int]:
    """Which jobs they are."""
    return [one.job.number for one in candidates]


def test_old_jobs_go_and_younger_ones_stay() -> None:
    """By age alone, room does not matter."""
    jobs = [candidate(number, day=number) for number in range(5)]
    rule = Rule(before=time_text(BEGIN + timedelta(days=2)))
    assert numbers(that_go(jobs, rule, 10**12)) == [0, 1]


def test_jobs_go_until_the_rest_fits() -> None:
    """By room alone, the first to end go until what is in use is no more than the limit, and not one more."""
    jobs = [candidate(number) for number in range(5)]
    assert numbers(that_go(jobs, Rule(keep_bytes=75), 100)) == [0, 1, 2]
    assert numbers(that_go(jobs, Rule(keep_bytes=100), 100)) == []
    assert numbers(that_go(jobs, Rule(keep_bytes=0), 1000)) == [0, 1, 2, 3, 4]


def test_with_both_limits_a_job_goes_for_either_reason() -> None:
    """The old ones go although there is room, and then as many as are too much."""
    jobs = [candidate(number, day=number) for number in range(5)]
    rule = Rule(before=time_text(BEGIN + timedelta(days=2)), keep_bytes=65)
    assert numbers(that_go(jobs, rule, 50)) == [0, 1]
    assert numbers(that_go(jobs, rule, 100)) == [0, 1, 2, 3]


@given(sizes=st.lists(st.integers(0, 50), max_size=20), keep=st.integers(0, 500), old=st.integers(0, 20))
def test_what_goes_is_always_the_beginning_and_no_more_than_needed(sizes: list[int], keep: int, old: int) -> None:
    """The last that goes was needed, and without it the limits would not hold."""
    jobs = [candidate(number, day=number, size=size) for number, size in enumerate(sizes)]
    rule = Rule(before=time_text(BEGIN + timedelta(days=old)), keep_bytes=keep)
    going = that_go(jobs, rule, sum(sizes))
    assert going == jobs[: len(going)]
    left = sum(sizes[len(going) :])
    assert left <= keep
    if going:
        assert going[-1].job.ended_at < rule.before or left + going[-1].bytes > keep
    assert all(one.job.ended_at >= rule.before for one in jobs[len(going) :])


def test_no_age_is_too_large() -> None:
    """A setting of a million years keeps all, like one of none."""
    assert time_before(BEGIN, 365 * DAY_S) == "2025-11-01T00:00:00.000Z"
    assert time_before(BEGIN, 1e12) == time_before(BEGIN, 1e300) == time_before(BEGIN, float("inf")) == ""
    assert Kept(days=0, bytes=0).rule(BEGIN) == Rule()


async def test_reads_are_remembered_for_a_while(autojump_clock: MockClock) -> None:
    """A job is being read until a minute after its last page."""
    reads = RecentReads()
    assert "job-1" not in reads
    reads.note("job-1")
    await trio.sleep(READING_S - 1)
    assert "job-1" in reads
    reads.note("job-1")
    await trio.sleep(READING_S - 1)
    assert "job-1" in reads
    await trio.sleep(2)
    assert "job-1" not in reads


def ended_record(name: str, *, days_ago: float = 0.0, status: str = "done", upload: str = "") -> JobRecord:
    """A job that ended so long ago."""
    ended_at = time_before(datetime.now(UTC), days_ago * DAY_S)
    return JobRecord(
        job_id=name,
        created_at=ended_at,
        status=status,
        request=msgspec.json.encode(job_request()),
        state=b"{}",
        upload=upload or None,
        ended_at=ended_at,
    )


class Deleting:
    """Deletes from the store what it is told to, in place of a JobManager without jobs of its own."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.deleted: list[tuple[str, float]] = []
        """The jobs, each with the time."""

    def may_go(self, job_id: str) -> bool:
        """Keep none back."""
        return bool(job_id)

    async def delete_ended(self, jobs: Sequence[EndedJob]) -> frozenset[str]:
        """Delete them all."""
        ids = frozenset(job.job_id for job in jobs)
        await self._store.delete_job(*ids)
        now = trio.current_time()
        self.deleted += [(job.job_id, now) for job in jobs]
        return ids


@asynccontextmanager
async def retaining(folder: Path, kept: Kept) -> AsyncIterator[tuple[Store, Deleting, Retention]]:
    """Retention at work on a store of its own, on a calendar that begins with the virtual clock."""
    store = Store(":memory:")
    deleting = Deleting(store)
    meter = RoomMeter(store, folder / "kinora.db", folder, folder / "clips")
    begun = trio.current_time()

    def now() -> datetime:
        return BEGIN + timedelta(seconds=trio.current_time() - begun)

    retention = Retention(kept, store=store, jobs=deleting, meter=meter, now=now)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store, deleting, retention
        nursery.cancel_scope.cancel()


async def test_each_job_goes_within_a_minute_of_its_time(clock: MockClock, tmp_path: Path) -> None:
    """None before it."""
    async with (
        retaining(tmp_path, Kept(days=600 / DAY_S, bytes=0)) as (store, deleting, retention),
        trio.open_nursery() as nursery,
    ):
        due = {}
        for number in range(5):
            ended = timedelta(seconds=150 * number)
            record = attrs.evolve(ended_record(f"job-{number}"), ended_at=time_text(BEGIN + ended))
            await store.add_job(record)
            due[record.job_id] = trio.current_time() + ended.total_seconds() + 600
        await nursery.start(retention.run)
        await pass_by(clock, retention, 600 + 5 * 150 + LOOK_S, steps=100)
        assert [job for job, _ in deleting.deleted] == [*due]
        for job, at in deleting.deleted:
            assert 0 <= at - due[job] < LOOK_S + SLACK_S
        nursery.cancel_scope.cancel()


async def test_an_end_is_looked_at_soon_and_once(clock: MockClock, tmp_path: Path) -> None:
    """Several ends shortly after one another cause one look."""
    async with (
        retaining(tmp_path, Kept(days=0, bytes=1)) as (store, deleting, retention),
        trio.open_nursery() as nursery,
    ):
        await nursery.start(retention.run)
        await pass_by(clock, retention, LOOK_S / 3, steps=2)
        for number in range(3):
            await store.add_job(ended_record(f"job-{number}"))
            retention.note_end()
        ended = trio.current_time()
        await pass_by(clock, retention, LOOK_S / 2, steps=30)
        assert [job for job, _ in deleting.deleted] == ["job-0", "job-1", "job-2"]
        assert {at for _, at in deleting.deleted} == {deleting.deleted[0][1]}
        assert LOOK_AFTER_END_S <= deleting.deleted[0][1] - ended < LOOK_AFTER_END_S + SLACK_S
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def keeping(settings: Settings, *, days: float = 0.0, size: int = 0) -> AsyncIterator[System]:
    """A running system that keeps no more than this."""
    with trio.fail_after(SAFETY_S):
        async with open_system(attrs.evolve(settings, keep_days=days, keep_bytes=size)) as system:
            yield system


async def store_job(
    system: System, name: str, *, days_ago: float = 0.0, status: str = "done", upload: str = ""
) -> None:
    """Leave a job that has ended, with two frames of some 10 KB."""
    if upload:
        await trio.Path(system.uploads / upload).write_bytes(bytes(MB))
    await system.store.add_job(ended_record(name, days_ago=days_ago, status=status, upload=upload))
    for index in range(2):
        await system.store.put_frame(name, index, bytes(10_000))
    await system.store.flush()


async def until(holds: Callable[[], bool]) -> None:
    """Wait until it does."""
    while not holds():  # noqa: ASYNC110 - nothing else tells
        await trio.sleep(0.01)


async def until_swept(system: System) -> None:
    """Wait until nothing is left of deleted jobs."""
    while (await system.room.measure(afresh=True)).coming_free:  # noqa: ASYNC110 - nothing else tells
        await trio.sleep(0.01)


def disk_use(folder: Path) -> int:
    """The bytes that the files below the folder take of the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file())


async def left(system: System) -> list[str]:
    """The jobs in the store, the oldest first."""
    records, _ = await system.store.jobs()
    return [record.job_id for record in reversed(records)]


async def until_left(system: System, *jobs: str) -> None:
    """Wait until no other jobs are in the store."""
    while await left(system) != [*jobs]:  # noqa: ASYNC110 - nothing else tells
        await trio.sleep(0.01)


async def test_jobs_that_are_too_old_go_at_the_start(settings: Settings) -> None:
    """With their uploads; younger ones and their uploads stay."""
    async with keeping(settings) as system:
        await store_job(system, "old", days_ago=40, upload="a" * 32)
        await store_job(system, "older", days_ago=30.01, status="failed")
        await store_job(system, "young", days_ago=29, upload="b" * 32)
    async with keeping(settings, days=30) as system:
        await until_left(system, "young")
        await until(lambda: [path.name for path in system.uploads.iterdir()] == ["b" * 32])


async def test_clients_are_told_of_each_job_that_goes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when somebody deletes it."""
    monkeypatch.setattr(retention_module, "LOOK_S", 0.05)
    async with keeping(settings, days=30) as system:
        for name in ("first", "second"):
            await store_job(system, name, days_ago=40)
        await until_left(system)
        for name in ("first", "second"):
            while not (told := messages_of(system, name, "progress")):  # noqa: ASYNC110
                await trio.sleep(0.01)
            assert [message["payload"]["stage"] for message in told] == ["deleted"]


async def test_a_job_goes_as_it_gets_too_old(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server looks again and again."""
    monkeypatch.setattr(retention_module, "LOOK_S", 0.05)
    async with keeping(settings, days=0.5 / DAY_S) as system:
        state = await run_job(system, "motion")
        assert state.status == "done"
        await until_left(system)


async def test_the_end_of_a_job_leads_to_a_look(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it makes too much does not wait for the next minute; its own results do not survive it if they must go."""
    monkeypatch.setattr(retention_module, "LOOK_AFTER_END_S", 0.0)
    async with keeping(settings, size=1) as system:
        await run_job(system, "motion")
        await until_left(system)


async def test_what_is_kept_is_no_more_than_the_limit(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the disk itself: database and uploads shrink to it, the first jobs to end go, and no more than needed."""
    monkeypatch.setattr(retention_module, "LOOK_S", 0.05)
    names = [f"job-{number:02}" for number in range(20)]
    async with keeping(settings) as system:
        for age, name in enumerate(reversed(names)):
            await store_job(system, name, days_ago=age, upload=f"{age:032x}")
            for index in range(2, 100):
                await system.store.put_frame(name, index, bytes(10_000))
        await system.store.flush()
        assert (await system.room.measure(afresh=True)).kept > 40 * MB
    async with keeping(settings, size=20 * MB) as system:
        folder = settings.data_dir
        await until(lambda: disk_use(folder) < 20 * MB)
        await until_swept(system)
        staying = await left(system)
        assert staying == [*reversed(names)][: len(staying)]
        assert disk_use(folder) > 15 * MB


async def test_only_what_has_ended_goes(settings: Settings, plugins_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Running, paused and queued jobs stay even if they alone are too much."""
    monkeypatch.setattr(retention_module, "LOOK_S", 0.02)
    write_plugin(plugins_dir, "slow", '@tool("slow")\ndef slow(frame):\n    time.sleep(0.1)\n    return {}\n')
    async with keeping(attrs.evolve(settings, max_jobs=1), size=1) as system:
        paused = await submit(system, "slow")
        while (await system.jobs.state(paused.job_id)).status != "running":  # noqa: ASYNC110
            await trio.sleep(0.01)
        await system.jobs.pause(paused.job_id)
        running, queued = await submit(system, "slow"), await submit(system, "slow")
        await store_job(system, "ended")
        await until_left(system, *(state.job_id for state in (paused, running, queued)))
        for _ in range(5):
            await system.retention.prune(Rule(before=ALWAYS))
        assert len(await left(system)) == 3


async def test_a_job_that_is_read_stays_for_now(system: System) -> None:
    """No download breaks off. No later job goes in its place, and the answer counts it."""
    for number in range(3):
        await store_job(system, f"job-{number}", days_ago=9 - number)
    assert [page async for page in system.jobs.frame_pages("job-0")]
    pruned = await system.retention.prune(Rule(before=time_before(datetime.now(UTC), 8.5 * DAY_S)))
    assert (pruned.count, pruned.in_use) == (0, 1)
    assert await left(system) == ["job-0", "job-1", "job-2"]


async def test_a_job_that_is_taken_up_again_stays(system: System) -> None:
    """Whichever comes first, the job is there as a whole or not at all."""
    for attempt in range(6):
        state = await submit(system, "motion")
        await system.jobs.cancel(state.job_id)
        record = await system.store.job(state.job_id)
        assert record is not None
        await system.store.save_job(attrs.evolve(record, status="interrupted"))
        outcomes: list[bool] = []

        async def resume(job_id: str = state.job_id, outcomes: list[bool] = outcomes) -> None:
            with suppress(NotFound):
                await system.jobs.resume(job_id)
                outcomes.append(True)

        async with trio.open_nursery() as nursery:
            if attempt % 2:
                nursery.start_soon(resume)
            nursery.start_soon(partial(system.retention.prune, Rule(before=ALWAYS)))
            if not attempt % 2:
                nursery.start_soon(resume)
        assert (state.job_id in await left(system)) is bool(outcomes)
        if outcomes:
            await system.jobs.delete(state.job_id)


async def test_a_dry_run_deletes_nothing(system: System) -> None:
    """It tells the same as the prune after it."""
    for number in range(5):
        await store_job(system, f"job-{number}", days_ago=9 - number, status="failed" if number == 1 else "done")
    rule = Rule(before=time_before(datetime.now(UTC), 6.5 * DAY_S), statuses=["done"])
    told = await system.retention.prune(rule, dry_run=True)
    assert len(await left(system)) == 5
    done = await system.retention.prune(rule)
    assert (done.count, done.bytes, done.first) == (told.count, told.bytes, told.first)
    assert await left(system) == ["job-1", "job-3", "job-4"]
    assert done.bytes > 2 * 20_000


async def test_hundreds_go_in_small_batches(system: System) -> None:
    """The store serves others meanwhile: no read waits for more than a batch."""
    for number in range(0, 600, 300):
        async with trio.open_nursery() as nursery:
            for job in range(number, number + 300):
                nursery.start_soon(system.store.add_job, ended_record(f"job-{job}"))
    waits: list[float] = []
    async with trio.open_nursery() as nursery:

        async def read() -> None:
            while True:
                begun = trio.current_time()
                await system.store.jobs(limit=1)
                waits.append(trio.current_time() - begun)
                await trio.sleep(0.005)

        nursery.start_soon(read)
        pruned = await system.retention.prune(Rule(before=ALWAYS))
        nursery.cancel_scope.cancel()
    assert pruned.count == 600
    assert len(pruned.first) == pruned.NAMED
    assert await left(system) == []
    assert len(waits) > 10
