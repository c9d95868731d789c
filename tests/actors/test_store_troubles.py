"""The store when its task crashes, its files vanish or are damaged, and the disk fills up."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest
import trio

from kinora.actors.store import database, disk_room, schema
from kinora.actors.store import store as store_module
from kinora.actors.store.store import JobRecord, Store, StoreFailing
from kinora.runtime.actor import ActorGone
from kinora.runtime.supervisor import ChildSpec, Supervisor

MB = 2**20
SAFETY_S = 120.0
"""Far more than any of it takes on a busy machine."""


def record(number: int, status: str = "queued") -> JobRecord:
    """A job."""
    return JobRecord(job_id=f"job-{number}", created_at=f"2026-{number}", status=status, request=b"{}", state=b"{}")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the database, in a folder with a file beside it."""
    (tmp_path / "lock").touch()
    return tmp_path / "kinora.db"


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "WATCH_S", 0.05)
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)


@asynccontextmanager
async def running(path: Path, *, floor: int = 0) -> AsyncIterator[Store]:
    """A store at work, stopped politely at the end."""
    store = Store(path, floor=floor, beside=[path.with_name("lock")])
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            yield store
            store.stop()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    while not condition():  # noqa: ASYNC110 - nothing tells when it is so
        await trio.sleep(0.01)


def stored_frames(path: Path) -> int:
    """Count the frames in the file."""
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM frames").fetchone()[0])


class Disk:
    """The free space that the store sees."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, free: int) -> None:
        self.free = free
        monkeypatch.setattr(shutil, "disk_usage", self._usage)

    def _usage(self, _path: Path) -> shutil._ntuple_diskusage:
        return shutil._ntuple_diskusage(total=self.free, used=0, free=self.free)


def crash(store: Store) -> None:
    """Take the writer's connection away, which is an error that the store does not expect."""
    assert store._writer is not None
    store._writer.close()
    store._writer = None


async def test_frames_accepted_before_a_crash_are_written_after_it(path: Path) -> None:
    """A flush waits over the restart of the store, and so does a frame that is put meanwhile; none is lost."""
    store = Store(path)
    supervisor = Supervisor("test", [ChildSpec(name="store", run=store.run, stop=store.stop)])
    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            await nursery.start(supervisor.run)
            await store.add_job(record(1))
            for index in range(50):
                await store.put_frame("job-1", index, b"x")
            crash(store)
            await until(lambda: not store._running)
            await store.put_frame("job-1", 50, b"x")
            await store.flush()
            assert stored_frames(path) == 51
            assert supervisor.statistics().children[0].restarts == 1
            supervisor.stop()


async def test_a_crash_leaves_no_caller_waiting(path: Path) -> None:
    """A change that waits when the store crashes fails, and its caller can try again."""
    store = Store(path)
    outcomes: list[Exception] = []

    async def add() -> None:
        try:
            await store.add_job(record(1))
        except ActorGone as error:
            outcomes.append(error)

    with trio.fail_after(SAFETY_S):
        async with trio.open_nursery() as nursery:
            crashed = await nursery.start(_run_until_crash, store)
            crash(store)
            await add()
            await crashed.wait()
    assert len(outcomes) == 1


async def _run_until_crash(store: Store, *, task_status: trio.TaskStatus[trio.Event]) -> None:
    crashed = trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            task_status.started(crashed)
    except ExceptionGroup:
        crashed.set()


def _gone(file: Path) -> None:
    file.unlink()


def _replaced(file: Path) -> None:
    shutil.copyfile(file, file.with_name("copy"))
    file.with_name("copy").replace(file)


@pytest.mark.parametrize("name", ["kinora.db", "kinora.db-wal", "lock"])
@pytest.mark.parametrize("how", [_gone, _replaced])
async def test_nothing_is_acknowledged_once_a_file_was_replaced(
    path: Path, name: str, how: Callable[[Path], None]
) -> None:
    """A job that would be gone after a restart is refused with the reason; what was stored is still read."""
    async with running(path) as store:
        await store.add_job(record(1))
        how(path.with_name(name))
        with pytest.raises(StoreFailing, match=f"{name} was removed or replaced under the running server: restart it"):
            await store.add_job(record(2))
        assert await store.job("job-1") is not None


async def test_replaced_files_are_noticed_by_themselves(path: Path) -> None:
    """Without any request the store says that it cannot write; with the file back in its place it goes on."""
    away = path.with_name("away")
    async with running(path) as store:
        await trio.Path(path).rename(away)
        assert "removed or replaced" in await store.wait_failing()
        await trio.Path(away).rename(path)
        await store.wait_writable()
        await store.add_job(record(1))


def _make_damaged(path: Path) -> None:
    """Make a database with a job and frames, and write over the root of the frames."""
    with closing(database.open_writer(str(path))) as writer:
        database.write(writer, [database.add_job(record(1))])
        database.write(writer, [database.put_frame("job-1", index, bytes(400)) for index in range(2000)])
        (root,) = writer.execute("SELECT rootpage FROM sqlite_master WHERE name = 'frames'").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * 4096)
        file.write(b"\xff" * 4096)


