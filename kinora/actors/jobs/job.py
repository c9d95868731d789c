"""Job: one source and its plugins, from the queue to the one and only ``complete``.

The Job decides, stores and publishes; its Pipeline does the work. ``pipeline_link`` has all that joins the two.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain, filterfalse
from typing import Any, Literal, Protocol

import attrs
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.errors import KinoraError
from kinora.actors.found_events import FoundEvent
from kinora.actors.frames.moments import moment_of
from kinora.actors.jobs.catching_up import caught_up, to_go_on
from kinora.actors.jobs.engine import Needs, Place
from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.jobs.needs import needs_of
from kinora.actors.jobs.told_results import ToldResults
from kinora.actors.jobs.whereabouts import HERE, Whereabouts
from kinora.actors.messages import (
    Code,
    CompletePayload,
    ErrorPayload,
    EventPayload,
    FrameImage,
    FramePayload,
    Payload,
    PluginStatusPayload,
    ProgressPayload,
    Stage,
)
from kinora.actors.models import ENDED, CancelAnswer, Fingerprint, JobState, JobStatus, Outage, when_ended
from kinora.actors.pipeline.job_spec import JobPlan, JobSpec, Past, ResumePoint
from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    AnyPipeline,
    CommandQueue,
    Event,
    FrameDone,
    LastEvent,
    Pause,
    PipelineEnded,
    PipelineLost,
    PipelineState,
    Prepared,
    Resume,
    StageIs,
    StatesSaved,
    Stop,
    Watch,
)
from kinora.actors.pipeline.work_order import WorkOrder, for_pipelines, state_left
from kinora.actors.sources.outages import newest
from kinora.actors.sources.push_inlet import PushInlet
from kinora.actors.stages.job_trace import JobTrace, NoTrace
from kinora.actors.stages.warnings import WarningLog, kept_by_pipeline
from kinora.actors.store.job_events import MAX_JOB_EVENTS, JobEvents, to_store
from kinora.actors.store.store import Store
from kinora.actors.times import utc_now
from kinora.media.source_names import without_query, without_query_of
from kinora.plugins.api import Severity
from kinora.plugins.devices import CPU, Resolution
from kinora.runtime.actor import ActorGone

log = structlog.get_logger()

PROGRESS_BEFORE_DONE = 99
"""The highest progress of a job that is not done. It is done after ``finalize``, with all its frames stored."""
PAUSED_KEEP_S = 600.0
"""The time for which a paused job's workers stay, unless the operator sets another."""
NOTHING = PipelineState(stages={}, device=Resolution(CPU), timings=None, logs={})
"""The state of a job whose work is not found yet, until it takes over that of an earlier server."""
MAX_MOVES = 3
"""The times that a job goes on after it has lost its agent; with the next loss it fails."""
CRASHED = "An internal error stopped the job; the server's log has the details."


class PipelinesHere(Protocol):
    """The :class:`~kinora.actors.pipeline.pipeline_maker.JobPipelines` of a job, as the Job sees them."""

    def state(self) -> PipelineState:
        """Return what is shown before the first attempt."""

    def make(self, order: WorkOrder) -> AnyPipeline:
        """Make the pipeline of an attempt in this server."""


@attrs.frozen
class Work:
    """A plan, the order for the first attempt, and what makes the pipelines of attempts in this server."""

    plan: JobPlan
    order: WorkOrder
    here: PipelinesHere
    tells_device: bool = True
    """True if the Job tells when the device is not the one that was asked for; else the place where it runs does."""


@attrs.define
class _Found:
    """The detections so far, and the first frame with the most of them."""

    detections: int = 0
    picture: int | None = None
    _most: int = -1

    def add(self, frame: FrameDone) -> None:
        self.detections += frame.found
        if frame.found > self._most:
            self.picture, self._most = frame.index, frame.found


class CannotGoOn(Exception):
    """A job of an earlier server cannot be taken up; the text is a sentence that says why."""


