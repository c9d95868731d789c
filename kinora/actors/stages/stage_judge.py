"""StageJudge: what follows from what a stage's plugin does. It counts, tells clients, disables, and leaves a device."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from kinora.actors.breaker import Breaker
from kinora.actors.messages import Code, Health, StageStatus
from kinora.actors.models import StageState
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.actors.stages.flights import Flight
from kinora.actors.stages.inspector import Inspector
from kinora.actors.stages.plugin_process import PluginDied
from kinora.actors.stages.replica import Lost, Outcome, Replica
from kinora.actors.stages.stage_health import StageHealth
from kinora.actors.stages.stage_log import StageLog
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.stage_voice import StageVoice
from kinora.plugins import protocol
from kinora.plugins.api import Severity
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import MESSAGE_CHARACTERS, Done, Raised

LOGGED_CHARACTERS = 300
"""The most characters of a failure's message in the log; it is the plugin's own text."""

log = structlog.get_logger()


def placed(message: str, place: str | None) -> str:
    """The message, with the line of the plugin's own code that it came from, if that is known."""
    return message if place is None else f"{message} ({place})"


def _why_no_result(outcome: Outcome) -> str | None:
    """The reason why a frame has no result of the plugin; None if the plugin has not failed on it."""
    match outcome:
        case Lost(death=death):
            return placed(death.message, death.place)
        case Raised(message=message, place=place):
            return placed(message, place)
        case Done(result=None, fault=fault):
            return fault
        case _:
            return None


