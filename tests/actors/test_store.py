"""Jobs and frames on disk: acknowledged data survives failures of the process, the disk and the caller."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path

import attrs
import msgspec
import pytest
import trio
import trio.testing
from hypothesis import given, settings
from hypothesis import strategies as st

from kinora.actors.errors import Conflict, InvalidRequest
from kinora.actors.store import database, frame_buffer, schema
from kinora.actors.store import store as store_module
from kinora.actors.store.store import DatabaseUnusable, JobRecord, Store, StoreFailing
from kinora.runtime.actor import ActorGone


def record(number: int, *, status: str = "queued", key: str | None = None) -> JobRecord:
    """A job; a higher number is a newer one."""
    return JobRecord(
        job_id=f"job-{number}",
        created_at=f"2026-11-23T08:{number // 60:02}:{number % 60:02}.000Z",
        status=status,
        request=b'{"source": "a.mp4"}',
        state=b'{"n": 1}',
        idempotency_key=key,
        request_hash="abc",
    )


@asynccontextmanager
async def running(path: Path | str) -> AsyncIterator[Store]:
    """A store at work, stopped politely at the end."""
    store = Store(path)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store
        store.stop()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The path of the database to be made."""
    return tmp_path / "kinora.sqlite"


@pytest.fixture(params=["file", ":memory:"])
def anywhere(request: pytest.FixtureRequest, path: Path) -> Path | str:
    """The path of a database on disk, or in memory."""
    return path if request.param == "file" else ":memory:"


def count_frames(path: Path) -> int:
    """Count the frames in the file, also those of deleted jobs."""
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute("SELECT count(*) FROM frames").fetchone()[0])
    finally:
        connection.close()