class Job:
    """One job: its state, and the commands to it.

    ``work`` is that of a new job. A job that an earlier server has left has none: ``find_work`` is called when its turn
    comes, and raises KinoraError if the job cannot go on. The workers of a job that is paused for more than
    ``paused_keep_s`` seconds end. ``figures`` are those of all jobs, in which it counts; None counts nowhere.
    ``trace`` is told how it goes. If the server ``keeps_clips`` of its source, it runs here.
    """

    inlet: PushInlet | None = None
    """Where clients push its pictures in; its maker sets it. None if its source is another."""
    _stopping = False
    """True once the server stops: the job is parked as well, and goes on at the next server."""
    _parked = False
    """True while the job has no pipeline: the last one has ended or does, and the next begins when the job goes on."""
    _pipeline: AnyPipeline | None = None
    """The pipeline that runs or has run last, if that is here."""
    _dropped_before = 0
    """The number of frames that earlier pipelines dropped."""
    _outages_before: tuple[Outage, ...] = ()
    """The newest outages in earlier pipelines."""
    _ran_before_s = 0.0
    """The time for which earlier servers ran the job."""
    _last_frame: bytes | None = None
    """The newest frame of this server, as JSON."""
    _seen_at = 0
    """The number of frames that were done when the pipeline told its newest state."""

    def __init__(
        self,
        spec: JobSpec,
        *,
        work: Work | None = None,
        find_work: Callable[[], Awaitable[Work]] | None = None,
        store: Store,
        audience: Audience,
        paused_keep_s: float = PAUSED_KEEP_S,
        figures: JobFigures | None = None,
        trace: JobTrace | None = None,
        keeps_clips: bool = False,
    ) -> None:
        self.spec = spec
        self._request = spec.as_asked()
        self.ended = trio.Event()
        """Set when the job has ended and all its processes are gone."""
        self._work = work
        self._where = Whereabouts(_needs(spec, work, keeps_clips=keeps_clips))
        self._find_work = find_work
        self._paused_keep_s = paused_keep_s
        self._figures = figures or JobFigures()
        self._trace = trace or NoTrace()
        self._store = store
        self._audience = audience
        self._commands = CommandQueue()
        self._warnings = WarningLog(spec.job_id)
        """The Job's own warnings; the pipeline publishes its own."""
        self._seen = NOTHING if work is None else work.here.state()
        """The newest state from the pipeline."""
        self._statuses: dict[str, PluginStatusPayload] = {}
        """Plugin → the newest status that was published."""
        self._told = ToldResults()
        self._events = JobEvents(spec.job_id, spec.resumed.events)
        self._status: JobStatus = "queued"  # its end is decided once: see _decide
        self._stage: Stage = "queued"
        self._error: str | None = None
        self._frames_done = spec.resumed.frames
        self._found = _Found()
        self._newest_index = -1
        self._next_index = spec.resumed.start
        """The index after the last frame that was stored."""
        self._started_at: str | None = None
        self._finished_at: str | None = None
        self._began: float | None = None
        self._finished: float | None = None
        self._asked_to_cancel: float | None = None
        self._cancel_ms: float | None = None
        self._stuck: tuple[int, ...] = ()
        self._waiting = trio.CancelScope()
        """The scope of the current wait for the store or for the work; a cancel ends it."""
        # set, and replaced by new ones, at each change of the state, and when the job is paused or goes on
        self._changed, self._switched = trio.Event(), trio.Event()
        self.save_soon: Callable[[], None] = lambda: None
        """Stores the job's state before all frames that are stored after this; does not wait. Its owner sets it."""
        self.on_wait: Callable[[], None] = lambda: None
        """Called when it is queued again, and when it needs another place than it did. Its owner sets it."""
        self.changes = 0
        """The number of changes of its state so far."""
        if spec.past is not None:
            self._take_over(spec.past)

    def _take_over(self, past: Past) -> None:
        """Go on with the figures of an earlier server."""
        state = past.state
        self._started_at = state.started_at
        self._ran_before_s = (state.duration_ms or 0.0) / 1000
        self._dropped_before, self._outages_before = state.frames_dropped, state.outages
        self._found = _Found(state.detections, state.picture)
        self._warnings.restore(filterfalse(kept_by_pipeline, state.warning_groups))
        if self._work is None:
            self._seen = state_left(for_pipelines(state), past.logs)

    # Commands

    @property
    def queued(self) -> bool:
        """True while the job waits for its turn."""
        return self._status == "queued"

    @property
    def queued_again(self) -> bool:
        """True if that is after the loss of an agent: the job is ahead of those that have not begun."""
        return self.queued and self._where.attempt > 0

    @property
    def waits(self) -> bool:
        """True while the job waits for a place, to begin or to go on."""
        return self._stage == "queued" and self._status not in ENDED

    @property
    def needs(self) -> Needs:
        """What it needs of its next place."""
        return self._where.needs

    @property
    def paused(self) -> bool:
        """True from a pause until the job goes on, also while it waits for a place."""
        return self._status == "paused"

    @property
    def running(self) -> bool:
        """True while the job has begun, has not ended and is not paused."""
        return self._status == "running"

    def announce(self) -> None:
        """Tell the clients that the job waits: its first message."""
        self._enter("queued")
        if self._work is not None:
            self._warn_of_fallback(self._work)

    def begin(self, place: Place = HERE) -> None:
        """Mark the job as running; :meth:`run` follows, or goes on if the job was queued again."""
        self._status, self._where.place = "running", place
        self._started_at = self._started_at or utc_now()
        if self._began is None:
            self._began = trio.current_time()
        self._enter("preparing")

    def interrupt(self, reason: str) -> None:
        """End a job that has not begun as interrupted, which is told: no server takes it up without being asked to."""
        self._end_with(reason, "interrupted")
        self._conclude()

    def begin_paused(self) -> None:
        """Mark the job as paused, without workers, as an earlier server left it; :meth:`run` follows."""
        self._status = "paused"
        self._started_at = self._started_at or utc_now()
        self._parked = True
        self._enter("paused")

    async def run(self) -> None:
        """Run the job to its end. Errors end it as failed; only a cancellation from outside is raised.

        After such a cancellation the job stays in the store as running, and the next server continues it.
        """
        with structlog.contextvars.bound_contextvars(job_id=self.spec.job_id):
            request = self.spec.request
            self._trace.begin()
            log.info(
                "job started",
                source=without_query(request.source),
                plugins=[plugin.name for plugin in request.plugins],
            )
            try:
                await self._finish(await self._carry_out())
            except* CannotGoOn as group:
                self._end_with(str(group.exceptions[0]), "interrupted")
            except* Exception:
                log.exception("a job crashed")
                self._fail(CRASHED)
            finally:
                if self._status in ENDED:
                    self._conclude()
                elif self._pipeline is not None:
                    self._seen = self._pipeline.state()  # the server stops: there was no last event
                self._trace.end(status=self._status, frames=self._frames_done, error=self._error_to_log)
                self.ended.set()

    def cancel(self) -> bool:
        """Ask the job to end; :attr:`ended` is set when it has. Return True if it had not begun: it has ended now."""
        if self._status in ENDED or self._asked_to_cancel is not None:
            return False
        self._asked_to_cancel = trio.current_time()
        if self.queued and not self.queued_again:
            self._decide("cancelled")
            self._conclude()
            self.ended.set()
            return True
        self._commands.put(Stop())
        self._waiting.cancel(reason="cancelled by a client")
        self._note_change()
        return False

    def pause(self) -> bool:
        """Take no new frame until :meth:`resume`. Return False unless it is running or paused.

        The workers stay for ``paused_keep_s``. After that they end, and are prepared again when the job goes on; those
        of a live stream stay, for no other decoder could go on at the same frame.
        """
        return self._switch("paused", "paused", Pause())

    def await_place(self) -> bool:
        """Show that a paused job is to go on and waits for a place: its stage is ``queued``, its status ``paused``.

        Return False if it is not paused, or waits already.
        """
        if not self.paused or self._stage == "queued":
            return False
        self._enter("queued")
        return True

    def resume(self, place: Place = HERE) -> bool:
        """Continue after :meth:`pause`, in this place. Return False unless it is running or paused."""
        if self.paused:
            self._where.place = place
        return self._switch("running", "preparing" if self._parked else self._at_work, Resume())

    async def stop(self) -> None:
        """Before the server ends, store what the plugins know; return once the job has no pipeline any more.

        The job has not ended, and begins no other pipeline: its owner cancels :meth:`run`.
        """
        if self._status not in ENDED and self._asked_to_cancel is None:
            self._parked = self._stopping = True
            self._commands.put(Stop(saving=True))
        while self._where.at_work:
            await self._changed.wait()

    def note_store_failing(self, reason: str) -> None:
        """Warn that results cannot be stored now: the job goes on while there is room for frames, and then waits."""
        if self._status in {"running", "paused"}:
            message = f"{reason}. The job goes on, and its results will be stored once the disk can be written"
            self._warn(Code.STORE_FAILING, message, "high")

    # Questions

    def state(self, queue_position: int | None = None, waiting_for: str | None = None) -> JobState:
        """Return the job's current state; its owner knows of the line, and why the job waits."""
        spec, seen, request = self.spec, self._seen, self.spec.request
        return JobState(
            job_id=spec.job_id,
            device_requested=request.device_requested,
            device_used=seen.device.device_used,
            fallback=seen.device.fallback,
            progress=self._progress,
            plugin_timings=seen.timings,
            warnings=self._warnings.texts() + seen.warnings,
            warning_groups=self._warnings.groups() + seen.warning_groups,
            outages=self._outages,
            status=self._status,
            stage=self._stage,
            error=self._error,
            fallback_reason=seen.device.reason,
            created_at=spec.created_at,
            started_at=self._started_at,
            finished_at=self._finished_at,
            frames_done=self._frames_done,
            frames_total=self._frames_total,
            frames_dropped=self.frames_dropped,
            detections=self._found.detections,
            picture=self._found.picture,
            fps=self._fps,
            duration_ms=None if self._ran_s is None else round(self._ran_s * 1000, 1),
            cancel_ms=self._cancel_ms,
            plugins=when_ended(seen.stages) if self._status in ENDED else seen.stages,
            source=request.source,
            uploaded=spec.uploaded,
            standing=spec.standing,
            options=self._options(),
            request=self._request,
            queue_position=queue_position,
            waiting_for=waiting_for,
            agent=self._where.agent,
        )

    @property
    def status(self) -> JobStatus:
        """Its status."""
        return self._status

    @property
    def frames_dropped(self) -> int:
        """The number of frames that were dropped for newer ones."""
        return self._dropped_before + self._seen.dropped

    @property
    def _outages(self) -> tuple[Outage, ...]:
        """Those in earlier pipelines, and those in this one."""
        return newest(self._outages_before, self._seen.outages)

    def _options(self) -> dict[str, Any]:
        options = self._request["options"]
        return options if self._work is None else {**options, "policy": self._work.plan.policy}

    @property
    def fingerprint(self) -> Fingerprint:
        """The same as :attr:`JobState.fingerprint`, without making the whole state."""
        return (self._status, self._stage, self._frames_done, self._warnings.distinct + len(self._seen.warnings))

    async def wait_changed(self) -> None:
        """Wait until the job's state changes."""
        await self._changed.wait()

    def cancel_answer(self) -> CancelAnswer:
        """Return the answer of ``/cancel`` for the current state."""
        return CancelAnswer(
            job_id=self.spec.job_id,
            status=self._status,
            cancelled=self._status == "cancelled",
            cancel_ms=self._cancel_ms,
            pids=self._stuck,
        )

    def has_begun(self, index: int) -> bool:
        """Return whether a stage has published a result of this frame, or the frame is done."""
        return index in range(self.spec.resumed.start, self._newest_index + 1, self.spec.request.options.stride)

    def logs(self) -> dict[str, str]:
        """Return plugin → the end of its output."""
        return dict(self._seen.logs)

    def current(self) -> list[ProgressPayload | PluginStatusPayload]:
        """Return the messages that tell a new client the job's state."""
        plugins = (plugin.name for plugin in self.spec.request.plugins)
        return [self._progress_payload(), *(self._statuses[name] for name in plugins if name in self._statuses)]

    # The pipeline's events

    async def _carry_out(self) -> PipelineEnded:
        """Run the pipeline to its end, and after each long pause or lost agent a new one; return the last one's end.

        Raises:
            CannotGoOn: an earlier server has left the job, and there is no work to find any more.
        """
        ended = PipelineEnded()
        while await self._wait_due():
            work = await self._require_work()
            if work is None:
                break
            ended = self._judge(await self._attempt(work))
            if not self._parked or ended.error is not None:
                break
            self.on_wait()
        return ended

    async def _attempt(self, work: Work) -> LastEvent:
        """Run a further pipeline in the newest place; return its last event."""
        where, order = self._where, self._next_order(work)
        pipeline = where.pipeline(order, partial(work.here.make, order))
        self._seen, self._seen_at = pipeline.state(), self._frames_done
        where.at_work = True
        if work.plan.info.kind != "stream":  # of a live source the next pipeline gets other frames
            self._told.begin_again()
        self._pipeline = pipeline if where.agent is None else None
        try:
            if where.agent is not None and work.plan.held is not None:
                await work.plan.held.let_go()  # many cameras allow one client
            return await self._follow_pipeline(pipeline, work)
        finally:
            where.at_work = False
            self._note_change()

    def _judge(self, last: LastEvent) -> PipelineEnded:
        """Return how an attempt ended. If its agent was lost, the job is parked, and queued again unless it is paused.

        It is not if it was to end in any case, or has lost too many agents.
        """
        if not isinstance(last, PipelineLost):
            return last
        if self._asked_to_cancel is not None or self._status in ENDED or self._stopping:
            return PipelineEnded()
        losses = sum(group.count for group in self._warnings.groups() if group.code == Code.AGENT_LOST)
        if losses >= MAX_MOVES:
            return PipelineEnded(error=_lost_too_often(last, losses))
        message = f"{last.agent} was lost, and the job goes on after its last stored frame. {last.reason}"
        self._warn(Code.AGENT_LOST, message, "medium")
        log.warning("a job has lost its agent", agent=last.agent, reason=last.reason)
        self._where.avoid(last.agent)
        self._wait_again()
        return PipelineEnded()

    def _wait_again(self) -> None:
        """Wait for a place for a further attempt, in the queue unless the job is paused."""
        seen, self._parked = self._seen, True
        stages = to_go_on(caught_up(seen.stages, self._seen_at, self._frames_done))
        self._seen = attrs.evolve(seen, stages=stages, is_away=False)
        self._statuses.clear()
        if self.running:
            self._status = "queued"
            self._enter("queued")

    async def _wait_due(self) -> bool:
        """Wait while the job is parked. Return False if it is to end."""
        while self._parked and self._held and self._asked_to_cancel is None:
            await self._changed.wait()
        if self._parked and self.running and self._asked_to_cancel is None:
            self._parked = False
            self._dropped_before, self._outages_before = self.frames_dropped, self._outages
            self._commands = CommandQueue()
        return not self._parked

    @property
    def _held(self) -> bool:
        """True while no pipeline is to begin."""
        return self.paused or self.queued or (self._stopping and self.running)

    async def _require_work(self) -> Work | None:
        """Return the job's work, found now if an earlier server has left the job; None if it is cancelled meanwhile."""
        if self._work is not None or self._find_work is None or self._asked_to_cancel is not None:
            return self._work
        try:
            with trio.CancelScope() as self._waiting:
                self._work = await self._find_work()
                self._warn_of_fallback(self._work)
        except KinoraError as error:
            raise CannotGoOn(f"The job cannot go on: {error}") from error
        return self._work

    def _next_order(self, work: Work) -> WorkOrder:
        """Return the order for the next attempt, which goes on after the last stored frame."""
        if not self._where.attempt:
            return work.order
        after = self.spec.resumed.after if self._last_frame is None else moment_of(self._last_frame)
        return attrs.evolve(
            work.order,
            attempt=self._where.attempt + 1,
            begin=ResumePoint(
                frames=self._frames_done, start=self._next_index, events=self._events.newest, after=after
            ),
            past=attrs.evolve(self.state(), warning_groups=self._seen.warning_groups),
            logs=self._seen.logs,
        )

    async def _park_after_long_pause(self) -> None:
        """Stop the pipeline once the job has been paused for ``paused_keep_s``."""
        while True:
            with trio.move_on_after(self._paused_keep_s):
                while self.paused:
                    await self._switched.wait()
            if self.paused and self._asked_to_cancel is None:
                self._parked = True
                self._commands.put(Stop(saving=True))
                return
            while not self.paused:
                await self._switched.wait()

    async def _follow_pipeline(self, pipeline: AnyPipeline, work: Work) -> LastEvent:
        """Run the pipeline, and handle its events until the last one."""
        tell, events = trio.open_memory_channel[Event](EVENTS_WAITING)
        with events:  # open until the pipeline has ended: it may still send events while it is being cancelled
            async with trio.open_nursery() as nursery:
                nursery.start_soon(pipeline.run, tell, self._commands)
                nursery.start_soon(self._pass_on_watching)
                if work.plan.info.kind != "stream":
                    nursery.start_soon(self._park_after_long_pause)
                ended = await self._take_events(events)
                nursery.cancel_scope.cancel()
            return ended

    async def _pass_on_watching(self) -> None:
        """Tell the pipeline how many pictures a second the audience wants, at each change."""
        fps = 0.0
        while True:
            changed = self._audience.watching_changed
            wanted = self._audience.picture_fps(self.spec.job_id)
            if wanted != fps:
                self._commands.put(Watch(wanted))
                fps = wanted
            await changed.wait()

    async def _take_events(self, events: trio.MemoryReceiveChannel[Event]) -> LastEvent:
        async for first in events:
            for event in chain([first], _waiting(events)):
                if isinstance(event, PipelineEnded | PipelineLost):
                    return event
                await self._take(event)
        raise RuntimeError("the pipeline ended without PipelineEnded")

    async def _take(self, event: Event) -> None:
        match event:
            case FrameDone():
                await self._store_frame(event)
            case StatesSaved(frame):
                await self._store_states(frame)
            case PipelineState():
                self._take_state(event)
            case Prepared():
                if self._frames_done == self.spec.resumed.frames:
                    self._began = trio.current_time()
                self._enter(self._stage if self.paused else self._at_work)
            case StageIs(stage):
                self._enter(self._stage if self.paused else stage)
            case FrameImage():
                self._audience.show(event)
            case FoundEvent():
                await self._store_event(event)
            case PipelineEnded() | PipelineLost():
                raise ValueError("_take_events handles the last event")
            case payload:
                self._pass_on(payload)

    def _pass_on(self, payload: Payload) -> None:
        if isinstance(payload, FramePayload):
            self._newest_index = max(self._newest_index, payload.index)
            if not self._told.add(payload):
                return
        elif isinstance(payload, PluginStatusPayload):
            self._statuses[payload.plugin] = payload
        self._audience.publish(payload)

    def _take_state(self, event: PipelineState) -> None:
        before = self._seen
        self._count(event)
        self._seen, self._seen_at = event, self._frames_done
        if event.is_away != before.is_away and self.running:
            self._enter(self._at_work)
        else:
            self._note_change()
        if event.losses != before.losses:
            self.save_soon()

    def _count(self, event: PipelineState) -> None:
        """Add what has come since the last state to the figures of all jobs."""
        self._figures.frames_dropped += event.dropped - self._seen.dropped
        self._figures.source_restarts += event.source_restarts - self._seen.source_restarts

    async def _store_frame(self, frame: FrameDone) -> None:
        """Store a frame. Once the job is being cancelled or has failed, further frames are dropped."""
        await self._put(partial(self._put_frame, frame))

    async def _store_event(self, event: FoundEvent) -> None:
        """Store an event that goes with no frame; as with frames, further ones are dropped at the end."""
        await self._put(partial(self._put_event, event))

    async def _put(self, put: Callable[[], Awaitable[None]]) -> None:
        """Have something stored; a cancel ends the wait for room."""
        if self._asked_to_cancel is not None or self._status in ENDED:
            return
        try:
            if self._store.has_room:
                await put()
            else:
                with trio.CancelScope() as self._waiting:
                    await put()
        except ActorGone as error:
            self._fail(f"Its results could not be stored: {error}.")
            self._commands.put(Stop())

    async def _put_frame(self, frame: FrameDone) -> None:
        events = self._events.numbered(frame.events)
        await self._store.put_frame(self.spec.job_id, frame.index, frame.data, frame.states, to_store(events))
        self._newest_index = max(self._newest_index, frame.index)
        self._next_index = frame.index + self.spec.request.options.stride
        self._last_frame = frame.data
        self._frames_done += 1
        self._figures.frames_done += 1
        self._found.add(frame)
        self._publish_events(events)
        self._publish_progress()

    async def _put_event(self, event: FoundEvent) -> None:
        events = self._events.numbered([event])
        await self._store.put_events(self.spec.job_id, to_store(events))
        self._publish_events(events)

    def _publish_events(self, events: Sequence[EventPayload]) -> None:
        """Publish events that the store has accepted."""
        removes = self._events.note(events)
        for event in events:
            self._audience.publish(event)
        if removes:
            message = f"the job has had more than the {MAX_JOB_EVENTS:,} events that it keeps: the oldest are gone"
            self._warn(Code.EVENTS_DROPPED, message, "medium")

    async def _store_states(self, frame: FrameDone) -> None:
        """Store the states after the last frame with that frame; the store ignores a second copy of a frame."""
        if self._asked_to_cancel is not None or self._status in ENDED:
            return
        with suppress(ActorGone), trio.CancelScope() as self._waiting:
            await self._store.put_frame(self.spec.job_id, frame.index, frame.data, frame.states)

    async def _finish(self, ended: PipelineEnded) -> None:
        """Decide how the job ends, unless that is decided already."""
        self._stuck = ended.stuck
        if self._asked_to_cancel is not None:
            self._decide("cancelled")
        elif ended.error is not None:
            self._fail(ended.error)
        elif ended.truncated is not None and self._frames_done == 0:
            self._fail(f"The source could not be read: {ended.truncated}")
        elif self._status not in ENDED:
            if ended.truncated is not None:
                self._warn(Code.SOURCE_TRUNCATED, ended.truncated, "medium")
            await self._finalize()

    async def _finalize(self) -> None:
        """End the job as done once the last frame is on disk."""
        self._enter("finalizing")
        try:
            with trio.CancelScope() as self._waiting:
                await self._store.flush()
        except ActorGone as error:
            self._fail(f"Its results could not be stored: {error}.")
        self._decide("cancelled" if self._waiting.cancelled_caught else "done")

    # Its end

    def _fail(self, error: str) -> None:
        self._end_with(error, "failed")

    def _end_with(self, error: str, status: Literal["failed", "interrupted"]) -> None:
        """Let the job end with an error, which clients are told, unless its end is decided already."""
        if self._status in ENDED:
            return
        self._error = error
        details = {"error_code": f"JOB_{status.upper()}", "message": error, "fallback": None}
        self._audience.publish(ErrorPayload(job_id=self.spec.job_id, error=error, plugin=None, details=details))
        self._decide(status)

    def _decide(self, status: JobStatus) -> None:
        """Let the job end with this status, unless its end is decided already."""
        if self._status in ENDED:
            return
        self._status, self._stage = status, "finalizing"
        self._finished = trio.current_time()
        self._finished_at = utc_now()

    def _conclude(self) -> None:
        """Publish ``complete``, the last message: nothing of the job runs any more."""
        if self._asked_to_cancel is not None and self._status == "cancelled":
            self._cancel_ms = round((trio.current_time() - self._asked_to_cancel) * 1000, 1)
        if self._status == "done":
            self._publish_progress()
        self._figures.ended[self._status] += 1
        complete = CompletePayload(
            job_id=self.spec.job_id,
            status=self._status,
            frames=self._frames_done,
            duration_ms=round((self._ran_s or 0.0) * 1000, 1),
            warnings_count=self._warnings.total + self._seen.warnings_total,
        )
        self._audience.publish(complete)
        report = log.warning if self._error is not None else log.info
        report(
            "job ended",
            job_id=self.spec.job_id,
            status=self._status,
            error=self._error_to_log,
            frames=complete.frames,
        )
        self._note_change()

    @property
    def _error_to_log(self) -> str | None:
        """The error without what may be secret in the source's name."""
        return None if self._error is None else without_query_of(self.spec.request.source, self._error)

    # Messages to clients

    def _switch(self, status: Literal["running", "paused"], stage: Stage, command: Pause | Resume) -> bool:
        if self._status not in {"running", "paused"}:
            return False
        if self._status != status:
            self._status = status
            self._commands.put(command)
            self._switched.set()
            self._switched = trio.Event()
            self._enter(stage)
        elif status == "paused" and self._stage == "queued":  # it no longer waits for a place
            self._enter(stage)
        return True

    @property
    def _at_work(self) -> Stage:
        """The stage of a job that runs and is prepared."""
        return "reconnecting" if self._seen.is_away else "running"

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._publish_progress()

    def _publish_progress(self) -> None:
        self._audience.publish(self._progress_payload())
        self._note_change()

    def _progress_payload(self) -> ProgressPayload:
        return ProgressPayload(
            job_id=self.spec.job_id,
            progress=self._progress,
            stage=self._stage,
            frames_done=self._frames_done,
            frames_total=self._frames_total,
        )

    @property
    def _frames_total(self) -> int | None:
        return self._frames_done if self._status == "done" else self._frames_expected

    @property
    def _frames_expected(self) -> int | None:
        if self._work is not None:
            return self._work.plan.frames_expected
        return None if self.spec.past is None else self.spec.past.state.frames_total

    @property
    def _progress(self) -> int | None:
        if self._status == "done":
            return 100
        total = self._frames_expected
        if not total:
            return None
        return min(PROGRESS_BEFORE_DONE, self._frames_done * 100 // total)

    @property
    def _fps(self) -> float | None:
        return round(self._frames_done / self._ran_s, 1) if self._ran_s else None

    @property
    def _ran_s(self) -> float | None:
        """The time for which servers have run the job, pauses included; None before it has begun."""
        if self._began is None:
            return self._ran_before_s or None
        return self._ran_before_s + (self._finished or trio.current_time()) - self._began

    def _warn_of_fallback(self, work: Work) -> None:
        device = work.plan.device
        if device.fallback and work.tells_device:
            self._warn(Code.DEVICE_FALLBACK, str(device.reason), "medium")

    def _warn(self, code: Code, message: str, severity: Severity) -> None:
        shown = self._warnings.add(None, code, message, severity)
        if shown is not None:
            self._audience.publish(shown)

    def _note_change(self) -> None:
        self.changes += 1
        self._changed.set()
        self._changed = trio.Event()


def _needs(spec: JobSpec, work: Work | None, *, keeps_clips: bool) -> Needs:
    info = work.plan.info if work is not None else None if spec.past is None else spec.past.source
    return needs_of(spec.job_id, spec.request, info, uploaded=spec.uploaded, keeps_clips=keeps_clips)


def _lost_too_often(last: PipelineLost, before: int) -> str:
    return (
        f"The agent {last.agent} was lost, as {before} others that worked on the job before. {last.reason} If a plugin"
        " needs more memory than an agent's machine has, mend that; then submit the job again."
    )


def _waiting(events: trio.MemoryReceiveChannel[Event]) -> Iterator[Event]:
    """Yield the events that are waiting now, without a checkpoint."""
    with suppress(trio.WouldBlock, trio.EndOfChannel):
        while True:
            yield events.receive_nowait()
