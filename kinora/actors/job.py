"""Job: one source pushed frame by frame through its plugins, from the queue to its one and only ``complete``.

Its pipeline is a nursery of its own: the source, a ToolRunner per plugin, and here the end of the line, where frames
become FrameData. Cancelling the job's scope is how anything in it is stopped; nothing else knows how.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs
import structlog
import trio

from kinora.actors.inspector import PluginInspector
from kinora.actors.messages import (
    Code,
    CompletePayload,
    ErrorPayload,
    Payload,
    PluginStatusPayload,
    ProgressPayload,
    Stage,
    utc_now,
)
from kinora.actors.models import ENDED, CancelAnswer, Fingerprint, JobState, JobStatus
from kinora.actors.picture_taker import PictureTaker
from kinora.actors.source_reader import SourceBroke, SourceReader
from kinora.actors.store import Store
from kinora.actors.ticket import STAGE_QUEUE_FRAMES, FrameTicket
from kinora.actors.tool_runner import STOP_LIMIT_S, ToolRunner
from kinora.actors.warnings import WarningLog
from kinora.media.source_types import SourceError
from kinora.plugins.api import Severity
from kinora.plugins.devices import CPU, Resolution
from kinora.runtime.actor import ActorGone
from kinora.runtime.frames import FrameRing
from kinora.runtime.workers import ForkServerGone

log = structlog.get_logger()

PROGRESS_BEFORE_DONE = 99
"""100 is for a job that is done, with its plugins' ``finalize`` over and its frames stored."""


@attrs.frozen(kw_only=True)
class JobSpec:
    """What a job is, fixed at its submission."""

    job_id: str
    source: str
    """As the client named it."""
    uploaded: bool
    """Whether it came with the job."""
    options: Mapping[str, Any]
    """As ``/extended`` shows them."""
    device_requested: str
    device: Resolution
    created_at: str
    frames_expected: int | None
    """How many there will be after stride and max_frames; None when the length is unknown."""
    frames_before: int = 0
    """Frames that an earlier server has stored already."""


