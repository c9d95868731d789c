"""JobManager: accepts jobs, runs at most N of them at once, and answers questions about all of them."""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import attrs
import msgspec
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.errors import Conflict, InProgress, InvalidRequest, NotFound, QueueFull, Unavailable, require_plugin
from kinora.actors.jobs.engine import Engine, Needs, Place
from kinora.actors.jobs.job import Job
from kinora.actors.jobs.job_archive import FrameCut, JobArchive, stored_state
from kinora.actors.jobs.job_factory import JobFactory
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.jobs.line import Line
from kinora.actors.jobs.needs import needs_of
from kinora.actors.jobs.queue_shares import has_room
from kinora.actors.jobs.recovery import Recovered, recall, recover
from kinora.actors.messages import PluginStatusPayload, ProgressPayload
from kinora.actors.models import CancelAnswer, JobPage, JobState
from kinora.actors.pictures.annotated_videos import Video
from kinora.actors.pipeline.job_spec import JobSpec
from kinora.actors.requests.job_request import JobRequest
from kinora.actors.requests.standing_job import known_live
from kinora.actors.store.disk_floor import DiskFloor
from kinora.actors.store.event_table import EventPage
from kinora.actors.store.store import JobRecord, Store, StoreFailing
from kinora.actors.store.stored_room import EndedJob
from kinora.actors.times import utc_now
from kinora.media.source_names import without_query
from kinora.runtime.actor import ActorGone

COMMIT_TIMEOUT_S = 0.1
"""The time that the answer to a cancel waits for the store; the job's processes are gone by then."""
UNDO_GRACE_S = 2.0
"""The time for removing a job that could not be acknowledged from the store."""
SETTLE_GRACE_S = 2.0
"""The time for storing a job's end, also if the server is ending."""
DELETE_S = 5.0
"""The time for deleting a few jobs that nobody wants to keep; it passes also if the server is ending."""
SAVE_EVERY_S = 1.0
"""The least time between two times that a running job's state is stored; a kill -9 loses at most what came after."""
RETRY_AFTER_S = 10
"""The time after which a client should try again when the queue is full."""
REPEAT_AFTER_S = 1
"""The time after which a client should repeat a request whose first copy is in progress."""
LOOK_AGAIN_S = 10.0
"""The time after which who waits for a job's end looks again if there is such a job."""
STOP_S = 1.0
"""The time that a stop of the server leaves the jobs to store what their plugins know; what is left is cut off."""
MAX_SUBMITTING = 100
"""The submissions that are checked or wait for that; further ones are refused with QueueFull, see ``has_room``."""

log = structlog.get_logger()
Version = tuple[Hashable, ...]


@attrs.frozen(kw_only=True)
class Submitted:
    """An acknowledged job."""

    state: JobState
    last_event_id: str | None
    """The id of a message before the job's first one: a client that connects with it misses none of the job's."""
    live: bool = False
    """True for a new job on a live stream, whose pictures cannot be read again afterwards."""


@attrs.frozen(kw_only=True)
class QueueStatistics:
    """Figures of the queue."""

    accepted: int
    """The jobs submitted and acknowledged since the start."""
    queued: int
    oldest_s: float
    """The seconds for which the next job to run has waited, on this server; 0 if none waits."""
    max_queued: int
    max_jobs: int


@attrs.define(eq=False)
class _ActiveJob:
    """A job that has not ended, or whose end is not on disk yet."""

    job: Job
    record: JobRecord
    client: Hashable = None
    """Its sender; None if that is not known, as after a restart."""
    entered_at: float = attrs.field(factory=trio.current_time)
    """The time at which it came into the queue, on Trio's clock."""
    stored: trio.Event = attrs.field(factory=trio.Event)
    """Set once its end is on disk or could not be stored."""
    place: Place | None = None
    """The place in which it runs; None while it is queued or paused."""
    has_run: bool = False
    """True once there is a task that runs it, to its end."""
    printed: Mapping[str, str] = attrs.field(factory=dict)
    """The logs that were stored last."""


