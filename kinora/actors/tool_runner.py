"""ToolRunner: one stage of a job, which runs one plugin over the frames.

All failures of the plugin become warnings here; none of them leaves as an exception.
"""

from __future__ import annotations

from time import time_ns

import msgspec
import structlog
import trio

from kinora.actors.breaker import Breaker
from kinora.actors.device_health import DeviceHealth
from kinora.actors.inspector import Inspector
from kinora.actors.job_ring import JobRing
from kinora.actors.job_trace import JobTrace, NoTrace, StageStep
from kinora.actors.messages import Code, Health, StageStatus
from kinora.actors.models import StageState
from kinora.actors.plugin_process import Process
from kinora.actors.plugin_records import PluginRecord
from kinora.actors.replica import Lost, Outcome, Replica
from kinora.actors.stage_log import StageLog
from kinora.actors.stage_spec import StageSpec
from kinora.actors.stage_voice import StageVoice, Tell
from kinora.actors.ticket import FrameTicket
from kinora.actors.warnings import WarningLog
from kinora.plugins.api import PluginMetadata, Severity
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import Done, Raised
from kinora.runtime.sending import send

LOGGED_CHARACTERS = 300
"""The most characters of a failure's message in the log; it is the plugin's own text."""

log = structlog.get_logger()


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
        self._inspector = inspector
        self._voice = StageVoice(spec, warnings)
        self._device_health = device_health
        self._record = record
        self._trace = trace or NoTrace()
        self._log = StageLog(spec.job_id, record)
        self._breaker = Breaker(spec.max_failures, spec.max_errors)
        self._metadata: PluginMetadata | None = None
        """What the inspector says about the plugin once the stage has started; None if it is unavailable."""
        self._status: StageStatus | None = None
        self._replica = Replica(spec, process, inspector=inspector, log=self._log, hear=self._voice.note)
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
        self._ring, self._voice.tell = ring, tell
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
                await self._replica.end()  # noqa: ASYNC102 - it shields itself and bounds each wait

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
        return self._log.text(self._replica.output)

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
        outcome = await self._process_frame(ticket)
        if began_ns is not None:
            self._trace.add(self._step(ticket, outcome, began_ns, queue_ms))
        if outcome is not None:
            await self._judge(outcome, ticket, queue_ms)

    def _step(self, ticket: FrameTicket, outcome: Outcome | None, began_ns: int, queue_ms: float) -> StageStep:
        ended = not isinstance(outcome, Done | Raised)
        return StageStep(
            plugin=self.spec.plugin,
            index=ticket.index,
            device=self.device,
            began_ns=began_ns,
            ended_ns=time_ns(),
            queue_ms=queue_ms,
            fault="its process ended, or was too slow" if ended else getattr(outcome, "message", None),
        )

    async def _process_frame(self, ticket: FrameTicket) -> Outcome | None:
        """Have the plugin process a frame; if its device fails, once more on the CPU. None if it was disabled there."""
        outcome = await self._attempt_frame(ticket)
        if not self._replica.blames_device(outcome):
            return outcome
        await self._fall_back(outcome.message, ticket.frame_id)
        await self._ensure_prepared()
        return None if self._breaker.disabled else await self._attempt_frame(ticket)

    async def _attempt_frame(self, ticket: FrameTicket) -> Outcome:
        await self._tell_begun_anew(ticket.frame_id)
        return await self._replica.process(ticket)

    async def _tell_begun_anew(self, frame_id: str) -> None:
        """Warn if the plugin has forgotten earlier frames, and needs them."""
        stateless = self._metadata is not None and self._metadata.stateless
        if self._anew and not stateless:
            message = "began anew at this frame: what it knew of earlier ones is lost"
            await self._warn(Code.RESUMED, message, "medium", frame_id)
        self._anew = False

    async def _judge(self, outcome: Outcome, ticket: FrameTicket, queue_ms: float) -> None:
        """Make of the outcome of a frame what follows from it."""
        if isinstance(outcome, Lost):
            await self._note_loss(outcome, ticket.frame_id)
            await self._note_disabled(ticket.frame_id)
            return
        self._frames += 1
        self._record.run.add(outcome.run_ms / 1000)
        if isinstance(outcome, Raised):
            await self._note_raised(outcome, outcome.message, ticket.frame_id)
            await self._note_disabled(ticket.frame_id)
        else:
            self._breaker.succeeded()
            await self._take_result(outcome, ticket, queue_ms)
        if not self._breaker.disabled:
            await self._say("running", outcome.run_ms)

    async def _take_result(self, answer: Done, ticket: FrameTicket, queue_ms: float) -> None:
        if answer.fault is not None:
            await self._note_bad_result(answer.fault, ticket.frame_id)
        if answer.result is not None:
            ticket.results[self.spec.plugin] = answer.result
            await self._voice.result(ticket, answer.result, device=self.device, run_ms=answer.run_ms, queue_ms=queue_ms)
        if self._inspector.over_budget(self.spec.plugin, answer.run_ms):
            self._slow = True
            message = f"a frame took {answer.run_ms:.1f} ms, more than its latency budget"
            await self._warn(Code.PLUGIN_SLOW, message, "low", ticket.frame_id)

    # Before and after the frames

    async def _ensure_prepared(self) -> None:
        """Start a process and prepare the plugin if need be, again and again until that works or it is disabled."""
        while not self._replica.prepared and not self._breaker.disabled:
            await trio.sleep(self._breaker.restart_delay_s)
            if self._breaker.restart_delay_s:
                self._restarts += 1
                self._log.note_restart()
            outcome = await self._replica.prepare(self.device, self._ring)
            if isinstance(outcome, Done):
                self._anew = self._frames > 0
            elif isinstance(outcome, Lost):
                await self._note_loss(outcome, None)
            else:
                await self._fall_back(outcome.message, None)
        await self._note_disabled(None)

    async def _finalize(self) -> None:
        """Finalize the plugin, unless it is disabled. A failure here does not affect its frames."""
        if self._breaker.disabled:
            return
        if self._replica.prepared:
            outcome = await self._replica.finalize()
            if isinstance(outcome, Lost):
                await self._note_loss(outcome, None)
            elif isinstance(outcome, Raised):
                await self._note_raised(outcome, f"finalize: {outcome.message}", None)
            else:
                await self._take_sum(outcome)
        await self._say("completed")

    async def _take_sum(self, answer: Done) -> None:
        if answer.fault is not None:
            await self._note_bad_result(f"finalize: {answer.fault}", None)
        if answer.result is not None:
            self._final = answer.result
            await self._voice.partial(answer.result)

    # The device

    async def _avoid_failed_device(self) -> None:
        """Begin on the CPU if the device has failed under this plugin recently."""
        reason = self._device_health.why_not(self.spec.plugin, self.device)
        if reason is not None:
            await self._use_cpu(reason, None)

    async def _fall_back(self, message: str, frame_id: str | None) -> None:
        """Note a failure of the device, which does not count as the plugin's; its next process runs on the CPU."""
        self._device_health.note_failure(self.spec.plugin, self.device, message)
        await self._replica.end()
        await self._use_cpu(f"{self.device} failed: {message}", frame_id)

    async def _use_cpu(self, reason: str, frame_id: str | None) -> None:
        self.device, self.fallback_reason = CPU, reason
        self._record.fallbacks += 1
        message = f"runs on the CPU from here on, because {reason}"
        await self._warn(Code.DEVICE_FALLBACK, message, "medium", frame_id)

    # Failures

    async def _note_raised(self, answer: Raised, message: str, frame_id: str | None) -> None:
        """Count an exception of the plugin, whose process goes on."""
        self._breaker.raised()
        self._log.note_failure(Code.PLUGIN_ERROR, message, answer.traceback, frame_id)
        await self._warn(Code.PLUGIN_ERROR, _placed(message, answer.place), "medium", frame_id)

    async def _note_bad_result(self, fault: str, frame_id: str | None) -> None:
        """Count a result that JSON cannot represent, in whole or in part."""
        self._record.failed[Code.PLUGIN_BAD_RESULT] += 1
        await self._warn(Code.PLUGIN_BAD_RESULT, fault, "medium", frame_id)

    async def _note_loss(self, lost: Lost, frame_id: str | None) -> None:
        """Count a process that died or failed, and warn."""
        death = lost.death
        if death.blameless:
            self._breaker.lost()
        else:
            self._breaker.died()
        log.warning(
            "a plugin's process has ended",
            job_id=self.spec.job_id,
            plugin=self.spec.plugin,
            code=death.code,
            reason=death.message[:LOGGED_CHARACTERS],
            frame_id=frame_id,
        )
        if not death.blameless:
            self._log.note_death(death.code, death.message, death.traceback, frame_id, lost.last_words)
        await self._warn(death.code, _placed(death.message, death.place), "high", frame_id)

    async def _note_disabled(self, frame_id: str | None) -> None:
        """Say that the job goes on without the plugin, if so. Not for ``finalize``: after it nothing goes on."""
        if self._breaker.disabled and self._status != "failed":
            self._record.disabled += 1
            log.warning("a plugin is disabled for its job", job_id=self.spec.job_id, plugin=self.spec.plugin)
            message = f"failed {self._breaker.failures} times, the last ones in a row; this job goes on without it"
            await self._warn(Code.PLUGIN_DISABLED, message, "high", frame_id)
            await self._say("failed")

    # Messages to clients

    async def _say(self, status: StageStatus, timing_ms: float | None = None) -> None:
        self._status = status
        self._record.health = self._health
        await self._voice.status(status, self._health, self._frames, timing_ms)

    async def _warn(self, code: Code, message: str, severity: Severity, frame_id: str | None) -> None:
        await self._voice.warn(code, message, severity, frame_id)


def _placed(message: str, place: str | None) -> str:
    """The message, with the line of the plugin's own code that it came from, if that is known."""
    return message if place is None else f"{message} ({place})"
