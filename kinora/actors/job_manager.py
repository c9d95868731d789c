"""JobManager: takes jobs, lets at most N of them run at once, and answers whatever is asked about any of them."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import attrs
import msgspec
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.errors import Conflict, InvalidRequest, QueueFull, Unavailable
from kinora.actors.job import Job
from kinora.actors.job_archive import JobArchive, stored_state
from kinora.actors.job_factory import JobFactory
from kinora.actors.job_request import JobRequest
from kinora.actors.job_spec import JobSpec
from kinora.actors.messages import PluginStatusPayload, ProgressPayload, utc_now
from kinora.actors.models import CancelAnswer, JobPage, JobState
from kinora.actors.recovery import recover
from kinora.actors.store import JobRecord, Store, StoreFailing
from kinora.runtime.actor import ActorGone

COMMIT_TIMEOUT_S = 0.1
"""How long the answer to a cancel waits for the store; everything else of the job is gone by then."""
UNDO_GRACE_S = 2.0
SETTLE_GRACE_S = 2.0
"""For putting the end of a job on disk when the server itself is ending."""
RETRY_AFTER_S = 10
"""What a client is told when the queue is full."""

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class Submitted:
    """An acknowledged job."""

    state: JobState
    last_event_id: str | None
    """The newest message before the job's first one: a client that connects with it misses nothing."""


@attrs.define(eq=False)
class _Live:
    """A job that has not ended, or whose end is not on disk yet."""

    job: Job
    record: JobRecord
    stored: trio.Event = attrs.field(factory=trio.Event)
    """Set once its end is on disk, or could not be put there."""