class StageJudge:
    """Judges each outcome, in the order of the frames; its figures go on over all runs of the stage."""

    def __init__(
        self,
        spec: StageSpec,
        voice: StageVoice,
        *,
        inspector: Inspector,
        device_health: DeviceHealth,
        record: PluginRecord,
        call_off: Callable[[], None],
    ) -> None:
        """``call_off`` ends the work on all frames, once the plugin is disabled."""
        self.device = spec.device
        """The device in use now."""
        self.fallback_reason: str | None = None
        """The reason why it is not the device of the spec; None if it is."""
        self.breaker = Breaker(spec.max_failures, spec.max_errors)
        self.log = StageLog(spec.job_id, record)
        self.status: StageStatus | None = None
        self.frames = 0
        """The frames that the plugin has answered."""
        self.restarts = 0
        self.final: bytes | None = None
        """The result of ``finalize``."""
        self._spec = spec
        self._voice = voice
        self._inspector = inspector
        self._device_health = device_health
        self._record = record
        self._call_off = call_off
        self._health = StageHealth()

    def restore(self, past: StageState, output: str) -> None:
        """Go on with the figures and the output of an earlier server. A plugin that was disabled stays so."""
        self.frames, self.restarts = past.frames, past.restarts
        if past.status == "failed":
            self.status = "failed"
            self.breaker.disable()
        self._health.restore(past)
        self.log.restore(past, output)

    @property
    def health(self) -> Health:
        """The plugin's health in this stage."""
        if self.breaker.disabled or (self.status == "completed" and self._health.useless):
            return "failed"
        return "degraded" if self._health.ailing or self.breaker.restart_delay_s else "ok"

    # Frames

    async def judge(self, outcome: Outcome, flight: Flight) -> None:
        """Make of the outcome of a frame what follows from it."""
        ticket = flight.ticket
        if (why := _why_no_result(outcome)) is not None:
            ticket.errors[self._spec.plugin] = why[:MESSAGE_CHARACTERS]
        self._judge_health(outcome, failed=why is not None)
        if isinstance(outcome, Lost):
            await self.lose(outcome, ticket.frame_id)
            return
        self.frames += 1
        self._record.run.add(outcome.run_ms / 1000)
        if isinstance(outcome, Raised):
            await self._note_raised(outcome, outcome.message, ticket.frame_id)
            await self.note_disabled(ticket.frame_id)
        else:
            self.breaker.succeeded()
            await self._take_result(outcome, flight)
        if not self.breaker.disabled:
            await self.say("running", outcome.run_ms)

    def _judge_health(self, outcome: Outcome, *, failed: bool) -> None:
        if isinstance(outcome, Lost) and outcome.death.blameless:
            return
        if failed:
            self._health.failed()
        else:
            self._health.done(flawed=isinstance(outcome, Done) and outcome.fault is not None)

    async def _take_result(self, answer: Done, flight: Flight) -> None:
        ticket = flight.ticket
        if answer.fault is not None:
            await self._note_bad_result(answer.fault, ticket.frame_id)
        for event in answer.events:
            ticket.add_event(self._spec.plugin, event)
        if answer.result is not None:
            ticket.results[self._spec.plugin] = answer.result
            await self._voice.result(
                ticket, answer.result, device=flight.device, run_ms=answer.run_ms, queue_ms=flight.queue_ms
            )
        if self._inspector.over_budget(self._spec.plugin, answer.run_ms):
            self._health.slow = True
            message = f"a frame took {answer.run_ms:.1f} ms, more than its latency budget"
            await self.warn(Code.PLUGIN_SLOW, message, "low", ticket.frame_id)

    async def judge_sum(self, outcome: Outcome) -> None:
        """Make of the outcome of ``finalize`` what follows from it."""
        if not isinstance(outcome, Done) or outcome.fault is not None:
            self._health.failed_to_sum_up()
        if isinstance(outcome, Lost):
            await self.note_loss(outcome, None)
        elif isinstance(outcome, Raised):
            await self._note_raised(outcome, f"finalize: {outcome.message}", None)
        else:
            await self._take_sum(outcome)

    async def _take_sum(self, answer: Done) -> None:
        if answer.fault is not None:
            await self._note_bad_result(f"finalize: {answer.fault}", None)
        if answer.result is not None:
            self.final = answer.result
            await self._voice.partial(answer.result)

    async def note_unmerged(self, reason: str) -> None:
        """Note that what several processes of it returned from ``finalize`` has not become one result."""
        self._health.failed_to_sum_up()
        message = f"merge: {reason}"
        self.log.note_failure(Code.PLUGIN_ERROR, message, "", None)
        await self.warn(Code.PLUGIN_ERROR, message, "medium", None)

    # Notes, which are told at once

    async def hear(self, note: protocol.Note, frame_id: str | None) -> None:
        """Tell what the plugin says while it works."""
        if isinstance(note, protocol.Unsaved):
            code = Code.PLUGIN_ERROR if note.traceback else Code.PLUGIN_BAD_RESULT
            self.log.note_failure(code, note.message, note.traceback, frame_id)
            await self.warn(code, placed(note.message, note.place), "medium", frame_id)
        else:
            await self._voice.note(note, frame_id)

    # The device

    async def avoid_failed_device(self) -> None:
        """Begin on the CPU if the device has failed under this plugin recently."""
        reason = self._device_health.why_not(self._spec.plugin, self.device)
        if reason is not None:
            await self._use_cpu(reason, None)

    async def fall_back(self, replica: Replica, message: str, frame_id: str | None) -> None:
        """Note a failure of the device, which does not count as the plugin's; its next process runs on the CPU."""
        self._device_health.note_failure(self._spec.plugin, replica.device, message)
        await replica.end()
        if self.device != CPU:  # else another replica had it fail before
            await self._use_cpu(f"{self.device} failed: {message}", frame_id)

    async def _use_cpu(self, reason: str, frame_id: str | None) -> None:
        self.device, self.fallback_reason = CPU, reason
        self._record.fallbacks += 1
        message = f"runs on the CPU from here on, because {reason}"
        await self.warn(Code.DEVICE_FALLBACK, message, "medium", frame_id)

    # Failures

    def note_restart(self) -> None:
        """Count a process that is started for one that has ended."""
        self.restarts += 1
        self.log.note_restart()

    async def lose(self, lost: Lost, frame_id: str | None) -> None:
        """Note the loss of a process at a frame, and what follows for the plugin."""
        await self.note_loss(lost, frame_id)
        await self.note_disabled(frame_id)

    async def note_loss(self, lost: Lost, frame_id: str | None) -> None:
        """Count a process that died or failed, and warn."""
        death = lost.death
        if death.blameless:
            self.breaker.lost()
        else:
            self.breaker.died()
        self.log_loss(death, frame_id)
        if not death.blameless:
            self.log.note_death(death.code, death.message, death.traceback, frame_id, lost.last_words)
        await self.warn(death.code, placed(death.message, death.place), "high", frame_id)

    def log_loss(self, death: PluginDied, frame_id: str | None) -> None:
        """Write the end of a process to the server's log."""
        log.warning(
            "a plugin's process has ended",
            job_id=self._spec.job_id,
            plugin=self._spec.plugin,
            code=death.code,
            reason=death.message[:LOGGED_CHARACTERS],
            frame_id=frame_id,
        )

    async def note_disabled(self, frame_id: str | None) -> None:
        """Say that the job goes on without the plugin, if so. Not for ``finalize``: after it nothing goes on."""
        if self.breaker.disabled and self.status != "failed":
            self._record.disabled += 1
            log.warning("a plugin is disabled for its job", job_id=self._spec.job_id, plugin=self._spec.plugin)
            message = f"failed {self.log.failures} times, the last ones in a row; this job goes on without it"
            await self.warn(Code.PLUGIN_DISABLED, message, "high", frame_id)
            await self.say("failed")
            self._call_off()

    async def _note_raised(self, answer: Raised, message: str, frame_id: str | None) -> None:
        """Count an exception of the plugin, whose process goes on."""
        self.breaker.raised()
        self.log.note_failure(Code.PLUGIN_ERROR, message, answer.traceback, frame_id)
        await self.warn(Code.PLUGIN_ERROR, placed(message, answer.place), "medium", frame_id)

    async def _note_bad_result(self, fault: str, frame_id: str | None) -> None:
        """Count a result that JSON cannot represent, in whole or in part."""
        self.log.note_failure(Code.PLUGIN_BAD_RESULT, fault, "", frame_id)
        await self.warn(Code.PLUGIN_BAD_RESULT, fault, "medium", frame_id)

    # Messages to clients

    async def say(self, status: StageStatus, timing_ms: float | None = None) -> None:
        """Tell the status of the stage; ``timing_ms`` is the plugin's time for the last frame."""
        self.status = status
        self._record.health = health = self.health
        await self._voice.status(status, health, self.frames, timing_ms)

    async def warn(self, code: Code, message: str, severity: Severity, frame_id: str | None) -> None:
        """Count a warning, and tell it unless it repeats others."""
        await self._voice.warn(code, message, severity, frame_id)
