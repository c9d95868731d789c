"""ToolRunner: one stage of a job, which runs one plugin over the frames.

All failures of the plugin become warnings here; none of them leaves as an exception.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from time import time_ns
from typing import Any, TypeGuard

import attrs
import msgspec
import structlog
import trio

from kinora.actors.breaker import Breaker
from kinora.actors.device_health import DeviceHealth
from kinora.actors.inspector import Inspector
from kinora.actors.job_ring import JobRing
from kinora.actors.job_trace import JobTrace, NoTrace, StageStep
from kinora.actors.messages import (
    Code,
    FramePayload,
    Health,
    PartialResultPayload,
    Payload,
    PluginStatusPayload,
    StageStatus,
)
from kinora.actors.models import StageState
from kinora.actors.plugin_process import PluginDied, Process
from kinora.actors.plugin_records import PluginRecord
from kinora.actors.stage_log import StageLog
from kinora.actors.ticket import FrameTicket
from kinora.actors.warnings import WarningLog
from kinora.plugins import protocol
from kinora.plugins.api import PluginMetadata, Severity
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import Done, Raised
from kinora.runtime.sending import send

FINALIZE_TIMEOUT_MS = 30_000
"""The time limit of ``finalize``; that of ``prepare`` if it is shorter."""

LOGGED_CHARACTERS = 300
"""The most characters of a failure's message in the log; it is the plugin's own text."""

Tell = Callable[[Payload], Awaitable[None]]
log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class StageSpec:
    """The plugin of a stage, and its limits."""

    job_id: str
    plugin: str
    options: Mapping[str, Any]
    device: str
    plugin_timeout_ms: int
    prepare_timeout_ms: int
    max_failures: int
    """Consecutive deaths of the plugin's process that disable it."""
    max_errors: int
    """Consecutive exceptions that disable it."""
    root_path: str = ""
    """The beginning of each address that is told to clients, as behind a proxy."""