class JobManager:
    """Owns the queued and running jobs; the archive answers for all others."""

    def __init__(
        self,
        *,
        engine: Engine,
        max_jobs: int,
        max_queued: int,
        disk: DiskFloor,
        store: Store,
        factory: JobFactory,
        archive: JobArchive,
        audience: Audience,
        figures: JobFigures,
    ) -> None:
        self._engine = engine
        engine.on_change = self._look
        self._line = Line()
        self._looks = 0
        """Grows whenever a job may wait for another reason than before."""
        self._max_jobs = max_jobs
        self._max_queued = max_queued
        self._disk = disk
        self._store = store
        self._factory = factory
        self._archive = archive
        self._audience = audience
        self._figures = figures
        self._accepted = 0
        self._active: dict[str, _ActiveJob] = {}
        self._settled = 0
        """Grows whenever the store begins to answer for a job, or has deleted one; see :meth:`version`."""
        self._claims: set[str] = set()
        """The idempotency keys of submissions in progress."""
        self._submitting: Counter[Hashable] = Counter()
        """Client → its submissions that are being checked; each has a place in the queue already."""
        self._resuming: Counter[str] = Counter()
        """Job → the requests to resume it that are in progress."""
        self._going: frozenset[str] = frozenset()
        """The jobs that are being deleted because nobody wants to keep them."""
        self.on_end: Callable[[], None] = lambda: None
        """Called whenever the end of a job is on disk."""
        self._look_due = trio.Event()
        """Set when there may be a place for a job that waits."""
        self._nursery: trio.Nursery | None = None
        self._stopping = trio.Event()

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Recover the jobs of an earlier server, then run jobs until :meth:`stop` or cancelled.

        Then running jobs stay in the store as running, and the next server continues them.
        """
        self._stopping = trio.Event()
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                for recovered in await recover(self._store, self._factory):
                    self._take_up(recovered, nursery)
                nursery.start_soon(self._warn_of_failing_store)
                nursery.start_soon(self._serve_line)
                task_status.started()
                await self._stopping.wait()
                await self._stop_jobs()
                nursery.cancel_scope.cancel(reason="the server stops")
        finally:
            self._nursery = None
            self._active.clear()
            self._line = Line()
            self._settled += 1
            self._archive.close()

    def stop(self) -> None:
        """Have :meth:`run` return soon, with what the plugins know stored."""
        self._stopping.set()

    # Commands

    async def submit(
        self,
        request: JobRequest,
        *,
        upload: Path | None = None,
        idempotency_key: str | None = None,
        client: Hashable = None,
        standing: str | None = None,
    ) -> Submitted:
        """Accept a job; it is on disk when this returns. A known ``idempotency_key`` gives the job of its first use.

        ``client`` says who asks: one that has few jobs finds a place in a queue that others have filled. ``standing``
        is the name of the operator's standing job that it is.

        Raises:
            InvalidRequest, UnsupportedSource, TooLarge: see :meth:`JobFactory.plan`.
            InProgress: another submission with this key is in progress.
            QueueFull: too many jobs wait or are being submitted.
            Unavailable: the disk is full, or the server cannot store anything.
        """
        if idempotency_key is None:
            return await self._submit(request, upload, None, client, standing)
        if idempotency_key in self._claims:
            raise InProgress("A request with this Idempotency-Key is in progress; wait for its answer.", REPEAT_AFTER_S)
        self._claims.add(idempotency_key)
        try:
            return await self._submit(request, upload, idempotency_key, client)
        finally:
            self._claims.discard(idempotency_key)

    async def require_place(self, idempotency_key: str | None, client: Hashable = None) -> None:
        """Check that the queue has a place for a submission of ``client``, before its upload is received.

        Raises:
            QueueFull: it has none, and no job was submitted with this key before.
        """
        if idempotency_key is None or await self._store.job_by_key(idempotency_key) is None:
            self._require_queue(client)

    async def cancel(self, job_id: str) -> CancelAnswer:
        """Cancel a job, and return once all its processes are gone. Has no effect on a job that has ended.

        Raises:
            NotFound: there is no such job.
        """
        active = self._active.get(job_id)
        if active is None:
            state = await self.state(job_id)
            cancelled = state.status == "cancelled"
            return CancelAnswer(job_id=job_id, status=state.status, cancelled=cancelled, cancel_ms=state.cancel_ms)
        self._cancel(active)
        await active.job.ended.wait()
        with trio.move_on_after(COMMIT_TIMEOUT_S):
            await active.stored.wait()
        return active.job.cancel_answer()

    async def pause(self, job_id: str) -> JobState:
        """Pause a job: it takes no new frame, and its place is free for another job; see :meth:`Job.pause`.

        Raises:
            NotFound: there is no such job.
            Conflict: it is neither running nor paused.
        """
        return await self._switch(job_id, self._pause)

    async def resume(self, job_id: str, *, client: Hashable = None) -> JobState:
        """Continue a paused job, at once if a place is free. Otherwise it waits for one; see :meth:`Job.await_place`.

        It waits in one line with the first of the queued jobs, see :class:`~kinora.actors.jobs.line.Line`. If an agent
        keeps its workers, it goes on there, once that agent has a place; after their end, anywhere. An interrupted job
        is queued again, behind all others; the place counts as one of ``client``.

        Raises:
            NotFound: there is no such job.
            Conflict: it is neither running, paused nor interrupted.
            QueueFull, Unavailable: as :meth:`submit`.
        """
        with self._taking_up(job_id):
            if (active := self._active.get(job_id)) is not None and active.job.state().ended:
                with trio.move_on_after(SETTLE_GRACE_S):
                    await active.stored.wait()  # then the store answers for it
            if job_id not in self._active:
                record = await self._archive.record(job_id)
                if record.status == "interrupted":
                    return await self._resume_interrupted(record, client)
            return await self._switch(job_id, self._resume)

    async def delete(self, job_id: str) -> None:
        """Cancel a job unless it has ended, then delete it with its frames and its uploaded file.

        Raises:
            NotFound: there is no such job.
        """
        active = self._active.get(job_id)
        if active is not None:
            self._cancel(active)
            await active.stored.wait()
        record = await self._archive.record(job_id)
        try:
            await self._store.delete_job(job_id)
        finally:
            self._settled += 1  # it may be deleted although the call failed
        self._active.pop(job_id, None)
        await self._forget(job_id, record.upload)

    def may_go(self, job_id: str) -> bool:
        """Return whether a job that has ended may be deleted by itself now: nobody reads it or takes it up again."""
        taken_up = job_id in self._active or self._resuming[job_id] > 0
        return not (taken_up or self._archive.is_read(job_id))

    async def delete_ended(self, jobs: Sequence[EndedJob]) -> frozenset[str]:
        """Delete those of the jobs that may go, in one transaction, as :meth:`delete` does; return their ids.

        A cancellation does not come through for up to ``DELETE_S``, so that clients are told of what is deleted.

        Raises:
            StoreFailing: they could not be deleted, or not in time.
        """
        going = [job for job in jobs if self.may_go(job.job_id)]
        ids = frozenset(job.job_id for job in going)
        self._going |= ids
        try:
            with trio.move_on_after(DELETE_S, shield=True) as limit:
                try:
                    await self._store.delete_job(*ids)
                finally:
                    self._settled += 1  # they may be deleted although the call failed
                for job in going:
                    await self._forget(job.job_id, job.upload)
                    await trio.lowlevel.checkpoint()  # others have their turns: there may be hundreds
        finally:
            self._going -= ids
        if limit.cancelled_caught:
            raise StoreFailing(f"Jobs could not be deleted within {DELETE_S:.0f} s: check the disk of the data folder.")
        await trio.lowlevel.checkpoint()
        return ids

    def pushed_into(self, job_id: str) -> Job | None:
        """Return a job that has not ended, for a client that pushes its pictures; None if there is none."""
        active = self._active.get(job_id)
        return None if active is None or active.job.ended.is_set() else active.job

    # Questions

    async def state(self, job_id: str) -> JobState:
        """Return the current state of a job.

        Raises:
            NotFound: there is no such job.
        """
        active = self._active.get(job_id)
        if active is not None:
            await trio.lowlevel.checkpoint()
            return self._shown(active)
        return await self._archive.state(job_id)

    def version(self, job_id: str | None = None) -> Version:
        """Return a value that differs after each change of what is told about a job, or of the list for None.

        What changes by itself while a job runs, such as ``fps``, is left out.
        """
        active = None if job_id is None else self._active.get(job_id)
        if active is not None and not active.job.queued:
            looks = self._looks if active.job.waits else 0
            return self._settled, looks, active.job.changes, active.job.fingerprint
        if job_id is not None and active is None:
            return (self._settled,)
        return (
            self._settled,
            self._looks,
            *((other.job.changes, other.job.fingerprint) for other in self._active.values()),
        )

    @property
    def busy(self) -> bool:
        """True if there are jobs that have not ended, or whose end is not on disk yet."""
        return bool(self._active)

    def note_read(self, job_id: str) -> None:
        """Note that somebody reads a job's frames, from a copy that was made before."""
        self._archive.note_read(job_id)

    async def jobs(
        self,
        status: str | None,
        limit: int,
        cursor: str | None,
        *,
        id_prefix: str | None = None,
        search: str | None = None,
    ) -> JobPage:
        """Return a page of jobs, newest first: of this status, with ids that begin so, with all words of ``search``.

        Raises:
            InvalidRequest: this server did not give the cursor.
        """
        records, next_cursor = await self._store.jobs(
            status=status, limit=limit, cursor=cursor, id_prefix=id_prefix, search=search
        )
        states = [
            self._shown(self._active[record.job_id]) if record.job_id in self._active else stored_state(record)
            for record in records
        ]
        return JobPage(jobs=tuple(states), next_cursor=next_cursor)

    async def cut(self, job_id: str, after: int | None = None, limit: int | None = None) -> FrameCut:
        """See :meth:`JobArchive.cut`.

        Raises:
            NotFound: there is no such job (any more).
        """
        cut = await self._archive.cut(job_id, after, limit)
        if not cut.first_page and limit != 0:
            await self.state(job_id)  # a job that has just been deleted has no frames either
        return cut

    def cut_pages(self, cut: FrameCut) -> AsyncGenerator[list[tuple[int, bytes]], None]:
        """See :meth:`JobArchive.cut_pages`."""
        return self._archive.cut_pages(cut)

    def frame_pages(self, job_id: str, after: int | None = None) -> AsyncIterator[list[tuple[int, bytes]]]:
        """See :meth:`JobArchive.frame_pages`."""
        return self._archive.frame_pages(job_id, after)

    async def events(
        self,
        job_id: str,
        *,
        after: int = 0,
        limit: int | None = None,
        kind: str | None = None,
        plugin: str | None = None,
    ) -> EventPage:
        """See :meth:`Store.events`.

        Raises:
            NotFound: there is no such job (any more), or it has no such plugin.
        """
        page = await self._archive.events(job_id, after=after, limit=limit, kind=kind, plugin=plugin)
        if not page.events:
            state = await self.state(job_id)  # a job that has just been deleted has no events either
            if plugin is not None:
                require_plugin(plugin, state.plugins)
        return page

    async def picture(self, job_id: str, index: int, *, overlay: bool, client: Hashable = None) -> bytes:
        """Return a frame as JPEG; with ``overlay`` its results are drawn on it, which needs a frame that is done.

        ``client`` says who asks: clients that wait for pictures get them in turn.

        Raises:
            NotFound: there is no such job or frame, or its source is gone.
        """
        active = self._active.get(job_id)
        begun = active is not None and active.job.has_begun(index)
        return await self._archive.still(client, job_id, index, overlay=overlay, begun=begun)

    async def video(self, job_id: str, *, client: Hashable = None) -> Video:
        """See :meth:`JobArchive.video`; ``client`` says who asks, as for :meth:`picture`."""
        return await self._archive.video(client, job_id)

    async def kept_video(self, job_id: str) -> Video | None:
        """See :meth:`JobArchive.kept_video`."""
        return await self._archive.kept_video(job_id)

    def video_progress(self, job_id: str) -> int | None:
        """See :meth:`Videos.progress`."""
        return self._archive.video_progress(job_id)

    async def logs(self, job_id: str) -> dict[str, str]:
        """Return plugin → the end of its output in this job, in the order of the pipeline.

        Raises:
            NotFound: there is no such job.
        """
        active = self._active.get(job_id)
        if active is None:
            return await self._archive.logs(job_id)
        await trio.lowlevel.checkpoint()
        return active.job.logs()

    def standing(self) -> dict[str, tuple[str, JobRequest]]:
        """Return the name of each standing job that has not ended → its id, and what was asked for."""
        specs = (active.job.spec for active in self._active.values() if not active.job.ended.is_set())
        return {spec.standing: (spec.job_id, spec.request) for spec in specs if spec.standing is not None}

    async def check(self, request: JobRequest) -> None:
        """Check a request as far as that opens no source; raise as :meth:`submit`."""
        self._engine.require(needs_of("", request, None, uploaded=False))
        await self._factory.check(request)

    async def wait_ended(self, job_id: str) -> JobState:
        """Wait until a job has ended, and return its state; at most until this actor is started anew.

        Raises:
            NotFound: there is no such job (any more).
        """
        while (active := self._active.get(job_id)) is not None and not active.job.ended.is_set():
            with trio.move_on_after(LOOK_AGAIN_S):
                await active.job.ended.wait()
        return await self.state(job_id)

    async def wait_changed(self, job_id: str, seen: JobState) -> JobState:
        """Wait until a job's state differs from ``seen`` or the job has ended, and return the new state.

        Raises:
            NotFound: there is no such job (any more).
        """
        while (active := self._active.get(job_id)) is not None:
            if active.job.ended.is_set() or active.job.fingerprint != seen.fingerprint:
                break
            await active.job.wait_changed()
        return await self.state(job_id)

    def current(self) -> list[ProgressPayload | PluginStatusPayload]:
        """Return the messages that tell a new client the state of all jobs that have not ended."""
        unended = (active.job for active in self._active.values() if not active.job.ended.is_set())
        return [payload for job in unended for payload in job.current()]

    def watching(self) -> Mapping[str, JobState]:
        """Return source → the state of a job on it that has begun and not ended."""
        begun = (active.job for active in self._active.values() if not active.job.queued)
        states = (job.state() for job in begun if not job.ended.is_set())
        return {state.source: state for state in states}

    def statistics(self) -> QueueStatistics:
        """Return the current figures."""
        queued = self._queued()
        return QueueStatistics(
            accepted=self._accepted,
            queued=len(queued),
            oldest_s=trio.current_time() - self._active[queued[0]].entered_at if queued else 0.0,
            max_queued=self._max_queued,
            max_jobs=self._max_jobs,
        )

    # Internals

    async def _submit(
        self, request: JobRequest, upload: Path | None, key: str | None, client: Hashable, standing: str | None = None
    ) -> Submitted:
        digest = await trio.to_thread.run_sync(_digest, request, upload) if key is not None else ""
        if key is not None and (known := await self._store.job_by_key(key)) is not None:
            return await self._repeat(known, digest, upload)
        self.require_disk()
        self._engine.require(needs_of("", request, None, uploaded=upload is not None))
        with self._place_in_queue(client):
            live = None if standing is None else known_live(request.source)
            plan = await self._factory.plan(request, upload, known=live)
        job_id, created_at = str(uuid.uuid4()), utc_now()
        spec = JobSpec(
            job_id=job_id, created_at=created_at, request=request, uploaded=upload is not None, standing=standing
        )
        job = self._factory.build(spec, plan)
        record = JobRecord(
            job_id=job_id,
            created_at=created_at,
            status="queued",
            request=msgspec.json.encode(request),
            state=msgspec.json.encode(job.state()),
            idempotency_key=key,
            request_hash=digest,
            upload=upload.name if upload is not None else None,
            source=msgspec.json.encode(plan.info),
        )
        self.require_disk()  # it may have filled up while the job was being planned
        active = self._active[job_id] = _ActiveJob(job, record, client)
        try:
            await self._store.add_job(record)
        except BaseException:
            del self._active[job_id]
            with trio.move_on_after(UNDO_GRACE_S, shield=True), suppress(Exception):
                await self._store.delete_job(job_id)  # the row may be on disk, though nobody was told
            self._settled += 1  # it may have been in a list meanwhile
            raise
        self._accepted += 1
        log.info("job accepted", job_id=job_id, source=without_query(request.source), uploaded=spec.uploaded)
        last_event_id = self._audience.last_id
        job.announce()
        self._look()
        return Submitted(state=self._shown(active), last_event_id=last_event_id, live=plan.info.kind == "stream")

    async def _repeat(self, known: JobRecord, digest: str, upload: Path | None) -> Submitted:
        if known.request_hash != digest:
            raise InvalidRequest("This Idempotency-Key was used for another request; use a new one.")
        if upload is not None:
            await trio.Path(upload).unlink(missing_ok=True)  # the job has the same file from the first request
        return Submitted(state=await self.state(known.job_id), last_event_id=self._audience.last_id)

    @contextmanager
    def _place_in_queue(self, client: Hashable) -> Iterator[None]:
        """Keep a place in the queue for a client's submission while it is checked, if there is room.

        No checkpoint may come between the end of the block and the job's entry: the place is free then.
        """
        self._require_queue(client)
        if not has_room(MAX_SUBMITTING, self._submitting, client):
            raise QueueFull("Too many jobs are being submitted at once; try again later.", RETRY_AFTER_S)
        self._submitting[client] += 1
        try:
            yield
        finally:
            self._submitting[client] -= 1
            if not self._submitting[client]:
                del self._submitting[client]

    def _require_queue(self, client: Hashable) -> None:
        waiting = self._submitting + Counter(active.client for active in self._active.values() if active.job.queued)
        if not has_room(self._max_queued, waiting, client):
            raise QueueFull(f"The queue is full with {waiting.total()} jobs; try again later.", RETRY_AFTER_S)

    @contextmanager
    def _taking_up(self, job_id: str) -> Iterator[None]:
        """Keep retention from deleting a job while it is being resumed.

        Raises:
            NotFound: it is being deleted.
        """
        if job_id in self._going:
            raise NotFound(f"There is no job {job_id[:80]} any more: it is being deleted.")
        self._resuming[job_id] += 1
        try:
            yield
        finally:
            self._resuming[job_id] -= 1
            if not self._resuming[job_id]:
                del self._resuming[job_id]

    async def _forget(self, job_id: str, upload: str | None) -> None:
        """Remove what there is of a job whose row is deleted, and tell clients."""
        await self._archive.forget(job_id, upload)
        self._audience.forget(job_id)
        self._audience.publish(ProgressPayload(job_id=job_id, progress=None, stage="deleted"))

    def require_disk(self, size: int = 0) -> None:
        """Check that jobs can be stored, and that ``size`` further bytes leave the disk above its floor.

        Raises:
            Unavailable: they cannot, or do not.
        """
        if self._store.failing:
            raise Unavailable(f"Jobs cannot be stored: {self._store.failing}")
        self._disk.require(size)

    def _queued(self) -> list[str]:
        """Return the ids of the queued jobs; the first is the next to run. Those that lost their agent come first."""
        queued = [(job_id, active.job) for job_id, active in self._active.items() if active.job.queued]
        again = [job_id for job_id, job in queued if job.queued_again]
        return again + [job_id for job_id, job in queued if not job.queued_again] if again else [*dict(queued)]

    def _queue_position(self, job_id: str) -> int | None:
        queued = self._queued()
        return queued.index(job_id) + 1 if job_id in queued else None

    def _shown(self, active: _ActiveJob) -> JobState:
        """Return a job's state with what only the line and the engine know of it."""
        job, job_id = active.job, active.record.job_id
        if not job.waits:
            return job.state()
        return job.state(self._queue_position(job_id), self._engine.waiting_for(job_id))

    def _take_up(self, recovered: Recovered, nursery: trio.Nursery) -> None:
        active = self._active[recovered.job.spec.job_id] = _ActiveJob(recovered.job, recovered.record)
        active.job.announce()
        if recovered.lost is not None:
            active.job.interrupt(recovered.lost)
            nursery.start_soon(self._settle, active)
        elif recovered.record.status == "paused":
            active.job.begin_paused()
            self._run_soon(active, nursery)

    def _look(self) -> None:
        """Have the line served soon."""
        self._looks += 1
        self._look_due.set()

    async def _serve_line(self) -> None:
        """Give places to the jobs that wait, whenever there may be one."""
        while True:
            self._look_due = trio.Event()
            self._serve()
            await self._look_due.wait()

    def _serve(self) -> None:
        while (taken := self._engine.take(self._waiting())) is not None:
            self._line.note_taken(taken.job_id)
            self._place(self._active[taken.job_id], taken.place)

    def _waiting(self) -> list[Needs]:
        """Return the needs of all that wait, in their order."""
        jobs = [self._active[job_id].job for job_id in self._line.order(self._queued())]
        return [job.needs for job in jobs if job.queued or job.paused]

    def _place(self, active: _ActiveJob, place: Place) -> None:
        """Let a job begin or go on in a place."""
        active.place = place
        if active.job.paused:
            active.job.resume(place)
            return
        self._figures.queued.add(trio.current_time() - active.entered_at)
        active.job.begin(place)
        if not active.has_run and self._nursery is not None:
            self._run_soon(active, self._nursery)

    def _leave(self, active: _ActiveJob) -> None:
        """Give back a job's place, or take it out of the line."""
        self._line.leave(active.record.job_id)
        if active.place is not None:
            active.place.give_back()
            active.place = None

    def _note_waiting(self, active: _ActiveJob) -> None:
        """Serve the line anew: a job has lost its place and is queued again, or needs another one than it did."""
        if active.job.queued:
            active.entered_at = trio.current_time()
            self._leave(active)
        self._look()

    def _run_soon(self, active: _ActiveJob, nursery: trio.Nursery) -> None:
        active.has_run = True
        nursery.start_soon(self._run_job, active)

    async def _stop_jobs(self) -> None:
        with trio.move_on_after(STOP_S):
            async with trio.open_nursery() as nursery:
                for active in self._active.values():
                    nursery.start_soon(active.job.stop)

    async def _run_job(self, active: _ActiveJob) -> None:
        """Run a job that has begun to its end, and store that."""
        if self._store.failing:
            active.job.note_store_failing(self._store.failing)
        try:
            async with trio.open_nursery() as nursery:
                active.job.save_soon = partial(self._save_soon, active)
                active.job.on_wait = partial(self._note_waiting, active)
                nursery.start_soon(self._keep_saved, active)  # neither the job nor a cancel waits for the disk
                await active.job.run()
                nursery.cancel_scope.cancel()
        finally:
            self._leave(active)
            if not active.job.state().ended:  # the server stops
                with trio.move_on_after(SETTLE_GRACE_S, shield=True):
                    await self._save_with_logs(active)
        await self._settle(active)

    async def _keep_saved(self, active: _ActiveJob) -> None:
        """Store a job's state and logs after each change, at most once in ``SAVE_EVERY_S``."""
        while True:
            seen = active.job.changes
            await self._save_with_logs(active)
            await trio.sleep(SAVE_EVERY_S)
            while active.job.changes == seen:
                await active.job.wait_changed()
            await self._store.wait_writable()

    def _pause(self, active: _ActiveJob) -> bool:
        if not active.job.pause():
            return False
        self._leave(active)
        return True

    def _resume(self, active: _ActiveJob) -> bool:
        if not active.job.paused or self._nursery is None:
            return active.job.running
        self._line.join(active.record.job_id)
        self._serve()
        if active.job.paused and active.job.await_place():
            self._looks += 1
        return True

    async def _resume_interrupted(self, record: JobRecord, client: Hashable) -> JobState:
        self.require_disk()
        recovered = await recall(attrs.evolve(record, status="queued"), self._store, self._factory)
        self._require_queue(client)
        if record.job_id in self._active:  # two clients at once
            return await self.state(record.job_id)
        active = self._active[record.job_id] = _ActiveJob(recovered.job, recovered.record, client)
        if not await self._save(active):
            del self._active[record.job_id]
            raise Unavailable("The job could not be queued: the server cannot store anything now; try again.")
        active.job.announce()
        self._look()
        return self._shown(active)

    def _cancel(self, active: _ActiveJob) -> None:
        if active.job.cancel() and self._nursery is not None:  # the task that runs a job settles it
            self._nursery.start_soon(self._settle, active)

    async def _settle(self, active: _ActiveJob) -> None:
        """Store a job's end, and forget the job: the store answers for it then. Try again until that works."""
        saved = False
        with trio.move_on_after(SETTLE_GRACE_S, shield=True):  # the server may be ending
            saved = await self._save_with_logs(active)
        active.stored.set()
        while not saved:
            await self._store.wait_writable()
            saved = await self._save(active)
        self._active.pop(active.record.job_id, None)
        self._settled += 1
        self.on_end()

    def _save_soon(self, active: _ActiveJob) -> None:
        self._store.save_job_soon(self._renew_record(active))

    async def _save_with_logs(self, active: _ActiveJob) -> bool:
        """Store a job's logs, then its state; return whether the state is on disk."""
        await self._save_logs(active)
        return await self._save(active)

    async def _save_logs(self, active: _ActiveJob) -> None:
        printed = {plugin: text for plugin, text in active.job.logs().items() if text}
        if printed and printed != active.printed:
            active.printed = printed
            with suppress(StoreFailing, ActorGone):  # logs are not worth another attempt
                await self._store.save_log(active.record.job_id, msgspec.json.encode(printed))

    async def _warn_of_failing_store(self) -> None:
        """Give each active job a warning whenever writing to the disk begins to fail."""
        while True:
            reason = await self._store.wait_failing()
            for active in self._active.values():
                active.job.note_store_failing(reason)
            await self._store.wait_writable()

    def _renew_record(self, active: _ActiveJob) -> JobRecord:
        state = active.job.state()
        ended_at = state.finished_at if state.ended else None
        encoded = msgspec.json.encode(state)
        active.record = attrs.evolve(active.record, status=state.status, state=encoded, ended_at=ended_at)
        return active.record

    async def _save(self, active: _ActiveJob) -> bool:
        try:
            await self._store.save_job(self._renew_record(active))
        except (StoreFailing, ActorGone) as error:
            log.error("a job's state could not be stored", job_id=active.record.job_id, reason=str(error))  # noqa: TRY400
            return False
        return True

    async def _switch(self, job_id: str, how: Callable[[_ActiveJob], bool]) -> JobState:
        active = self._active.get(job_id)
        state = await self.state(job_id)
        if active is None or not how(active):
            raise Conflict(
                f"Job {job_id} is {state.status}; only a running or paused job can be paused and resumed, and an"
                " interrupted one resumed."
            )
        if self._nursery is not None:
            self._nursery.start_soon(self._save, active)  # the next server keeps it paused
        return self._shown(active)


def _digest(request: JobRequest, upload: Path | None) -> str:
    """Return a hash of the request and of the uploaded file, equal for equal requests. Blocks."""
    digest = hashlib.sha256(msgspec.json.encode(request))
    if upload is not None:
        with upload.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
