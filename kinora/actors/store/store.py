"""The store: jobs and frames on disk. All SQLite work happens in threads, never on the event loop.

One writer task makes the transactions. Changes of jobs go first and are on disk when the call returns; frames are
written in batches after them. Reads work even while the disk is full or slow.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from time import perf_counter
from typing import TypeVar, TypeVarTuple

import attrs
import structlog
import trio

from kinora.actors.errors import Conflict, Unavailable
from kinora.actors.store import database
from kinora.actors.store.damage_check import find_damage
from kinora.actors.store.database import DatabaseUnusable, JobRecord, Statement
from kinora.actors.store.disk_room import DiskRoom
from kinora.actors.store.event_table import EventPage, events, newest_event, page_of, put_event
from kinora.actors.store.frame_buffer import MAX_WAITING_FRAMES, FrameBuffer, WaitingFrame
from kinora.actors.store.job_events import StoredEvent
from kinora.actors.store.open_files import FilesReplaced, OpenFiles
from kinora.actors.store.store_health import StoreHealth
from kinora.actors.store.stored_room import EndedJob, StoredJobs, StoredRoom, ended_jobs, stored_jobs, stored_room
from kinora.actors.store.token_table import Token, add_token, delete_token, folder_id, note_token_use, tokens
from kinora.runtime.actor import ActorGone
from kinora.runtime.histogram import Histogram

BATCH_WINDOW_S = 0.05
"""The time that a frame may wait for more frames to join its batch; a kill -9 loses at most the frames of this time."""
RETRY_S = 1.0
"""The time between attempts while writing fails."""
CLOSE_GRACE_S = 5.0
"""The time for writing the waiting frames when the store ends."""
WATCH_S = 1.0
"""The time between two looks at the free room and at the files of the database."""
PAGE_EVENTS = 1000
"""The most events in a page. Its size is limited too, by ``EVENT_PAGE_BYTES``; further events are in the next."""
PAGE_FRAMES = 1000
"""The most frames in a page. Its size is limited too, by ``database.PAGE_BYTES``; further frames are in the next."""

log = structlog.get_logger()
_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class StoreFailing(Unavailable):
    """The disk or the database refused a read or a write. Unlike with ActorGone, the store is up."""


@attrs.frozen(kw_only=True)
class StoreStatistics:
    """Figures for metrics."""

    waiting: int
    """The frames that are not on disk yet."""
    peak_waiting: int
    capacity: int
    frames: int
    """The frames written since the start."""
    transactions: int
    failed: int
    """The transactions that have failed, those tried again while the disk cannot be written included."""
    failing: str | None
    oldest_s: float
    """The seconds for which the oldest waiting frame has waited; 0 if none waits."""
    latency: Histogram
    """The time that each transaction took, failed ones included."""
    disk_free: int | None
    """The free bytes of the disk at the last look, at most ``WATCH_S`` ago; None if they are unknown."""
    disk_floor: int


@attrs.define(eq=False)
class Change:
    """A change of a job, or of another table, and its outcome."""

    statement: Statement
    settled: trio.Event = attrs.field(factory=trio.Event)
    in_line: bool = True
    """True until a transaction takes it; until then it can be withdrawn."""
    fault: Exception | None = None

    def settle(self, fault: Exception | None) -> None:
        """Note how it has ended."""
        self.fault = fault
        self.settled.set()

    async def wait(self) -> None:
        """Return once it is on disk.

        Raises:
            StoreFailing, ActorGone: it could not be written; it is not tried again.
            Exception: it is itself at fault.
        """
        await self.settled.wait()
        if self.fault is not None:
            raise self.fault


@attrs.define(eq=False)
class _Reader:
    """A connection for queries, used by one thread at a time; further ones wait their turn."""

    limiter: trio.CapacityLimiter
    connection: sqlite3.Connection | None = None
    """Open while the store runs."""


class Store:
    """Keeps jobs and their frames in the SQLite file ``path``, or in memory for ``":memory:"``.

    Every method raises ActorGone while :meth:`run` does not run. While the disk cannot be written, changes of jobs
    raise StoreFailing. Frames are accepted as long as there is room, and are written once that works; without room,
    ``put_frame`` waits. After a crash of :meth:`run`, ``put_frame`` and ``flush`` wait for the next one, which writes
    the frames that waited.

    ``floor`` is the free disk space, in bytes, that :class:`DiskRoom` watches over. The files ``beside`` must stay the
    ones that are there now, and so must the database: if one is replaced, writing fails.
    """

    def __init__(self, path: Path | str, *, floor: int = 0, beside: Sequence[Path] = ()) -> None:
        self.name = "store"
        self._path = str(path)
        self._files = OpenFiles()
        for file in beside:
            self._files.remember(file)
        self._floor = floor
        self._room = DiskRoom(Path(path).parent, floor)
        self._health = StoreHealth()
        self._writer: sqlite3.Connection | None = None
        self._write_limiter = trio.CapacityLimiter(1)
        self._readers = tuple(
            _Reader(self._write_limiter if self._in_memory else trio.CapacityLimiter(1)) for _ in range(2)
        )
        self._reader, self._page_reader = self._readers
        """All pages but the first of long answers have a reader of their own: other reads are few and short."""
        self._changes: deque[Change] = deque()
        """Bounded by the number of callers, each of which waits for its own change; by that of dying processes: for
        each of them a job is saved once without waiting; and by that of tokens, whose use is noted once a minute."""
        self._frames = FrameBuffer()
        """Reads add these frames to those in the database."""
        self._running = self._stopping = self._flushing = False
        self._crashed = False
        """True from a crash until the store runs again."""
        self._garbage = False
        """True if there may be frames of deleted jobs, or pages to give back to the disk."""
        self._rebuilt = False
        """True once an old file was rebuilt, or that has failed."""
        self._work = trio.lowlevel.ParkingLot()
        self._progress = trio.lowlevel.ParkingLot()
        """The tasks that wait for room or for a flush; woken after each transaction."""
        self._transactions = self._failed = 0
        self._latency = Histogram()

    @property
    def _in_memory(self) -> bool:
        return self._path == database.MEMORY

    @property
    def failing(self) -> str | None:
        """The reason why nothing can be stored now, a sentence for the operator; None while writing works."""
        return self._health.failing

    @property
    def low(self) -> str | None:
        """The reason why the disk has no room for new jobs, as of the last look; None if it has."""
        return self._room.low

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Open the database, report ready, and write until stopped or cancelled; waiting frames are still written then.

        Raises:
            DatabaseUnusable: the database cannot be opened; the text says what to do.
        """
        self._stopping = False
        try:
            await self._open()
            async with trio.open_nursery() as nursery:
                self._running, self._crashed = True, False
                self._health.wake()
                task_status.started()
                if not self._in_memory:
                    nursery.start_soon(self._watch)
                    nursery.start_soon(self._check)
                await self._write_until_stopped()
                nursery.cancel_scope.cancel()
        except Exception:
            self._crashed = True
            raise
        finally:
            self._running = False  # nothing new is accepted from now on
            try:
                await self._close()  # noqa: ASYNC102 - it shields itself
            finally:
                self._abandon()

    def stop(self) -> None:
        """Accept nothing new, write what waits, and let :meth:`run` return."""
        self._stopping = True
        self._running = False
        self._work.unpark_all()

    def statistics(self) -> StoreStatistics:
        """Return the current figures."""
        return StoreStatistics(
            waiting=len(self._frames),
            peak_waiting=self._frames.peak,
            capacity=MAX_WAITING_FRAMES,
            frames=self._frames.written_total,
            transactions=self._transactions,
            failed=self._failed,
            failing=self.failing,
            oldest_s=self._frames.oldest_s,
            latency=self._latency,
            disk_free=self._room.free,
            disk_floor=self._floor,
        )

    async def add_job(self, record: JobRecord) -> None:
        """Store a new job; it is on disk when this returns. If cancelled, it is stored completely or not at all.

        Raises:
            Conflict: its id or its idempotency key is taken.
        """
        try:
            await self.change(database.add_job(record))
        except sqlite3.IntegrityError as error:
            raise Conflict("There is already a job with this Idempotency-Key: use a new key.") from error

    async def save_job(self, record: JobRecord) -> None:
        """Store a job's status, state and upload; they are on disk when this returns. A deleted job stays deleted.

        The change may overtake frames that wait: if the order matters, call :meth:`flush` first.
        """
        await self.change(database.save_job(record))

    def save_job_soon(self, record: JobRecord) -> None:
        """Store a job as :meth:`save_job` does, before all frames that are put after this, without waiting for it.

        Does nothing while :meth:`run` does not run, and is lost if the disk cannot be written: save the job again then.
        """
        self.change_soon(database.save_job(record))

    async def delete_job(self, *job_ids: str) -> None:
        """Delete jobs and their frames, in one transaction; do nothing for a job that is not there."""
        await self.change(*map(database.delete_job, job_ids))
        self._garbage = True
        self._work.unpark_all()

    async def save_log(self, job_id: str, data: bytes) -> None:
        """Store the output of a job's plugins in place of an earlier one; it is on disk when this returns."""
        await self.change(database.save_log(job_id, data))

    async def log(self, job_id: str) -> bytes | None:
        """Return the stored output of the job's plugins; None if there is none."""
        return await self.read(database.log, job_id)

    async def add_token(self, token: Token) -> None:
        """Store a new token; it is on disk when this returns.

        Raises:
            Conflict: its name is taken.
        """
        try:
            await self.change(add_token(token))
        except sqlite3.IntegrityError as error:
            raise Conflict(f"There is already a token called {token.name}: choose another name.") from error

    async def delete_token(self, token_id: str) -> None:
        """Delete a token; do nothing if there is none."""
        await self.change(delete_token(token_id))

    def delete_token_soon(self, token_id: str) -> None:
        """Delete a token without waiting for it; that is lost as with :meth:`save_job_soon`."""
        self.change_soon(delete_token(token_id))

    def note_token_use_soon(self, token_id: str, used_at: str) -> None:
        """Store when a token was used last, without waiting for it; it is lost as with :meth:`save_job_soon`."""
        self.change_soon(note_token_use(token_id, used_at))

    async def tokens(self) -> list[Token]:
        """Return all tokens, the first to be made first."""
        return await self.read(tokens)

    async def folder_id(self) -> str:
        """Return the id of this database, made with it: eight hexadecimal digits."""
        return await self.read(folder_id)

    @property
    def has_room(self) -> bool:
        """True if :meth:`put_frame` would not wait now."""
        return self._running and self._frames.has_room

    async def put_frame(
        self,
        job_id: str,
        index: int,
        data: bytes,
        states: Mapping[str, bytes] | None = None,
        events: Sequence[StoredEvent] = (),
    ) -> None:
        """Accept a frame for the next batch, waiting for room. A checkpoint only if it waits.

        If cancelled, the frame was not accepted.

        Its ``events`` and the plugins' ``states`` after it are written in the same transaction, the states in place of
        all that the job had.
        This works while the disk cannot be written, as long as there is room. A job's frames come in index order. A
        second frame of the same index is ignored, and so is a frame of an unknown job.
        """
        await self._wait_room()
        waited = bool(self._frames)
        self._frames.put(job_id, index, data, states, events)
        self._note_put(waited=waited)

    async def put_events(self, job_id: str, events: Sequence[StoredEvent]) -> None:
        """Accept events that go with no frame, as :meth:`put_frame` accepts a frame; they count as one."""
        await self._wait_room()
        waited = bool(self._frames)
        self._frames.put_events(job_id, events)
        self._note_put(waited=waited)

    async def _wait_room(self) -> None:
        while not self.has_room:
            await self._wait_running()
            if not self._frames.has_room:
                await self._progress.park()

    def _note_put(self, *, waited: bool) -> None:
        if not waited or self._frames.fills_a_batch:
            self._work.unpark_all()

    @property
    def frames_put(self) -> int:
        """The number of frames that were ever accepted."""
        return self._frames.put_total

    async def wait_written(self, number: int) -> None:
        """Wait, without a time limit, until that many of the accepted frames are on disk; this hurries nothing.

        Raises:
            ActorGone: the store was stopped.
        """
        await trio.lowlevel.checkpoint()
        while self._frames.written_total < number:
            await self._wait_running()
            if self._frames.written_total < number:
                await self._progress.park()

    async def flush(self) -> None:
        """Wait, without a time limit, until all frames that were put before are on disk."""
        await trio.lowlevel.checkpoint()
        await self._wait_running()
        target = self._frames.put_total
        while self._frames.written_total < target:
            self._flushing = True
            self._work.unpark_all()
            await self._progress.park()
            if self._frames.written_total < target and self._writer is None:
                await self._wait_running()

    async def states(self, job_id: str) -> tuple[int, dict[str, bytes]] | None:
        """Return the newest marked frame, and plugin → its state after it, unwritten ones included; None for none."""
        waiting = self._frames.states_of(job_id)
        if waiting is not None:
            return waiting.index, dict(waiting.states)
        return await self._query(self._page_reader, database.states, job_id)

    async def wait_failing(self) -> str:
        """Wait until writing fails, and return the reason."""
        while not self.failing:
            await self._health.wait_changed()
        return self.failing

    async def wait_writable(self) -> None:
        """Wait until writing works, by the last attempt."""
        while self.failing or not self._running:
            await self._health.wait_changed()

    async def job(self, job_id: str) -> JobRecord | None:
        """Return the job of this id; None if there is none."""
        return await self.read(database.job, job_id)

    async def job_by_key(self, key: str) -> JobRecord | None:
        """Return the job that was submitted with this idempotency key; None if there is none."""
        return await self.read(database.job_by_key, key)

    async def uploads(self) -> list[str]:
        """Return the uploaded files of all jobs."""
        return await self.read(database.uploads)

    async def jobs(
        self,
        *,
        status: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        id_prefix: str | None = None,
        search: str | None = None,
    ) -> tuple[list[JobRecord], str | None]:
        """Return a page of jobs, newest first, and the cursor of the next page; see :func:`database.jobs`.

        Raises:
            InvalidRequest: this server did not give the cursor.
        """
        return await self.read(database.jobs, status, limit, cursor, id_prefix, search)

    async def ended_jobs(self, after: EndedJob | None, statuses: Collection[str], limit: int) -> list[EndedJob]:
        """Return the jobs that ended after that one, the first to end first; see :func:`stored_room.ended_jobs`."""
        return await self._query(self._page_reader, ended_jobs, after, statuses, limit)

    async def room(self) -> StoredRoom:
        """Return what the database takes."""
        return await self._query(self._page_reader, stored_room)

    async def counted(self) -> StoredJobs:
        """Return the stored jobs in figures."""
        return await self._query(self._page_reader, stored_jobs)

    async def frames(
        self, job_id: str, *, after: int | None = None, last: int = database.LARGEST, limit: int | None = None
    ) -> list[tuple[int, bytes]]:
        """Return a page of a job's frames, unwritten ones included: each with its index, in index order.

        They have indexes above ``after``, up to and including ``last``, and are at most ``limit``. There is at least
        one if there is any; see ``PAGE_FRAMES`` for what a page holds.
        """
        return await self._page(self._reader, job_id, -1 if after is None else after, last, limit)

    async def newest_and_page(
        self, job_id: str, *, after: int, limit: int | None = None
    ) -> tuple[int, list[tuple[int, bytes]]]:
        """Return the job's newest index, and its first page above ``after`` up to that index.

        The index is ``after`` if the job has none above it. Costs no more than :meth:`frames` alone.
        """
        limit = _page_limit(limit)
        waiting = self._frames.of(job_id)  # before the query: see _page
        stored, found = await self._query(self._reader, database.newest_and_frames, job_id, after, limit)
        newest = max((after, *waiting, *(() if stored is None else (stored,))))
        found = {index: data for index, data in waiting.items() if index > after} | found
        return newest, list(database.until_full(sorted(found.items())[:limit]))

    async def pages(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, job_id: str, *, after: int, last: int, limit: int | None = None
    ) -> AsyncGenerator[list[tuple[int, bytes]], None]:
        """Yield the pages of all frames above ``after``, up to and including ``last``, and at most ``limit``.

        Other reads do not wait for these.
        """
        while page := await self._page(self._page_reader, job_id, after, last, limit):
            after = page[-1][0]
            limit = None if limit is None else limit - len(page)
            yield page

    async def _page(
        self, reader: _Reader, job_id: str, after: int, last: int, limit: int | None
    ) -> list[tuple[int, bytes]]:
        limit = _page_limit(limit)
        # In this order: a frame that leaves the waiting ones after this line is on disk before the query.
        waiting = {index: data for index, data in self._frames.of(job_id).items() if after < index <= last}
        found = waiting | await self._query(reader, database.frames, job_id, after, last, limit)
        return list(database.until_full(sorted(found.items())[:limit]))

    async def frame(self, job_id: str, index: int) -> bytes | None:
        """Return one frame; None if it is not there (yet)."""
        return dict(await self.frames(job_id, after=index - 1, last=index)).get(index)

    async def frame_count(self, job_id: str, *, before: int = database.LARGEST) -> int:
        """Return the number of the job's frames with an index below ``before``, unwritten ones included."""
        waiting = [index for index in self._frames.of(job_id) if index < before]
        stored = await self.read(database.frame_count, job_id, min(waiting, default=before))
        return stored + len(waiting)

    async def last_index(self, job_id: str) -> int | None:
        """Return the highest index among the job's frames, unwritten ones included; None if it has none."""
        waiting = self._frames.of(job_id)
        stored = await self.read(database.last_index, job_id)
        return max((*waiting, *(() if stored is None else (stored,))), default=None)

    async def newest_event(self, job_id: str) -> int:
        """Return the number of the job's last event, unwritten ones included; 0 if it has none."""
        waiting = [event.number for event in self._frames.events_of(job_id)]
        return max(await self.read(newest_event, job_id), *waiting, 0)

    async def events(
        self,
        job_id: str,
        *,
        after: int = 0,
        limit: int | None = None,
        kind: str | None = None,
        plugin: str | None = None,
    ) -> EventPage:
        """Return a page of a job's events, unwritten ones included, in the order of their numbers.

        They have numbers above ``after``, are of this kind and plugin, if given, and are at most ``limit``. There is at
        least one if there is any; see ``PAGE_EVENTS`` and ``EVENT_PAGE_BYTES`` for what a page holds.
        """
        limit = PAGE_EVENTS if limit is None else max(0, min(limit, PAGE_EVENTS))
        # In this order: an event that leaves the waiting ones after this line is on disk before the query.
        waiting = self._frames.events_of(job_id)
        stored = await self._query(self._page_reader, events, job_id, after, limit, kind, plugin)
        if stored.next is not None:
            return stored
        newest = stored.events[-1].number if stored.events else after
        more = (event for event in waiting if event.number > newest and event.suits(kind, plugin))
        return page_of(chain(stored.events, more), limit)

    async def read(self, query: Callable[[sqlite3.Connection, *_Ts], _T], *args: *_Ts) -> _T:
        """Return what a short query finds in any table."""
        return await self._query(self._reader, query, *args)

    async def _query(self, reader: _Reader, query: Callable[[sqlite3.Connection, *_Ts], _T], *args: *_Ts) -> _T:
        self._require_running()
        assert reader.connection is not None  # noqa: S101 - it is open while the store runs
        try:
            return await trio.to_thread.run_sync(query, reader.connection, *args, limiter=reader.limiter)
        except sqlite3.Error as error:
            self._require_running()  # the connection was closed while the query waited for its turn
            raise StoreFailing(self._note_misread(error)) from error

    async def change(self, *statements: Statement) -> None:
        """Have changes of any table written; they are on disk when this returns.

        They are in one transaction unless one of them fails.
        """
        self._require_running()
        changes = [Change(statement) for statement in statements]
        self._changes.extend(changes)
        self._work.unpark_all()
        try:
            for change in changes:
                await change.settled.wait()
        except BaseException:
            for change in changes:
                if change.in_line:
                    self._changes.remove(change)
            raise
        for change in changes:
            if change.fault is not None:
                raise change.fault

    def change_soon(self, statement: Statement) -> Change:
        """Have a change of any table written in one of the next transactions, before all that comes after this call.

        It is lost if the disk cannot be written. The caller limits how many wait.
        """
        change = Change(statement)
        if self._running:
            self._changes.append(change)
            self._work.unpark_all()
        else:
            change.settle(ActorGone("the store does not run"))
        return change

    async def _write_until_stopped(self) -> None:
        while not self._stopping:
            await self._wait_for_work()
            await self._commit()
            await self._sweep()

    async def _wait_for_work(self) -> None:
        """Wait until a transaction is due: for urgent work, for frames that have waited, or for another attempt."""
        while not (self._urgent() or self._frames or self.failing or self._garbage):
            await self._work.park()
        with trio.move_on_after(self._pause_s()):
            while not self._urgent():
                await self._work.park()

    def _pause_s(self) -> float:
        if self._health.fault:
            return RETRY_S
        if self._garbage:
            return 0
        return RETRY_S if self.failing else BATCH_WINDOW_S

    def _urgent(self) -> bool:
        due = self._flushing or self._frames.fills_a_batch
        return bool(self._stopping or self._changes or (due and not self.failing))

    async def _commit(self) -> bool:
        """Write all changes and a batch of frames in one transaction. Return whether it worked."""
        self._flushing = False
        changes, frames = list(self._changes), self._batch()
        statements = [change.statement for change in changes]
        for frame in frames:
            if frame.data is not None:
                statements.append(database.put_frame(frame.job_id, frame.index, frame.data))
            statements += chain.from_iterable(put_event(frame.job_id, event) for event in frame.events)
        states = self._frames.states_with(frames) if frames else []
        for marked in states:
            statements += database.put_states(marked.job_id, marked.index, marked.states)
        if self._health.fault and not statements:
            statements = [database.TOUCH]
        if not statements:
            return True
        for change in changes:
            change.in_line = False
        try:
            faults = await self._in_thread(self._write_timed, statements)
        except (sqlite3.Error, FilesReplaced) as error:
            self._failed += 1
            self._settle(changes, await self._after_failure(changes, error))
            return False
        self._health.note_fault(None)
        self._transactions += 1
        self._frames.drop(frames)
        self._frames.drop_states(states)
        self._settle(changes, faults[: len(changes)])
        return True

    async def _in_thread(self, work: Callable[[*_Ts], _T], *args: *_Ts) -> _T:
        """Do what needs the writer's connection in a thread."""
        return await trio.to_thread.run_sync(work, *args, limiter=self._write_limiter)

    def _write_timed(self, statements: Sequence[Statement]) -> list[Exception | None]:
        """Write as :meth:`_write` does, and count the time. Blocks."""
        began = perf_counter()
        try:
            return self._write(statements)
        finally:
            self._latency.add(perf_counter() - began)

    def _write(self, statements: Sequence[Statement]) -> list[Exception | None]:
        """Write in one transaction, and see that it went into the files that the next server will find. Blocks."""
        assert self._writer is not None  # noqa: S101 - this runs between opening and closing
        if self._health.damage:
            raise sqlite3.DatabaseError("nothing is written to a damaged database")
        faults = database.write(self._writer, statements)
        self._files.check()
        return faults

    async def _after_failure(
        self, changes: Sequence[Change], error: sqlite3.Error | FilesReplaced
    ) -> list[Exception | None]:
        """Note a failed transaction, and return how its changes ended. Deletions are tried again with the reserve."""
        reason = self._note_failure(error)
        outcomes: list[Exception | None] = [StoreFailing(reason) for _ in changes]
        freeing = [number for number, change in enumerate(changes) if change.statement.frees]
        if freeing and database.may_be_full(error) and await self._in_thread(self._give_up_reserve):
            self._health.note_short(self._room.short)
            with suppress(sqlite3.Error, FilesReplaced):
                faults = await self._in_thread(self._write, [changes[number].statement for number in freeing])
                for number, fault in zip(freeing, faults, strict=True):
                    outcomes[number] = fault
        return outcomes

    async def _sweep(self) -> None:
        """Remove what deleted jobs left: little at a time, so that nothing waits long behind it."""
        if not self._garbage or self._stopping or self._health.damage:
            return
        try:
            self._garbage = await self._in_thread(self._sweep_some)
        except sqlite3.Error as error:
            self._note_failure(error)
            if database.may_be_full(error) and await self._in_thread(self._give_up_reserve):
                self._health.note_short(self._room.short)
            return
        if not self._garbage and not self._rebuilt:
            await self._in_thread(self._rebuild)

    def _sweep_some(self) -> bool:
        """Take a step of the sweep, and return whether there are more. Blocks."""
        assert self._writer is not None  # noqa: S101 - this runs between opening and closing
        more = database.sweep(self._writer)
        if self._room.short:
            database.begin_log_anew(self._writer)  # it must not grow
        return more

    def _give_up_reserve(self) -> bool:
        """Make room for what frees room; return whether there is some now. Blocks."""
        assert self._writer is not None  # noqa: S101 - this runs between opening and closing
        if not self._room.give_up_reserve():
            return False
        database.begin_log_anew(self._writer)
        return True

    def _rebuild(self) -> None:
        """Rebuild a file that cannot shrink, if that is worth it and there is room. Blocks."""
        assert self._writer is not None  # noqa: S101 - this runs between opening and closing
        needs = database.rebuild_needs(self._writer)
        if needs is None or not self._room.has(needs):
            return
        self._rebuilt = True
        try:
            database.rebuild(self._writer)
        except sqlite3.Error as error:
            log.warning("the database could not be made smaller", path=self._path, reason=str(error))

    async def _watch(self) -> None:
        """Look at the disk again and again."""
        limiter = trio.CapacityLimiter(1)
        while True:
            try:
                await trio.to_thread.run_sync(self._files.check, limiter=limiter)
            except FilesReplaced as error:  # looked at first: a folder that is gone has no room either
                self._note_failure(error)
                self._work.unpark_all()
            await trio.to_thread.run_sync(self._room.look, limiter=limiter)
            self._health.note_short(self._room.short)
            await trio.sleep(WATCH_S)

    async def _check(self) -> None:
        """Look for damage in the whole file, beside all other work."""
        try:
            damage = await find_damage(self._path)
        except sqlite3.Error as error:
            self._note_misread(error)
        else:
            if damage is not None:
                self._note_damage(damage)

    def _batch(self) -> list[WaitingFrame]:
        """Return the frames to write next: none while the disk is short of room, unless the store ends."""
        return [] if self._room.short and self._running else self._frames.batch()

    def _settle(self, changes: Sequence[Change], faults: Sequence[Exception | None]) -> None:
        for change, fault in zip(changes, faults, strict=True):
            self._changes.popleft()
            change.settle(fault)
        self._progress.unpark_all()

    async def _open(self) -> None:
        self._health.begin()
        try:
            await self._in_thread(self._open_writer)
            for reader in self._readers:
                opened = self._writer if self._in_memory else await self._in_thread(database.open_reader, self._path)
                reader.connection = opened
            assert self._writer is not None  # noqa: S101 - it was opened above
            self._garbage = await self._in_thread(database.has_garbage, self._writer)  # left by the last server
        except FilesReplaced as error:
            raise DatabaseUnusable(str(error)) from error
        except sqlite3.Error as error:
            raise database.unusable(self._path, error) from error
        if not self._in_memory:
            self._files.remember(self._log_path)
            await self._in_thread(self._room.reserve)

    def _open_writer(self) -> None:
        """Open the writer, on the same file as the last time. Blocks."""
        self._files.forget(self._log_path)  # SQLite removes it when it closes the file
        self._files.check()
        self._writer = database.open_writer(self._path)
        if not self._in_memory:
            self._files.remember(Path(self._path))

    @property
    def _log_path(self) -> Path:
        """The write-ahead log, which holds what the last transactions have written."""
        return Path(f"{self._path}-wal")

    async def _close(self) -> None:
        """Write what waits, within the grace period, and close both connections in any case."""
        try:
            with trio.move_on_after(CLOSE_GRACE_S, shield=True):
                await self._write_rest()
        finally:
            with trio.CancelScope(shield=True):  # closing waits for no lock, only for the calls that are in SQLite now
                await self._close_connections()

    async def _write_rest(self) -> None:
        if self._writer is None:
            return
        while (self._changes or self._frames) and await self._commit():
            pass
        await trio.to_thread.run_sync(database.checkpoint, self._writer, limiter=self._write_limiter)

    async def _close_connections(self) -> None:
        for reader in self._readers:
            if reader.connection is not None and reader.connection is not self._writer:
                await trio.to_thread.run_sync(reader.connection.close, limiter=reader.limiter)
        if self._writer is not None:
            await trio.to_thread.run_sync(self._writer.close, limiter=self._write_limiter)

    def _abandon(self) -> None:
        """Wake all waiting tasks. Changes get ActorGone; frames that could not be written stay for the next run."""
        self._writer = self._reader.connection = self._page_reader.connection = None
        for change in self._changes:
            change.in_line = False
            change.settle(ActorGone("the store has ended"))
        self._changes.clear()
        self._progress.unpark_all()
        self._health.wake()

    def _require_running(self) -> None:
        if not self._running:
            raise ActorGone("the store does not run")

    async def _wait_running(self) -> None:
        """Wait while the store is down after a crash: its supervisor starts it again, or stops everything.

        Raises:
            ActorGone: it was stopped, or has not run yet.
        """
        while self._crashed:
            await self._health.wait_changed()
        self._require_running()

    def _note_failure(self, error: sqlite3.Error | FilesReplaced) -> str:
        """Note why a write failed, and return the reason."""
        if database.is_damage(error):
            self._note_damage(str(error))
        elif isinstance(error, FilesReplaced):
            self._health.note_fault(str(error))
        elif not self._health.damage:
            place = f"check that the disk of {self._path} has room and can be written"
            self._health.note_fault(f"Jobs cannot be stored ({error}): {place}")
        return self._health.failing or str(error)

    def _note_misread(self, error: sqlite3.Error) -> str:
        """Note why a read failed if the database is damaged, and return the reason."""
        if not database.is_damage(error):
            return f"Jobs cannot be read ({error}): check the disk of {self._path}"
        self._note_damage(str(error))
        return self._health.failing or str(error)

    def _note_damage(self, damage: str) -> None:
        what_to_do = "stop the server, and put a copy in its place or move it away"
        self._health.note_damage(f"The database {self._path} is damaged ({damage}): {what_to_do}")
        self._work.unpark_all()


def _page_limit(limit: int | None) -> int:
    return PAGE_FRAMES if limit is None else max(0, min(limit, PAGE_FRAMES))


__all__ = ["DatabaseUnusable", "JobRecord", "Store", "StoreFailing", "StoreStatistics"]