def open_files(folder: Path) -> list[Path]:
    """The files that this process has open in the folder."""
    targets = [Path(os.path.realpath(entry)) for entry in Path("/proc/self/fd").iterdir()]
    return [target for target in targets if target.is_relative_to(folder)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the write lock."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that happens by itself."""
    with trio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - nothing tells when it is so
            await trio.sleep(0.01)


def limit_pages(store: Store, pages: int) -> None:
    """Make the disk full at this many pages of 4 KB; 2**31 lifts it."""
    assert store._writer is not None
    store._writer.execute(f"PRAGMA max_page_count = {pages}")


async def test_a_job_is_kept_changed_and_forgotten(anywhere: Path | str) -> None:
    """A job is found by id and key; saving changes status, state and upload; deleting removes its frames too."""
    async with running(anywhere) as store:
        await store.add_job(record(1, key="k"))
        assert await store.job("job-1") == await store.job_by_key("k") == record(1, key="k")
        changed = attrs.evolve(record(1, key="k"), status="done", state=b"{}", upload="u/1")
        await store.save_job(changed)
        assert await store.job("job-1") == changed
        await store.put_frame("job-1", 0, b"frame")
        await store.delete_job("job-1")
        await store.save_job(changed)
        await store.flush()
        assert await store.job("job-1") is None
        assert await store.frames("job-1") == []
        await store.add_job(record(1, key="k"))
        assert await store.frames("job-1") == []


async def test_frames_are_seen_as_soon_as_they_are_put(anywhere: Path | str) -> None:
    """Before and after they are on disk, frames are found in order, by range and one by one."""
    async with running(anywhere) as store:
        await store.add_job(record(1))
        for flushed in (False, True):
            for index in range(0, 30, 3):
                await store.put_frame("job-1", index, b"%d" % index)
            if flushed:
                await store.flush()
            assert await store.frames("job-1") == [(index, b"%d" % index) for index in range(0, 30, 3)]
            assert await store.frames("job-1", after=3, limit=2) == [(6, b"6"), (9, b"9")]
            assert await store.frames("job-1", after=27) == []
            assert await store.newest_and_page("job-1", after=3, limit=2) == (27, [(6, b"6"), (9, b"9")])
            assert await store.newest_and_page("job-1", after=27) == (27, [])
            assert await store.newest_and_page("nobody", after=-1) == (-1, [])
            assert await store.frame("job-1", 9) == b"9"
            assert await store.frame("job-1", 10) is None
            assert await store.frame_count("job-1") == 10
            assert await store.last_index("job-1") == 27


async def test_a_frame_exists_once(anywhere: Path | str) -> None:
    """Of two frames with the same index the first stays, and frames without a job are ignored."""
    async with running(anywhere) as store:
        await store.add_job(record(1))
        await store.put_frame("job-1", 0, b"first")
        await store.put_frame("job-1", 0, b"second")
        await store.put_frame("nobody", 0, b"lost")
        assert await store.frames("job-1") == [(0, b"first")]
        await store.flush()
        assert await store.frames("job-1") == [(0, b"first")]
        assert await store.frames("nobody") == []
        assert await store.last_index("nobody") is None


async def test_frames_are_written_in_batches(path: Path) -> None:
    """A thousand frames take a handful of transactions."""
    async with running(path) as store:
        await store.add_job(record(1))
        for index in range(1000):
            await store.put_frame("job-1", index, b"x" * 100)
        await store.flush()
        statistics = store.statistics()
        assert statistics.frames == 1000
        assert statistics.waiting == 0
        assert statistics.transactions <= 8


async def test_a_frame_is_written_before_long_without_being_asked_for(path: Path) -> None:
    """A lone frame reaches the disk by itself."""
    async with running(path) as store:
        await store.add_job(record(1))
        await store.put_frame("job-1", 0, b"x")
        await until(lambda: store.statistics().waiting == 0)


async def test_changes_of_jobs_go_first_in_line(path: Path) -> None:
    """A job is saved while hundreds of frames that came before it still wait."""
    async with running(path) as store:
        await store.add_job(record(1))
        async with trio.open_nursery() as nursery:
            with locked(path):
                for index in range(1000):
                    await store.put_frame("job-1", index, b"x" * 100)
                nursery.start_soon(store.save_job, record(1, status="running"))
                await trio.testing.wait_all_tasks_blocked()
        assert store.statistics().waiting > 0
        assert await store.job("job-1") == record(1, status="running")


async def test_reads_go_on_while_writing_waits(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the database locked by another program, jobs and frames are read at once, unwritten frames among them."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 60)
    async with running(path) as store:
        await store.add_job(record(1))
        with locked(path), trio.fail_after(20):
            await store.put_frame("job-1", 0, b"x")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.save_job, record(1, status="running"))
                await trio.testing.wait_all_tasks_blocked()
                assert (await store.jobs())[0] == [record(1)]
                assert await store.frames("job-1") == [(0, b"x")]
                nursery.cancel_scope.cancel()


async def test_putting_frames_waits_for_room(path: Path) -> None:
    """While nothing can be written, the frames that wait stay within their bound, and all are written in the end."""
    extra = 50
    async with running(path) as store:
        await store.add_job(record(1))
        async with trio.open_nursery() as nursery:
            with locked(path):

                async def put() -> None:
                    for index in range(frame_buffer.MAX_WAITING_FRAMES + extra):
                        await store.put_frame("job-1", index, b"x")

                nursery.start_soon(put)
                await trio.testing.wait_all_tasks_blocked()
                assert store.statistics().waiting == frame_buffer.MAX_WAITING_FRAMES
        await store.flush()
        assert await store.frame_count("job-1") == frame_buffer.MAX_WAITING_FRAMES + extra


async def test_large_frames_are_bounded_by_size(path: Path) -> None:
    """Frames of 1 MB fill the room long before their number does."""
    async with running(path) as store:
        await store.add_job(record(1))
        with locked(path):

            async def put() -> None:
                for index in range(100):
                    await store.put_frame("job-1", index, bytes(1024 * 1024))

            async with trio.open_nursery() as nursery:
                nursery.start_soon(put)
                await trio.testing.wait_all_tasks_blocked()
                assert store.statistics().waiting == 16
                nursery.cancel_scope.cancel()


SCRIPT = """
import sys, trio
from kinora.actors.store.store import JobRecord, Store

async def main():
    store = Store(sys.argv[1])
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        job = JobRecord(job_id="job-1", created_at="2026", status="queued", request=b"{}", state=b"{}")
        await store.add_job(job)
        for index in range(500):
            await store.put_frame("job-1", index, b"x")
        await store.flush()
        print("acknowledged", flush=True)
        for index in range(500, 10**9):
            await store.put_frame("job-1", index, b"x")

trio.run(main)
"""


def write_until_killed(path: Path) -> None:
    """Run the script and kill it once it has acknowledged what it was to store."""
    with subprocess.Popen([sys.executable, "-c", SCRIPT, path], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"acknowledged\n"
        process.kill()


async def test_what_was_acknowledged_survives_kill_9(path: Path) -> None:
    """A process killed in the middle of writing leaves its job and its flushed frames, with no hole in what follows."""
    await trio.to_thread.run_sync(write_until_killed, path)
    async with running(path) as store:
        found = await store.job("job-1")
        assert found is not None
        assert found.status == "queued"
        last = await store.last_index("job-1")
        assert last is not None
        assert last >= 499
        assert await store.frame_count("job-1") == last + 1


async def test_a_full_disk_is_said_and_got_over(path: Path) -> None:
    """The caller of a write that fails learns why, reads go on, and the next write that works ends it."""
    async with running(path) as store:
        await store.add_job(record(1))
        limit_pages(store, 1)
        big = attrs.evolve(record(2), state=bytes(200_000))
        with pytest.raises(StoreFailing, match="full"):
            await store.add_job(big)
        assert store.failing is not None
        assert "full" in store.failing
        assert "full" in await store.wait_failing()
        assert (await store.jobs())[0] == [record(1)]
        limit_pages(store, 2**31)
        await store.add_job(big)
        await store.wait_writable()


async def test_frames_put_before_the_disk_was_full_are_not_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames whose writing failed stay readable, a flush waits for them, and they are written once there is room."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    async with running(path) as store:
        await store.add_job(record(1))
        limit_pages(store, 1)
        for index in range(20):
            await store.put_frame("job-1", index, bytes(10_000))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.flush)
            await store.wait_failing()
            assert await store.frame_count("job-1") == 20
            limit_pages(store, 2**31)
        assert store.statistics().waiting == 0
        assert len(await store.frames("job-1")) == 20


async def test_while_the_disk_is_full_frames_wait_and_none_is_lost(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Frames are held within bounds while the store retries with pauses; a caller that puts more waits for room."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    frames = frame_buffer.MAX_WAITING_FRAMES + 100
    async with running(path) as store:
        await store.add_job(record(1))
        limit_pages(store, 1)

        async def put() -> None:
            for index in range(frames):
                await store.put_frame("job-1", index, b"frame" * 1000)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(put)
            await store.wait_failing()
            await until(lambda: store.statistics().waiting == frame_buffer.MAX_WAITING_FRAMES)
            limit_pages(store, 2**31)
        await store.flush()
        assert await store.frame_count("job-1") == frames


async def test_a_store_that_nobody_writes_to_recovers(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure the store tries again by itself, so that it recovers even if no jobs come."""
    monkeypatch.setattr(store_module, "RETRY_S", 0.05)
    async with running(path) as store:
        limit_pages(store, 1)
        with pytest.raises(StoreFailing):
            await store.add_job(attrs.evolve(record(1), state=bytes(200_000)))
        limit_pages(store, 2**31)
        await store.wait_writable()


async def test_one_faulty_change_does_not_spoil_the_others(anywhere: Path | str) -> None:
    """Of two jobs with one idempotency key one is refused, and what shares its transaction is written."""
    refused: list[int] = []
    async with running(anywhere) as store:

        async def add(number: int, key: str | None) -> None:
            try:
                await store.add_job(record(number, key=key))
            except Conflict:
                refused.append(number)

        async with trio.open_nursery() as nursery:
            for number, key in ((1, "k"), (2, "k"), (3, None)):
                nursery.start_soon(add, number, key)
        stored = {found.job_id for found in (await store.jobs())[0]}
        assert len(refused) == 1
        assert stored == {"job-1", "job-2", "job-3"} - {f"job-{refused[0]}"}
        assert store.failing is None


async def test_a_cancelled_caller_leaves_the_store_consistent(path: Path) -> None:
    """A change under way is carried out whole, one that still waits is withdrawn, and the next one works."""
    async with running(path) as store:
        with locked(path):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(store.add_job, record(1))
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(store.add_job, record(2))
                await trio.testing.wait_all_tasks_blocked()
                nursery.cancel_scope.cancel()
        await store.add_job(record(3))
        assert (await store.jobs())[0] == [record(3), record(1)]


async def test_a_cancelled_frame_was_not_taken(path: Path) -> None:
    """A caller that is cancelled while it waits for room has not put the frame."""
    async with running(path) as store:
        await store.add_job(record(1))
        with locked(path):
            for index in range(frame_buffer.MAX_WAITING_FRAMES):
                await store.put_frame("job-1", index, b"x")
            with trio.move_on_after(0.05):
                await store.put_frame("job-1", frame_buffer.MAX_WAITING_FRAMES, b"x")
        await store.flush()
        assert await store.last_index("job-1") == frame_buffer.MAX_WAITING_FRAMES - 1


@pytest.mark.parametrize("politely", [True, False])
async def test_what_waits_is_written_when_it_ends(path: Path, politely: bool) -> None:
    """Stopped or cancelled from outside, the store writes the frames it has taken and leaves one file behind."""
    store = Store(path)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        await store.add_job(record(1))
        for index in range(900):
            await store.put_frame("job-1", index, b"x")
        if politely:
            store.stop()
        else:
            nursery.cancel_scope.cancel()
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    async with running(path) as again:
        assert await again.frame_count("job-1") == 900


async def test_a_store_that_does_not_run_says_so(path: Path) -> None:
    """Before it runs and after it has ended, every call raises ActorGone instead of waiting."""
    store = Store(path)
    for _ in range(2):
        with pytest.raises(ActorGone):
            await store.add_job(record(1))
        with pytest.raises(ActorGone):
            await store.put_frame("job-1", 0, b"x")
        with pytest.raises(ActorGone):
            await store.flush()
        with pytest.raises(ActorGone):
            await store.job("job-1")
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            store.stop()


async def test_nobody_waits_for_a_store_that_ended(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the disk fails to the end, callers that wait for room or a change get an error, and all files are closed."""
    monkeypatch.setattr(store_module, "CLOSE_GRACE_S", 0)
    outcomes: list[type[Exception]] = []
    store = Store(path)

    async def call(number: int) -> None:
        try:
            await store.add_job(record(number))
        except ActorGone:
            outcomes.append(ActorGone)

    async with trio.open_nursery() as nursery:
        scope = await nursery.start(_run_in_scope, store)
        with locked(path):
            nursery.start_soon(call, 1)
            await trio.testing.wait_all_tasks_blocked()
            nursery.start_soon(call, 2)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert outcomes == [ActorGone]
    assert open_files(path.parent) == []


async def _run_in_scope(store: Store, *, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        task_status.started(nursery.cancel_scope)


async def test_it_can_run_again(path: Path) -> None:
    """A supervisor may start the same store once more, and finds everything."""
    store = Store(path)
    for number in (1, 2):
        async with trio.open_nursery() as nursery:
            await nursery.start(store.run)
            await store.add_job(record(number))
            await store.put_frame(f"job-{number}", 0, b"x")
            await store.flush()
            store.stop()
    async with running(path) as again:
        assert len((await again.jobs())[0]) == 2


@pytest.mark.parametrize("limit", [1, 3, 100, 2**80])
async def test_pages_join_to_the_whole_list(anywhere: Path | str, limit: int) -> None:
    """Newest first, page by page, nothing twice and nothing missing, even for jobs of the same moment and new ones."""
    async with running(anywhere) as store:
        jobs = [attrs.evolve(record(number), created_at=f"2025-{number // 3}") for number in range(10)]
        for job in jobs:
            await store.add_job(job)
        seen, cursor = await store.jobs(limit=limit)
        await store.add_job(record(59))
        while cursor:
            page, cursor = await store.jobs(limit=limit, cursor=cursor)
            seen += page
        assert seen == jobs[::-1]


async def test_the_order_is_that_of_arrival(anywhere: Path | str) -> None:
    """A clock that was set back between two jobs changes nothing in the list, nor in its pages."""
    async with running(anywhere) as store:
        jobs = [attrs.evolve(record(number), created_at=f"20{90 - number}") for number in range(5)]
        for job in jobs:
            await store.add_job(job)
        page, cursor = await store.jobs(limit=2)
        rest, _ = await store.jobs(cursor=cursor)
        assert page + rest == jobs[::-1]


async def test_jobs_are_listed_by_status(anywhere: Path | str) -> None:
    """Only those of the status asked for, with a cursor that goes on within them."""
    async with running(anywhere) as store:
        for number in range(6):
            await store.add_job(record(number, status="done" if number % 2 else "queued"))
        page, cursor = await store.jobs(status="done", limit=2)
        rest, end = await store.jobs(status="done", limit=2, cursor=cursor)
        assert [job.job_id for job in page + rest] == ["job-5", "job-3", "job-1"]
        assert end is None
        assert await store.jobs(status="odd") == ([], None)


async def test_jobs_are_searched_by_source_plugin_and_the_beginning_of_their_id(anywhere: Path | str) -> None:
    """All words must be found, in any case, in source or plugins; the id counts from its beginning only."""
    async with running(anywhere) as store:
        for number, source in enumerate(("Straße/Gate.mp4", "gate_b.mp4", "demo:")):
            request = msgspec.json.encode({"source": source, "plugins": [{"name": ("people", "faces")[number % 2]}]})
            await store.add_job(attrs.evolve(record(number), request=request))

        async def found(search: str, status: str | None = None) -> list[str]:
            return [job.job_id for job in (await store.jobs(search=search, status=status))[0]]

        assert await found("GATE") == ["job-1", "job-0"]
        assert await found("gate people") == ["job-0"]
        assert await found("STRASSE") == ["job-0"]
        assert await found("job-2") == ["job-2"]
        assert await found("ob-2") == []
        assert await found("gate", status="done") == []
        for odd in ("\ud800", "a\0b", "%", "_b.mp", '"', "x " * 1000):
            assert await found(odd) == (["job-1"] if odd == "_b.mp" else [])


async def test_a_search_reads_so_many_jobs_and_its_cursor_leads_on(
    anywhere: Path | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may be short or empty although there are more; going on finds each match once, newest first."""
    monkeypatch.setattr(database, "SEARCHED_JOBS", 4)
    async with running(anywhere) as store:
        for number in range(20):
            request = b'{"source": "%s.mp4"}' % (b"rare" if number in {1, 2, 17} else b"usual")
            await store.add_job(attrs.evolve(record(number), request=request))
        pages, cursor = [], None
        while True:
            page, cursor = await store.jobs(search="rare", limit=1, cursor=cursor)
            pages.append([job.job_id for job in page])
            if cursor is None:
                break
        assert [job for page in pages for job in page] == ["job-17", "job-2", "job-1"]
        assert [] in pages


async def test_jobs_of_an_older_file_are_found_too(path: Path) -> None:
    """What is searched is made of their requests; one that cannot be read is found by its id."""
    with closing(sqlite3.connect(path, isolation_level=None)) as writer:
        writer.executescript("".join(schema.MIGRATIONS[:4]) + "PRAGMA user_version = 4;")
        for number, request in enumerate((b'{"source": "Gate.mp4", "plugins": [{"name": "people"}]}', b"{")):
            values = (f"job-{number}", "2026", "done", request, b"{}", "")
            names = "job_id, created_at, status, request, state, request_hash"
            writer.execute(f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?, ?, ?)", values)  # noqa: S608 - constants
    async with running(path) as store:
        for search, expected in (("gate people", ["job-0"]), ("job-1", ["job-1"]), ("job", ["job-1", "job-0"])):
            assert [job.job_id for job in (await store.jobs(search=search))[0]] == expected


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "bnVsbA==", "WyJhIiwgIjEiXQ==", "\ud800", "WyJhIiwxXQ", "W10=", "MS41"]
)
async def test_a_cursor_of_somebody_else_is_refused(anywhere: Path | str, cursor: str) -> None:
    """A cursor that this server did not give is an invalid request, not a failure."""
    async with running(anywhere) as store:
        await store.add_job(record(1))
        with pytest.raises(InvalidRequest, match="cursor"):
            await store.jobs(cursor=cursor)


async def test_no_question_makes_a_read_fail(anywhere: Path | str) -> None:
    """Ids that the database cannot hold as text and numbers beyond its integers find nothing, without an error."""
    async with running(anywhere) as store:
        await store.add_job(record(1))
        await store.put_frame("job-1", 0, b"x")
        await store.flush()
        for odd in ("\ud800", "a\0b", "", "x" * 100_000):
            assert await store.job(odd) is None
            assert await store.job_by_key(odd) is None
            assert await store.frames(odd) == []
            assert await store.jobs(status=odd) == ([], None)
        for far in (2**63 - 1, 2**63, 2**80):
            assert await store.frames("job-1", after=far) == []
            assert await store.frames("job-1", after=-far, limit=far) == [(0, b"x")]
            assert await store.frames("job-1", limit=-far) == []
            assert await store.frame("job-1", far) is None
            assert await store.frame("job-1", -far) is None
            assert await store.jobs(limit=-far) == ([], None)


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + bytes(4080)])
async def test_a_file_that_is_no_database_is_refused(path: Path, content: bytes) -> None:
    """The store does not start on a foreign file, says what to do, and leaves the file as it was."""
    await trio.Path(path).write_bytes(content)
    with pytest.raises(DatabaseUnusable, match="move it away"):
        await Store(path).run()
    assert await trio.Path(path).read_bytes() == content


async def test_a_database_of_a_newer_version_is_refused(path: Path) -> None:
    """An older server does not touch what it cannot understand."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(DatabaseUnusable, match="newer"):
        await Store(path).run()


async def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """A path that cannot be opened is an error that names it."""
    with pytest.raises(DatabaseUnusable, match="missing"):
        await Store(tmp_path / "missing" / "kinora.sqlite").run()


async def test_the_file_is_durable_and_versioned(path: Path) -> None:
    """Write-ahead log, full synchronisation and a schema version, as durability needs them."""
    async with running(path) as store:
        assert store._writer is not None
        values = {
            name: store._writer.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout", "user_version")
        }
    full = 2
    assert values == {
        "journal_mode": "wal",
        "synchronous": full,
        "foreign_keys": 0,
        "busy_timeout": 5000,
        "user_version": schema.SCHEMA_VERSION,
    }


async def test_a_long_job_is_deleted_a_little_at_a_time(path: Path) -> None:
    """Deleting returns at once, others write meanwhile, and in the end, even after a restart, no frame is left."""
    frames = 20 * database.SWEEP_FRAMES
    async with running(path) as store:
        for number in (1, 2):
            await store.add_job(record(number))
            for index in range(frames):
                await store.put_frame(f"job-{number}", index, b"frame")
        await store.flush()
        await store.delete_job("job-1")
        assert await store.frame_count("job-1") == 0
        assert count_frames(path) > frames
        await store.save_job(record(2, status="done"))
    async with running(path) as store:
        await until(lambda: count_frames(path) == frames)
        assert await store.frame_count("job-2") == frames
        await until(lambda: not store._garbage)


async def test_what_plugins_printed_goes_with_its_job(anywhere: Path | str) -> None:
    """A log is kept for a job that is there, replaced by the next one, and forgotten with the job."""
    async with running(anywhere) as store:
        await store.save_log("job-1", b"nobody")
        assert await store.log("job-1") is None
        await store.add_job(record(1))
        assert await store.log("job-1") is None
        await store.save_log("job-1", b"first")
        await store.save_log("job-1", b"second")
        assert await store.log("job-1") == b"second"
        await store.delete_job("job-1")
        await store.add_job(record(1))
        assert await store.log("job-1") is None


async def test_a_database_of_an_older_version_is_brought_up_to_date(path: Path) -> None:
    """A database of the first version keeps its jobs and frames and gets the newer tables."""
    with sqlite3.connect(path) as connection:
        connection.executescript(f"{schema.MIGRATIONS[0]} PRAGMA user_version = 1;")
        names = "job_id, created_at, status, request, state, idempotency_key, request_hash, upload"
        old = attrs.astuple(record(1))[: len(names.split())]
        connection.execute(f"INSERT INTO jobs ({names}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)", old)  # noqa: S608 - constants
    connection.close()
    async with running(path) as store:
        assert await store.job("job-1") == record(1)
        await store.save_log("job-1", b"text")
        await store.delete_job("job-1")


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["add", "save", "delete", "put", "put", "flush"]), st.integers(0, 2), st.integers(0, 5)),
    max_size=40,
)


@settings(max_examples=50, deadline=None)
@given(operations=OPERATIONS)
def test_it_behaves_like_a_dictionary(operations: list[tuple[str, int, int]]) -> None:
    """After any sequence of calls, reads return what a plain dictionary would hold."""
    trio.run(_compare_with_model, operations)


async def _compare_with_model(operations: list[tuple[str, int, int]]) -> None:
    jobs: dict[str, JobRecord] = {}
    frames: dict[str, dict[int, bytes]] = {}
    async with running(":memory:") as store:
        for step, (operation, number, index) in enumerate(operations):
            job = attrs.evolve(record(number), state=b"%d" % step)
            match operation:
                case "add" if job.job_id not in jobs:
                    await store.add_job(job)
                    jobs[job.job_id], frames[job.job_id] = job, {}
                case "save":
                    await store.save_job(job)
                    jobs.update({job.job_id: job} if job.job_id in jobs else {})
                case "delete":
                    await store.flush()
                    await store.delete_job(job.job_id)
                    jobs.pop(job.job_id, None)
                    frames.pop(job.job_id, None)
                case "put" if job.job_id in jobs:
                    data = b"%d" % step
                    await store.put_frame(job.job_id, index, data)
                    frames[job.job_id].setdefault(index, data)
                case "flush":
                    await store.flush()
            for job_id, expected in frames.items():
                assert await store.frames(job_id) == sorted(expected.items())
        assert {found.job_id: found for found in (await store.jobs())[0]} == jobs