class Job:
    """One job and all that is known of it."""

    def __init__(
        self,
        *,
        spec: JobSpec,
        source: SourceReader,
        stages: list[ToolRunner],
        pictures: PictureTaker,
        inspector: PluginInspector | None,
        warnings: WarningLog,
        store: Store,
        publish: Callable[[Payload], object],
        ring_bytes: int,
    ) -> None:
        self.spec = spec
        self.ended = trio.Event()
        """Set when it has ended and every process of it is gone."""
        self._source = source
        self._stages = stages
        self._pictures = pictures
        self._inspector = inspector
        self._warnings = warnings
        self._store = store
        self._publish = publish
        self._ring_bytes = ring_bytes
        self._status: JobStatus = "queued"  # decided once: see _decide
        self._stage: Stage = "queued"
        self._error: str | None = None
        self._frames_done = spec.frames_before
        self._started_at: str | None = None
        self._finished_at: str | None = None
        self._began: float | None = None
        self._finished: float | None = None
        self._asked_to_cancel: float | None = None
        self._cancel_ms: float | None = None
        self._scope = trio.CancelScope()
        self._changed = trio.Event()
        self._gate = trio.Event()
        self._gate.set()

    # What others may ask of it

    @property
    def queued(self) -> bool:
        """Whether it waits for its turn."""
        return self._status == "queued"

    def begin(self) -> None:
        """Its turn has come: :meth:`run` follows."""
        self._status = "running"
        self._started_at = utc_now()
        self._began = trio.current_time()
        self._enter("preparing")

    async def run(self) -> None:
        """Run it to its end, whatever that is. Only a cancellation from outside comes out of here."""
        try:
            with self._scope:
                await self._pipeline()
                self._decide("done")
        finally:
            # The decision has been made by now, unless the server is being stopped: then the job stays as stored.
            if self._scope.cancelled_caught:
                self._decide("cancelled")
            if self._status in ENDED:
                self._conclude()
            self.ended.set()

    def note_store_failing(self, reason: str) -> None:
        """What it finds cannot be stored for now: it goes on while there is room for frames, and then it waits."""
        if self._status in {"running", "paused"}:
            message = f"{reason}. The job goes on, and what it finds will be stored then"
            self._warn(Code.STORE_FAILING, message, "high")

    def announce(self) -> None:
        """Tell the clients that it waits; the first message of a job."""
        self._enter("queued")
        if self.spec.device.fallback:
            self._warn(Code.DEVICE_FALLBACK, str(self.spec.device.reason), "medium")

    def cancel(self) -> None:
        """Ask it to end; :meth:`wait_cancelled` waits until it has. Nothing happens when it has ended."""
        if self._status in ENDED or self._asked_to_cancel is not None:
            return
        self._asked_to_cancel = trio.current_time()
        if self._status == "queued":
            self._decide("cancelled")
            self._conclude()
            self.ended.set()
        else:
            self._scope.cancel(reason="cancelled by a client")

    def cancel_answer(self) -> CancelAnswer:
        """What ``/cancel`` says of it at this moment."""
        stuck = [self._source.stuck, self._pictures.stuck, *(runner.stuck for runner in self._stages)]
        return CancelAnswer(
            job_id=self.spec.job_id,
            status=self._status,
            cancelled=self._status == "cancelled",
            cancel_ms=self._cancel_ms,
            pids=tuple(pid for pid in stuck if pid is not None),
        )

    def pause(self) -> bool:
        """Take no new frame until :meth:`resume`; the workers stay. False unless it runs or is paused already."""
        if self._status not in {"running", "paused"}:
            return False
        if self._status == "running":
            self._gate = trio.Event()
            self._status = "paused"
            self._enter("paused")
        return True

    def resume(self) -> bool:
        """Go on after :meth:`pause`. False unless it is paused or running."""
        if self._status not in {"running", "paused"}:
            return False
        if self._status == "paused":
            self._gate.set()
            self._status = "running"
            self._enter("running")
        return True

    @property
    def fingerprint(self) -> Fingerprint:
        """As :attr:`JobState.fingerprint`, without making the whole state."""
        return (self._status, self._stage, self._frames_done, self._warnings.distinct)

    async def wait_changed(self) -> None:
        """Wait until something about it is different."""
        await self._changed.wait()

    def state(self, queue_position: int | None = None) -> JobState:
        """What ``/extended`` says of it at this moment."""
        spec, inspector, device = self.spec, self._inspector, self._device
        return JobState(
            job_id=spec.job_id,
            device_requested=spec.device_requested,
            device_used=device.device_used,
            fallback=device.fallback,
            progress=self._progress,
            plugin_timings=inspector.collect_timings() if inspector is not None else None,
            warnings=self._warnings.texts(),
            warning_groups=self._warnings.groups(),
            status=self._status,
            stage=self._stage,
            error=self._error,
            fallback_reason=device.reason,
            created_at=spec.created_at,
            started_at=self._started_at,
            finished_at=self._finished_at,
            frames_done=self._frames_done,
            frames_total=self._frames_total,
            frames_dropped=self._source.dropped,
            fps=self._fps,
            cancel_ms=self._cancel_ms,
            plugins={runner.spec.plugin: runner.state() for runner in self._stages},
            source=spec.source,
            uploaded=spec.uploaded,
            options=spec.options,
            queue_position=queue_position,
        )

    def has_begun(self, index: int) -> bool:
        """Whether the frame of this index is on its way through the stages, or was."""
        return self._source.has_read(index)

    def logs(self) -> dict[str, str]:
        """Plugin → what it has printed, the last of it."""
        return {runner.spec.plugin: runner.log for runner in self._stages}

    def current(self) -> list[ProgressPayload | PluginStatusPayload]:
        """Its state as the messages that a client which has just come needs."""
        return [self._progress_payload(), *(said for runner in self._stages if (said := runner.current()) is not None)]

    # Its life

    async def _pipeline(self) -> None:
        """From opening the source to the last frame on disk; what stops it short of that is the job's error."""
        try:
            info = await self._source.open()
            ring = await self._source.map(info, len(self._stages), self._ring_bytes)
            await self._run_stages(ring)
            self._enter("finalizing")
            await self._store.flush()
        except* SourceError as group:
            self._fail(_first(group))
        except* (SourceBroke, ForkServerGone) as group:
            self._fail(f"The source could not be read: {_first(group)}.")
        except* ActorGone as group:
            self._fail(f"Its results could not be stored: {_first(group)}.")
        except* Exception as group:
            log.exception("a job crashed", job_id=self.spec.job_id, exc_info=group)
            self._fail("An internal error stopped it; the server's log has the details.")
        finally:
            with trio.move_on_after(STOP_LIMIT_S, shield=True):
                await self._source.close()

    async def _run_stages(self, ring: FrameRing) -> None:
        """Chain the stages by channels; once each is ready or given up, let the frames in."""
        async with trio.open_nursery() as nursery:
            entrance, waiting = trio.open_memory_channel[FrameTicket](STAGE_QUEUE_FRAMES)
            inbox = waiting.clone()
            async with trio.open_nursery() as starting:
                for runner in self._stages:
                    outbox, next_inbox = trio.open_memory_channel[FrameTicket](STAGE_QUEUE_FRAMES)
                    starting.start_soon(nursery.start, runner.run, ring, inbox, outbox)
                    inbox = next_inbox
            self._began = trio.current_time()
            self._enter("paused" if self._status == "paused" else "running")
            nursery.start_soon(self._pictures.run, ring, self._source.release)
            nursery.start_soon(self._read_source, entrance, waiting)
            await self._assemble(inbox)
            await self._pictures.finish()

    async def _read_source(
        self, entrance: trio.MemorySendChannel[FrameTicket], waiting: trio.MemoryReceiveChannel[FrameTicket]
    ) -> None:
        """When the source breaks off, what it has given goes through all stages all the same."""
        try:
            await self._source.run(entrance, waiting, lambda: self._gate, self._note_dropped, self._pictures.offer)
        except* SourceBroke as group:
            self._source.truncated = _first(group)

    async def _assemble(self, inbox: trio.MemoryReceiveChannel[FrameTicket]) -> None:
        """The end of the line: frames are complete here, in the order of the source."""
        with inbox:
            async for ticket in inbox:
                await self._store.put_frame(self.spec.job_id, ticket.index, ticket.frame_data().encode())
                self._source.release(ticket.slot)
                self._frames_done += 1
                self._say_progress()
        if self._source.truncated is None:
            return
        if self._frames_done == 0:
            raise SourceError("unreadable", f"The source could not be read: {self._source.truncated}")
        self._warn(Code.SOURCE_TRUNCATED, self._source.truncated, "medium")

    def _fail(self, error: str) -> None:
        if self._status in ENDED:
            return
        self._error = error
        details = {"error_code": "JOB_FAILED", "message": error, "fallback": None}
        self._publish(ErrorPayload(job_id=self.spec.job_id, error=error, plugin=None, details=details))
        self._decide("failed")

    def _decide(self, status: JobStatus) -> None:
        """The first end that is decided holds."""
        if self._status in ENDED:
            return
        self._status = status
        self._finished = trio.current_time()
        self._finished_at = utc_now()

    def _conclude(self) -> None:
        """Everything of it is gone: say so, last of all."""
        if self._asked_to_cancel is not None and self._status == "cancelled":
            self._cancel_ms = round((trio.current_time() - self._asked_to_cancel) * 1000, 1)
        if self._status == "done":
            self._say_progress()
        began, finished = self._began, self._finished
        duration = finished - began if began is not None and finished is not None else 0.0
        self._publish(
            CompletePayload(
                job_id=self.spec.job_id,
                status=self._status,
                frames=self._frames_done,
                duration_ms=round(duration * 1000, 1),
                warnings_count=self._warnings.total,
            )
        )
        self._note_change()

    # What it tells

    def _enter(self, stage: Stage) -> None:
        self._stage = stage
        self._say_progress()

    def _say_progress(self) -> None:
        self._publish(self._progress_payload())
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
    def _device(self) -> Resolution:
        """What it runs on now: stages may have lost the device that was found for it at its submission."""
        resolved = self.spec.device
        lost = next((runner for runner in self._stages if runner.fallback_reason is not None), None)
        if lost is None:
            return resolved
        kept = any(runner.device == resolved.device_used for runner in self._stages)
        reason = f"{lost.spec.plugin}: {lost.fallback_reason}"
        return Resolution(resolved.device_used if kept else CPU, fallback=True, reason=reason)

    @property
    def _frames_total(self) -> int | None:
        return self._frames_done if self._status == "done" else self.spec.frames_expected

    @property
    def _progress(self) -> int | None:
        if self._status == "done":
            return 100
        total = self.spec.frames_expected
        if not total:
            return None
        return min(PROGRESS_BEFORE_DONE, self._frames_done * 100 // total)

    @property
    def _fps(self) -> float | None:
        if self._began is None:
            return None
        seconds = (self._finished or trio.current_time()) - self._began
        return round((self._frames_done - self.spec.frames_before) / seconds, 1) if seconds > 0 else None

    def _note_dropped(self) -> None:
        self._warn(Code.FRAMES_DROPPED, "the pipeline was behind; the oldest waiting frame was dropped", "low")

    def _warn(self, code: Code, message: str, severity: Severity) -> None:
        shown = self._warnings.add(None, code, message, severity)
        if shown is not None:
            self._publish(shown)

    def _note_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """What the first error in a group says."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