class ToolRunner:
    """Runs one plugin over the frames of one job, in order, and reports its results and failures."""

    def __init__(
        self,
        spec: StageSpec,
        *,
        process: Process,
        inspector: Inspector,
        warnings: WarningLog,
        device_health: DeviceHealth,
        record: PluginRecord,
        trace: JobTrace | None = None,
    ) -> None:
        self.spec = spec
        self.device = spec.device
        """The device in use now."""
        self.fallback_reason: str | None = None
        """The reason why it is not the device of the spec; None if it is."""
        self._process = process
        self._inspector = inspector
        self._warnings = warnings
        self._device_health = device_health
        self._record = record
        self._trace = trace or NoTrace()
        self._log = StageLog(spec.job_id, record)
        self._breaker = Breaker(spec.max_failures, spec.max_errors)
        self._metadata: PluginMetadata | None = None
        """What the inspector says about the plugin once the stage has started; None if it is unavailable."""
        self._status: StageStatus | None = None
        self._prepared = False
        self._frame_id: str | None = None
        """The frame that the plugin works on, for warnings; None while it prepares or finalizes."""
        self._time_limit = trio.CancelScope()
        """Around each wait for the plugin's answer."""
        self._frames = 0
        self._restarts = 0
        self._slow = False
        self._anew = False
        """True if the plugin has seen frames, and its new process has not."""
        self._final: bytes | None = None

    async def run(
        self,
        ring: JobRing,
        inbox: trio.MemoryReceiveChannel[FrameTicket],
        outbox: trio.MemorySendChannel[FrameTicket],
        tell: Tell,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Prepare the plugin and report ready, have it process each frame and pass the frame on, then finalize it.

        ``ring`` is the ring of the first frame; each ticket names its own.

        Returns when the inbox has ended. The plugin's process is gone at the end, also if cancelled. The stage may be
        run again after that: all figures go on, and a plugin that was disabled stays so.
        """
        self._ring, self._tell = ring, tell
        self._metadata = self._inspector.inspect(self.spec.plugin)
        with inbox, outbox:
            try:
                if not self._breaker.disabled:
                    await self._say("started")
                await self._avoid_failed_device()
                await self._ensure_prepared()
                task_status.started()
                async for ticket in inbox:
                    await self._take_frame(ticket)
                    ticket.queued_at = trio.current_time()
                    await send(outbox, ticket)
                await self._finalize()
            finally:
                await self._end_process()  # noqa: ASYNC102 - it shields itself and bounds each wait

    def restore(self, past: StageState, output: str) -> None:
        """Go on with the figures and the output of an earlier server. A plugin that was disabled stays so."""
        self._frames, self._restarts = past.frames, past.restarts
        self._breaker.restore(past.failures, disabled=past.status == "failed")
        self._status = "failed" if past.status == "failed" else None
        self._log.restore(output, past.last_error, past.errors)

    def state(self) -> StageState:
        """Return the stage's current state."""
        inspector, plugin = self._inspector, self.spec.plugin
        return StageState(
            version=None if self._metadata is None else self._metadata.version,
            options=self.spec.options,
            status=self._status or "waiting",
            frames=self._frames,
            failures=self._breaker.failures,
            restarts=self._restarts,
            queue_ms=inspector.queue_ms(plugin),
            run_ms=inspector.run_ms(plugin),
            health=self._health,
            device_used=self.device,
            finalize=msgspec.Raw(self._final or b"null"),
            last_error=self._log.last_error,
            errors=self._log.errors,
        )

    @property
    def log(self) -> str:
        """The end of the plugin's output."""
        return self._log.text(self._process.output)

    @property
    def _health(self) -> Health:
        if self._breaker.disabled:
            return "failed"
        return "degraded" if self._slow or self._breaker.restart_delay_s else "ok"

    # A frame

    async def _take_frame(self, ticket: FrameTicket) -> None:
        """Have the plugin process a frame; its result, if any, goes into the ticket."""
        self._ring = ticket.ring
        await self._ensure_prepared()
        if self._breaker.disabled:
            return
        queue_ms = (trio.current_time() - ticket.queued_at) * 1000
        self._inspector.add_queue(self.spec.plugin, queue_ms)
        self._record.queue.add(queue_ms / 1000)
        began_ns = time_ns() if self._trace.samples(ticket.index) else None
        answer = await self._process_frame(ticket)
        if began_ns is not None:
            self._trace.add(self._step(ticket, answer, began_ns, queue_ms))
        if answer is None:
            await self._note_disabled()
            return
        self._frames += 1
        self._record.run.add(answer.run_ms / 1000)
        await self._judge(answer, ticket, queue_ms)
        if not self._breaker.disabled:
            await self._say("running", answer.run_ms)

    def _step(self, ticket: FrameTicket, answer: Done | Raised | None, began_ns: int, queue_ms: float) -> StageStep:
        fault = "its process ended, or was too slow" if answer is None else getattr(answer, "message", None)
        return StageStep(
            plugin=self.spec.plugin,
            index=ticket.index,
            device=self.device,
            began_ns=began_ns,
            ended_ns=time_ns(),
            queue_ms=queue_ms,
            fault=fault,
        )

    async def _tell_begun_anew(self) -> None:
        """Warn if the plugin has forgotten earlier frames, and needs them."""
        stateless = self._metadata is not None and self._metadata.stateless
        if self._anew and not stateless:
            await self._warn(Code.RESUMED, "began anew at this frame: what it knew of earlier ones is lost", "medium")
        self._anew = False

    async def _process_frame(self, ticket: FrameTicket) -> Done | Raised | None:
        """Have the plugin process a frame; if its device fails, once more on the CPU."""
        answer = await self._attempt_frame(ticket)
        if not self._blames_device(answer):
            return answer
        await self._fall_back(answer.message)
        await self._ensure_prepared()
        return None if self._breaker.disabled else await self._attempt_frame(ticket)

    async def _attempt_frame(self, ticket: FrameTicket) -> Done | Raised | None:
        self._frame_id = ticket.frame_id
        await self._tell_begun_anew()
        work = self._process.process(ticket, self._hear)
        return await self._attempt(work, self.spec.plugin_timeout_ms, frame=True)

    async def _judge(self, answer: Done | Raised, ticket: FrameTicket, queue_ms: float) -> None:
        if isinstance(answer, Raised):
            await self._note_raised(answer, answer.message)
            await self._note_disabled()
            return
        self._breaker.succeeded()
        if answer.fault is not None:
            await self._note_bad_result(answer.fault)
        if answer.result is not None:
            ticket.results[self.spec.plugin] = answer.result
            await self._tell(self._frame_payload(ticket, answer.result, answer.run_ms, queue_ms))
        if self._inspector.over_budget(self.spec.plugin, answer.run_ms):
            self._slow = True
            message = f"a frame took {answer.run_ms:.1f} ms, more than its latency budget"
            await self._warn(Code.PLUGIN_SLOW, message, "low")

    def _frame_payload(self, ticket: FrameTicket, result: bytes, run_ms: float, queue_ms: float) -> FramePayload:
        return FramePayload(
            job_id=self.spec.job_id,
            frame_id=ticket.frame_id,
            index=ticket.index,
            plugin=self.spec.plugin,
            data=msgspec.Raw(result),
            device_used=self.device,
            timing_ms=round(run_ms, 1),
            queue_ms=round(queue_ms, 1),
            width=ticket.width,
            height=ticket.height,
            timestamp_ms=round(ticket.timestamp_ms, 1),
            image_url=f"{self.spec.root_path}/v1/jobs/{self.spec.job_id}/frames/{ticket.index}.jpg",
            file=ticket.file or msgspec.UNSET,
            pictured=ticket.pictured,
        )

    # Before and after the frames

    async def _ensure_prepared(self) -> None:
        """Start a process and prepare the plugin if need be, again and again until that works or it is disabled."""
        while not self._prepared and not self._breaker.disabled:
            self._frame_id = None
            await trio.sleep(self._breaker.restart_delay_s)
            if self._breaker.restart_delay_s:
                self._restarts += 1
                self._log.note_restart()
            answer = await self._prepare()
            if isinstance(answer, Done):
                self._prepared = True
                self._anew = self._frames > 0
            elif self._blames_device(answer):
                await self._fall_back(answer.message)
            elif answer is not None:
                message = f"prepare: {answer.message}"
                await self._lose(PluginDied(Code.PLUGIN_ERROR, message, answer.traceback, place=answer.place))
        await self._note_disabled()

    async def _prepare(self) -> Done | Raised | None:
        """Start a process, whose start is not the plugin's time, and prepare the plugin."""
        try:
            await self._process.start()
        except PluginDied as death:
            await self._lose(death)
            return None
        work = self._process.prepare(self.device, self._ring, self._hear)
        return await self._attempt(work, self.spec.prepare_timeout_ms)

    async def _finalize(self) -> None:
        """Finalize the plugin, unless it is disabled. A failure here does not affect its frames."""
        if self._breaker.disabled:
            return
        self._frame_id = None
        if self._prepared:
            timeout_ms = min(FINALIZE_TIMEOUT_MS, self.spec.prepare_timeout_ms)
            answer = await self._attempt(self._process.finalize(self._hear), timeout_ms)
            if isinstance(answer, Raised):
                await self._note_raised(answer, f"finalize: {answer.message}")
            elif answer is not None and answer.fault is not None:
                await self._note_bad_result(f"finalize: {answer.fault}")
            if isinstance(answer, Done) and answer.result is not None:
                self._final = answer.result
                await self._tell_partial(answer.result)
        await self._say("completed")

    # The device

    async def _avoid_failed_device(self) -> None:
        """Begin on the CPU if the device has failed under this plugin recently."""
        reason = self._device_health.why_not(self.spec.plugin, self.device)
        if reason is not None:
            await self._use_cpu(reason)

    def _blames_device(self, answer: Done | Raised | None) -> TypeGuard[Raised]:
        return isinstance(answer, Raised) and answer.device_failed and self.device != CPU

    async def _fall_back(self, message: str) -> None:
        """Note a failure of the device, which does not count as the plugin's; its next process runs on the CPU."""
        self._device_health.note_failure(self.spec.plugin, self.device, message)
        await self._end_process()
        await self._use_cpu(f"{self.device} failed: {message}")

    async def _use_cpu(self, reason: str) -> None:
        self.device, self.fallback_reason = CPU, reason
        self._record.fallbacks += 1
        await self._warn(Code.DEVICE_FALLBACK, f"runs on the CPU from here on, because {reason}", "medium")

    # The process and its failures

    async def _attempt(
        self, work: Awaitable[Done | Raised], timeout_ms: int, *, frame: bool = False
    ) -> Done | Raised | None:
        """Wait for the process to answer; return None if it died or was too slow, after handling that."""
        self._inspector.start_timing(self.spec.plugin)
        run_ms = None
        try:
            answer = await self._within(timeout_ms, work)
            run_ms = answer.run_ms
        except PluginDied as death:
            await self._lose(death)
            return None
        finally:
            self._inspector.stop_timing(self.spec.plugin, run_ms, frame=frame)
        return answer

    async def _within(self, timeout_ms: int, work: Awaitable[Done | Raised]) -> Done | Raised:
        """Wait for an answer.

        Raises:
            PluginDied: there was none in time; the process must be ended.
        """
        with trio.move_on_after(timeout_ms / 1000) as self._time_limit:
            return await work
        raise PluginDied(Code.PLUGIN_TIMEOUT, f"no answer within {timeout_ms} ms; its process was killed")

    async def _note_raised(self, answer: Raised, message: str) -> None:
        """Count an exception of the plugin, whose process goes on."""
        self._breaker.raised()
        self._log.note_failure(Code.PLUGIN_ERROR, message, answer.traceback, self._frame_id)
        await self._warn(Code.PLUGIN_ERROR, _placed(message, answer.place), "medium")

    async def _note_bad_result(self, fault: str) -> None:
        """Count a result that JSON cannot represent, in whole or in part."""
        self._record.failed[Code.PLUGIN_BAD_RESULT] += 1
        await self._warn(Code.PLUGIN_BAD_RESULT, fault, "medium")

    async def _lose(self, death: PluginDied) -> None:
        """End a process that died or failed, and warn."""
        if death.blameless:
            self._breaker.lost()
        else:
            self._breaker.died()
        await self._end_process()
        log.warning(
            "a plugin's process has ended",
            job_id=self.spec.job_id,
            plugin=self.spec.plugin,
            code=death.code,
            reason=death.message[:LOGGED_CHARACTERS],
            frame_id=self._frame_id,
        )
        if not death.blameless:
            self._log.note_death(death.code, death.message, death.traceback, self._frame_id)
        await self._warn(death.code, _placed(death.message, death.place), "high")

    async def _note_disabled(self) -> None:
        """Say that the job goes on without the plugin, if so. Not for ``finalize``: after it nothing goes on."""
        if self._breaker.disabled and self._status != "failed":
            self._record.disabled += 1
            log.warning("a plugin is disabled for its job", job_id=self.spec.job_id, plugin=self.spec.plugin)
            message = f"failed {self._breaker.failures} times, the last ones in a row; this job goes on without it"
            await self._warn(Code.PLUGIN_DISABLED, message, "high")
            await self._say("failed")

    async def _end_process(self) -> None:
        self._prepared = False
        self._log.take(await self._process.aclose())

    # Messages to clients

    async def _hear(self, note: protocol.Note) -> None:
        """Tell a note. The plugin's time stands still meanwhile: telling waits where nobody takes what is told."""
        left_s = self._time_limit.deadline - trio.current_time()
        self._time_limit.deadline = math.inf
        await self._tell_note(note)
        self._time_limit.deadline = trio.current_time() + left_s

    async def _tell_note(self, note: protocol.Note) -> None:
        match note:
            case protocol.Warned(message=message, severity=severity):
                await self._warn(Code.PLUGIN_WARNING, message, severity)
            case protocol.Partial(result=result):
                await self._tell_partial(result)

    async def _say(self, status: StageStatus, timing_ms: float | None = None) -> None:
        self._status = status
        self._record.health = self._health
        await self._tell(
            PluginStatusPayload(
                job_id=self.spec.job_id,
                plugin=self.spec.plugin,
                status=status,
                timing_ms=round(timing_ms, 1) if timing_ms is not None else None,
                frames_processed=self._frames,
                warnings_count=self._warnings.count(self.spec.plugin),
                health=self._health,
            )
        )

    async def _tell_partial(self, result: bytes) -> None:
        payload = PartialResultPayload(job_id=self.spec.job_id, plugin=self.spec.plugin, result=msgspec.Raw(result))
        await self._tell(payload)

    async def _warn(self, code: Code, message: str, severity: Severity) -> None:
        shown = self._warnings.add(self.spec.plugin, code, message, severity, self._frame_id)
        if shown is not None:
            await self._tell(shown)


def _placed(message: str, place: str | None) -> str:
    """The message, with the line of the plugin's own code that it came from, if that is known."""
    return message if place is None else f"{message} ({place})"