class JobManager:
    """Keeps the queue: owns the jobs that wait and run, and answers for all others through the archive."""

    def __init__(
        self,
        *,
        max_jobs: int,
        max_queued: int,
        data_dir: Path,
        min_free_bytes: int,
        store: Store,
        factory: JobFactory,
        archive: JobArchive,
        audience: Audience,
    ) -> None:
        self._max_jobs = max_jobs
        self._max_queued = max_queued
        self._data_dir = data_dir
        self._min_free_bytes = min_free_bytes
        self._store = store
        self._factory = factory
        self._archive = archive
        self._audience = audience
        self._live: dict[str, _Live] = {}
        self._claims: set[str] = set()
        """Idempotency keys of submissions that are under way."""
        self._work = trio.lowlevel.ParkingLot()
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Take up what an earlier server has left, then run jobs until cancelled.

        When cancelled, running jobs stay in the store as running, and the next server goes on with them.
        """
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for recovered in await recover(self._store, self._factory):
                    self._live[recovered.job.spec.job_id] = _Live(recovered.job, recovered.record)
                    recovered.job.announce()
                nursery.start_soon(self._tell_of_failing_store)
                for _ in range(self._max_jobs):
                    nursery.start_soon(self._run_jobs)
                task_status.started()
        finally:
            self._nursery = None
            self._live.clear()

    # Commands

    async def submit(
        self, request: JobRequest, *, upload: Path | None = None, idempotency_key: str | None = None
    ) -> Submitted:
        """Take a job; it is on disk when this returns. A known ``idempotency_key`` gives the job it was first used for.

        Raises:
            InvalidRequest, UnsupportedSource, TooLarge: see :meth:`JobFactory.plan`.
            Conflict: another submission with this key is under way.
            QueueFull: too many jobs wait.
            Unavailable: the disk is full, or the server cannot store anything.
        """
        if idempotency_key is None:
            return await self._submit(request, upload, None)
        if idempotency_key in self._claims:
            raise Conflict("A request with this Idempotency-Key is being dealt with; wait for its answer.")
        self._claims.add(idempotency_key)
        try:
            return await self._submit(request, upload, idempotency_key)
        finally:
            self._claims.discard(idempotency_key)

    async def cancel(self, job_id: str) -> CancelAnswer:
        """End a job, and return once every process of it is gone. Asking again is fine.

        Raises:
            NotFound: there is no such job.
        """
        live = self._live.get(job_id)
        if live is None:
            state = await self.state(job_id)
            cancelled = state.status == "cancelled"
            return CancelAnswer(job_id=job_id, status=state.status, cancelled=cancelled, cancel_ms=state.cancel_ms)
        self._cancel(live)
        await live.job.ended.wait()
        with trio.move_on_after(COMMIT_TIMEOUT_S):
            await live.stored.wait()
        return live.job.cancel_answer()

    async def pause(self, job_id: str) -> JobState:
        """Let a job take no new frame; its workers stay.

        Raises:
            NotFound: there is no such job.
            Conflict: it is neither running nor paused.
        """
        return await self._switch(job_id, Job.pause)

    async def resume(self, job_id: str) -> JobState:
        """Let a paused job go on; raises as :meth:`pause`."""
        return await self._switch(job_id, Job.resume)

    async def delete(self, job_id: str) -> None:
        """Cancel a job if need be, then forget it, its frames and its uploaded file.

        Raises:
            NotFound: there is no such job.
        """
        live = self._live.get(job_id)
        if live is not None:
            self._cancel(live)
            await live.stored.wait()
        record = await self._archive.record(job_id)
        await self._store.delete_job(job_id)
        self._live.pop(job_id, None)
        if record.upload is not None:
            await trio.Path(record.upload).unlink(missing_ok=True)
        self._audience.forget(job_id)
        self._audience.publish(ProgressPayload(job_id=job_id, progress=None, stage="deleted"))

    # Questions

    async def state(self, job_id: str) -> JobState:
        """A job as it is now.

        Raises:
            NotFound: there is no such job.
        """
        live = self._live.get(job_id)
        if live is not None:
            await trio.lowlevel.checkpoint()
            return live.job.state(self._queue_position(job_id))
        return await self._archive.state(job_id)

    async def jobs(self, status: str | None, limit: int, cursor: str | None) -> JobPage:
        """A page of jobs, newest first.

        Raises:
            InvalidRequest: the cursor is none of ours.
        """
        records, next_cursor = await self._store.jobs(status=status, limit=limit, cursor=cursor)
        states = [
            self._live[record.job_id].job.state(self._queue_position(record.job_id))
            if record.job_id in self._live
            else stored_state(record)
            for record in records
        ]
        return JobPage(jobs=tuple(states), next_cursor=next_cursor)

    async def frames(self, job_id: str, after: int | None = None, limit: int | None = None) -> list[tuple[int, bytes]]:
        """See :meth:`JobArchive.frames`."""
        if job_id in self._live:  # a poller of a running job need not wait for its record
            return await self._store.frames(job_id, after=after, limit=limit)
        return await self._archive.frames(job_id, after, limit)

    def frame_pages(self, job_id: str, after: int | None = None) -> AsyncIterator[list[tuple[int, bytes]]]:
        """See :meth:`JobArchive.frame_pages`."""
        return self._archive.frame_pages(job_id, after)

    async def picture(self, job_id: str, index: int, *, overlay: bool) -> bytes:
        """Return a frame that the job has begun as JPEG, or one that it has done with what was found drawn on it.

        Raises:
            NotFound: there is no such job or frame, or its source is gone.
        """
        live = self._live.get(job_id)
        begun = live is not None and live.job.has_begun(index)
        return await self._archive.still(job_id, index, overlay=overlay, begun=begun)

    async def video(self, job_id: str) -> BinaryIO:
        """See :meth:`JobArchive.video`."""
        return await self._archive.video(job_id)

    async def logs(self, job_id: str) -> dict[str, str]:
        """Return the end of what each plugin has printed in this job, in the order of the pipeline.

        Raises:
            NotFound: there is no such job.
        """
        live = self._live.get(job_id)
        if live is None:
            return await self._archive.logs(job_id)
        await trio.lowlevel.checkpoint()
        return live.job.logs()

    async def wait_changed(self, job_id: str, seen: JobState) -> JobState:
        """Wait until a job is not as it was seen, or has ended.

        Raises:
            NotFound: there is no such job (any more).
        """
        while (live := self._live.get(job_id)) is not None:
            if live.job.ended.is_set() or live.job.fingerprint != seen.fingerprint:
                break
            await live.job.wait_changed()
        return await self.state(job_id)

    def current(self) -> list[ProgressPayload | PluginStatusPayload]:
        """The state of all jobs that have not ended, as messages for a client that has just come."""
        return [payload for live in self._live.values() for payload in live.job.current()]

    # Its own work

    async def _submit(self, request: JobRequest, upload: Path | None, key: str | None) -> Submitted:
        digest = await trio.to_thread.run_sync(_digest, request, upload) if key is not None else ""
        if key is not None and (known := await self._store.job_by_key(key)) is not None:
            return await self._repeat(known, digest, upload)
        self._require_room()
        plan = await self._factory.plan(request, upload)
        job_id, created_at = str(uuid.uuid4()), utc_now()
        job = self._factory.build(JobSpec(job_id=job_id, created_at=created_at, plan=plan))
        record = JobRecord(
            job_id=job_id,
            created_at=created_at,
            status="queued",
            request=msgspec.json.encode(request),
            state=msgspec.json.encode(job.state()),
            idempotency_key=key,
            request_hash=digest,
            upload=str(upload) if upload is not None else None,
        )
        self._require_room()  # others may have come while this one was being planned
        live = self._live[job_id] = _Live(job, record)
        try:
            await self._store.add_job(record)
        except BaseException:
            del self._live[job_id]
            with trio.move_on_after(UNDO_GRACE_S, shield=True), suppress(Exception):
                await self._store.delete_job(job_id)  # the row may be on disk though nobody was told
            raise
        last_event_id = self._audience.last_id
        job.announce()
        self._work.unpark()
        return Submitted(state=live.job.state(self._queue_position(job_id)), last_event_id=last_event_id)

    async def _repeat(self, known: JobRecord, digest: str, upload: Path | None) -> Submitted:
        if known.request_hash != digest:
            raise InvalidRequest("This Idempotency-Key was used for another request; use a new one.")
        if upload is not None:
            await trio.Path(upload).unlink(missing_ok=True)  # the first one is there already
        return Submitted(state=await self.state(known.job_id), last_event_id=self._audience.last_id)

    def _require_room(self) -> None:
        if len(self._queued()) >= self._max_queued:
            raise QueueFull(f"{self._max_queued} jobs wait already; try again later.", RETRY_AFTER_S)
        if self._store.failing:
            raise Unavailable(f"Jobs cannot be stored: {self._store.failing}")
        free = shutil.disk_usage(self._data_dir).free
        if free < self._min_free_bytes:
            raise Unavailable(f"Only {free // 2**20} MB of disk are free below {self._data_dir}; make room first.")

    def _queued(self) -> list[str]:
        """The ids of the jobs that wait, the next one to run first."""
        return [job_id for job_id, live in self._live.items() if live.job.queued]

    def _queue_position(self, job_id: str) -> int | None:
        queued = self._queued()
        return queued.index(job_id) + 1 if job_id in queued else None

    async def _run_jobs(self) -> None:
        """One of the N places; runs one job after the other."""
        while True:
            queued = self._queued()
            if not queued:
                await self._work.park()
                continue
            live = self._live[queued[0]]
            live.job.begin()
            if self._store.failing:
                live.job.note_store_failing(self._store.failing)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save, live)  # the job, and who cancels it, need not wait for the disk
                await live.job.run()
            if self._nursery is not None:
                self._nursery.start_soon(self._settle, live)

    def _cancel(self, live: _Live) -> None:
        if live.job.cancel() and self._nursery is not None:  # else the place that runs it settles it
            self._nursery.start_soon(self._settle, live)

    async def _settle(self, live: _Live) -> None:
        """Put a job's end on disk; from then on the store answers for it, and memory as long as that fails."""
        saved = False
        with trio.move_on_after(SETTLE_GRACE_S, shield=True):  # the server may be ending
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._save_logs, live)
                saved = await self._save(live)
        live.stored.set()
        while not saved:
            await self._store.wait_writable()
            saved = await self._save(live)
        self._live.pop(live.record.job_id, None)

    async def _save_logs(self, live: _Live) -> None:
        printed = {plugin: text for plugin, text in live.job.logs().items() if text}
        if printed:
            with suppress(StoreFailing, ActorGone):  # worth less than what else there is to do
                await self._store.save_log(live.record.job_id, msgspec.json.encode(printed))

    async def _tell_of_failing_store(self) -> None:
        """Warn whoever watches a job, once for each time that the disk begins to refuse."""
        while True:
            reason = await self._store.wait_failing()
            for live in self._live.values():
                live.job.note_store_failing(reason)
            await self._store.wait_writable()

    async def _save(self, live: _Live) -> bool:
        state = live.job.state()
        live.record = attrs.evolve(live.record, status=state.status, state=msgspec.json.encode(state))
        try:
            await self._store.save_job(live.record)
        except (StoreFailing, ActorGone) as error:
            log.error("a job's state could not be stored", job_id=live.record.job_id, reason=str(error))  # noqa: TRY400
            return False
        return True

    async def _switch(self, job_id: str, how: Callable[[Job], bool]) -> JobState:
        live = self._live.get(job_id)
        state = await self.state(job_id)
        if live is None or not how(live.job):
            raise Conflict(f"Job {job_id} is {state.status}; only a running or paused job can be paused and resumed.")
        return live.job.state()


def _digest(request: JobRequest, upload: Path | None) -> str:
    """What makes a request the same request: its JSON, and the uploaded file's bytes. Blocks."""
    digest = hashlib.sha256(msgspec.json.encode(request))
    if upload is not None:
        with upload.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