async def test_damage_is_found_without_reading_it(path: Path) -> None:
    """The check at the start finds a damaged page: nothing more is written, and what is whole is read."""
    _make_damaged(path)
    async with running(path) as store:
        assert "is damaged" in await store.wait_failing()
        assert await store.job("job-1") is not None
        with pytest.raises(StoreFailing, match="is damaged"):
            await store.add_job(record(2))


async def test_a_read_that_meets_damage_says_so(path: Path) -> None:
    """The caller learns that the database is damaged, not that the disk may be full, and so do all others."""
    _make_damaged(path)
    async with running(path) as store:
        with pytest.raises(StoreFailing, match=r"is damaged .*: stop the server"):
            await store.frames("job-1")
        assert store.failing is not None


async def test_the_check_of_the_file_does_not_hold_up_the_end(path: Path) -> None:
    """A store that ends while its file is checked interrupts the check, and leaves one file behind."""
    async with running(path) as store:
        await store.add_job(record(1))
        for index in range(200):
            await store.put_frame("job-1", index, bytes(50_000))
    async with running(path):
        pass
    assert sorted(file.name for file in path.parent.iterdir()) == ["kinora.db", "lock"]


async def test_below_the_floor_no_jobs_and_below_half_of_it_no_frames(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Frames wait below the lower floor, changes of jobs do not; with room again all is written."""
    disk = Disk(monkeypatch, free=200 * MB)
    async with running(path, floor=100 * MB) as store:
        await store.add_job(record(1))
        disk.free = 80 * MB
        await until(lambda: store.low is not None)
        await store.put_frame("job-1", 0, b"x")
        await store.flush()
        assert store.failing is None
        disk.free = 40 * MB
        assert "wait for room" in await store.wait_failing()
        await store.put_frame("job-1", 1, b"x")
        await store.save_job(record(1, "running"))
        assert stored_frames(path) == 1
        disk.free = 200 * MB
        await store.wait_writable()
        await store.flush()
        assert (stored_frames(path), store.low) == (2, None)


async def test_frames_that_wait_for_room_are_written_at_the_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are few, and would be lost."""
    disk = Disk(monkeypatch, free=200 * MB)
    async with running(path, floor=100 * MB) as store:
        await store.add_job(record(1))
        disk.free = 40 * MB
        await store.wait_failing()
        await store.put_frame("job-1", 0, b"x")
    assert stored_frames(path) == 1


async def test_a_full_disk_lets_jobs_be_deleted(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reserve is given up for it, frames wait until it is back, and then all goes on."""
    disk = Disk(monkeypatch, free=200 * MB)
    unlink = os.unlink
    async with running(path, floor=100 * MB) as store:
        reserve = path.with_name(disk_room.RESERVE_NAME)
        assert reserve.stat().st_size == disk_room.RESERVE_BYTES
        writer = store._writer
        assert writer is not None
        await store.add_job(record(1))
        writer.execute("CREATE TABLE filler (data BLOB)")
        writer.execute("CREATE TRIGGER fill AFTER DELETE ON jobs BEGIN INSERT INTO filler VALUES (zeroblob(8192)); END")

        def make_room(file: Path | str, **more: int) -> None:
            unlink(file, **more)
            if Path(file) == reserve:
                writer.execute("PRAGMA max_page_count = 1073741823")

        monkeypatch.setattr(os, "unlink", make_room)
        writer.execute("PRAGMA max_page_count = 1")
        disk.free = 0
        await store.delete_job("job-1")
        assert not reserve.exists()
        assert store.failing is not None
        disk.free = 200 * MB
        await store.wait_writable()
        assert reserve.exists()


async def test_the_file_shrinks_when_a_job_is_deleted(path: Path) -> None:
    """What was freed goes back to the disk, step by step, without a restart."""
    async with running(path) as store:
        await store.add_job(record(1))
        for index in range(2000):
            await store.put_frame("job-1", index, bytes(5000))
        await store.flush()
        await store.delete_job("job-1")
        await until(lambda: not store._garbage and path.stat().st_size < MB)
        await store.add_job(record(2))


async def test_a_file_of_an_older_version_shrinks_too(path: Path) -> None:
    """It is rebuilt once most of it is free, and keeps what else is in it."""
    with closing(sqlite3.connect(path)) as old:
        old.create_function("job_words", 1, database.job_words)
        old.create_function("job_ended", 2, database.job_ended)
        old.executescript("".join(schema.MIGRATIONS) + f"PRAGMA user_version = {schema.SCHEMA_VERSION}")
    async with running(path) as store:
        for number in (1, 2):
            await store.add_job(record(number))
            for index in range(1000 * number):
                await store.put_frame(f"job-{number}", index, bytes(5000))
        await store.flush()
        await store.delete_job("job-2")
        await until(lambda: not store._garbage and path.stat().st_size < 7 * MB)
        assert await store.frame_count("job-1") == 1000
