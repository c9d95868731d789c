"""ToolRunner: one stage of a job, that is one plugin at work in a worker process of its own.

Everything that goes wrong in the plugin ends here as a warning; nothing of it leaves as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeGuard

import attrs
import msgspec
import trio

from kinora.actors.breaker import Breaker
from kinora.actors.device_health import DeviceHealth
from kinora.actors.inspector import PluginInspector
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
from kinora.actors.plugin_records import PluginRecord
from kinora.actors.stage_log import StageLog
from kinora.actors.ticket import FrameTicket
from kinora.actors.warnings import WarningLog
from kinora.plugins import protocol
from kinora.plugins.api import Severity
from kinora.plugins.devices import CPU
from kinora.plugins.results import MAX_RESULT_BYTES
from kinora.runtime.channel import ProtocolError
from kinora.runtime.frames import FrameRing
from kinora.runtime.workers import ForkServer, ForkServerGone, Worker, WorkerGone

WORKER_TARGET = "kinora.plugins.worker:main"
FINALIZE_TIMEOUT_MS = 30_000
"""Or as long as ``prepare`` gets, if that is less."""
ADDRESS_SPACE_FACTOR = 4
"""Threads, allocators and mapped files reserve more than they use."""
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode
STOP_LIMIT_S = 15.0
"""More than a worker's stop takes at worst, its grace included."""


class _Died(Exception):
    """The plugin's process is of no more use; ``code`` and ``message`` say why."""

    def __init__(self, code: Code, message: str, traceback: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.traceback = traceback


@attrs.frozen(kw_only=True)
class StageSpec:
    """What a stage is to do, and within which limits."""

    job_id: str
    plugin: str
    origin: protocol.Origin
    options: Mapping[str, Any]
    device: str
    models_dir: Path
    plugin_timeout_ms: int
    prepare_timeout_ms: int
    max_failures: int
    max_errors: int
    grace_s: float
    """What its process gets to end by itself."""
    threads: int
    """How many its libraries may use."""
    memory_limit: int | None
    """Bytes that its process and what that starts may have resident, if the plugin has said so."""

    @property
    def address_space(self) -> int | None:
        """A hard cap, for what a plugin takes at one stroke between two looks at its resident memory.

        Only on the CPU and with a limit of the plugin's own: CUDA reserves far more address space than it uses, and so
        may any library; who declares a limit says that this one does not.
        """
        if self.memory_limit is None or self.device != "cpu":
            return None
        return ADDRESS_SPACE_FACTOR * self.memory_limit


class ToolRunner:
    """Runs one plugin over the frames of one job, in order, and publishes what comes of it."""

    def __init__(
        self,
        spec: StageSpec,
        *,
        fork_server: ForkServer,
        inspector: PluginInspector | None,
        warnings: WarningLog,
        publish: Callable[[Payload], object],
        device_health: DeviceHealth,
        record: PluginRecord,
    ) -> None:
        self.spec = spec
        self.device = spec.device
        """What it runs on now."""
        self.fallback_reason: str | None = None
        """Why that is not what it was given."""
        self.stuck: int | None = None
        """The pid of a process that could not be killed."""
        self._fork_server = fork_server
        self._inspector = inspector
        self._warnings = warnings
        self._publish = publish
        self._device_health = device_health
        self._record = record
        self._log = StageLog(spec.job_id, record)
        self._breaker = Breaker(spec.max_failures, spec.max_errors)
        self._worker: Worker | None = None
        self._ring: FrameRing | None = None
        self._status: StageStatus | None = None
        self._frames = 0
        self._restarts = 0
        self._slow = False
        self._final: bytes | None = None

    async def run(
        self,
        ring: FrameRing,
        inbox: trio.MemoryReceiveChannel[FrameTicket],
        outbox: trio.MemorySendChannel[FrameTicket],
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Prepare the plugin, say so, put each frame through it and pass it on, then let it sum up.

        Returns when the inbox has ended. However this ends, the worker process is gone (see ``stuck``).
        """
        self._ring = ring
        with inbox, outbox:
            try:
                self._say("started")
                self._avoid_failed_device()
                await self._ensure_worker()
                task_status.started()
                async for ticket in inbox:
                    await self._process(ticket)
                    ticket.queued_at = trio.current_time()
                    await outbox.send(ticket)
                await self._finalize()
            finally:
                with trio.move_on_after(STOP_LIMIT_S, shield=True):
                    await self._stop_worker()

    def state(self) -> StageState:
        """What ``/extended`` says of this stage."""
        inspector, plugin = self._inspector, self.spec.plugin
        return StageState(
            status=self._status or "waiting",
            frames=self._frames,
            failures=self._breaker.failures,
            restarts=self._restarts,
            queue_ms=inspector.queue_ms(plugin) if inspector is not None else None,
            run_ms=inspector.run_ms(plugin) if inspector is not None else None,
            health=self._health,
            device_used=self.device,
            finalize=msgspec.Raw(self._final or b"null"),
            last_error=self._log.last_error,
        )

    @property
    def log(self) -> str:
        """What the plugin has printed, the last of it."""
        return self._log.text(self._worker)

    def current(self) -> PluginStatusPayload | None:
        """Its state as a message, for a client that has just come; None before it has begun."""
        return self._status_payload(self._status, None) if self._status is not None else None

    @property
    def _health(self) -> Health:
        if self._breaker.disabled:
            return "failed"
        return "degraded" if self._slow or self._breaker.restart_delay_s else "ok"

    async def _process(self, ticket: FrameTicket) -> None:
        """One frame: its result goes into the ticket if there is one."""
        await self._ensure_worker()
        if self._breaker.disabled:
            return
        queue_ms = (trio.current_time() - ticket.queued_at) * 1000
        if self._inspector is not None:
            self._inspector.add_queue(self.spec.plugin, queue_ms)
        request = protocol.Process(
            slot=ticket.slot,
            index=ticket.index,
            timestamp_ms=ticket.timestamp_ms,
            width=ticket.width,
            height=ticket.height,
            results=ticket.results,
        )
        answer = await self._look(request, ticket.frame_id)
        if answer is None:
            return
        self._frames += 1
        self._take(answer, ticket, queue_ms)
        if not self._breaker.disabled:
            self._say("running", answer.run_ms)

    async def _look(self, request: protocol.Process, frame_id: str) -> protocol.Done | protocol.Raised | None:
        """Have the plugin look at a frame; once more, on the CPU, if its device fails over it."""
        answer = await self._attempt(request, self.spec.plugin_timeout_ms, frame_id)
        if not self._blames_device(answer):
            return answer
        await self._fall_back(answer.message, frame_id)
        await self._ensure_worker()
        if self._breaker.disabled:
            return None
        return await self._attempt(request, self.spec.plugin_timeout_ms, frame_id)

    def _take(self, answer: protocol.Done | protocol.Raised, ticket: FrameTicket, queue_ms: float) -> None:
        """Judge an answer about a frame."""
        if isinstance(answer, protocol.Raised):
            self._raised(answer, answer.message, ticket.frame_id)
            self._note_disabled(ticket.frame_id)
            return
        self._breaker.succeeded()
        if answer.fault is not None:
            self._warn(Code.PLUGIN_BAD_RESULT, answer.fault, "medium", ticket.frame_id)
        if answer.result is not None:
            ticket.results[self.spec.plugin] = answer.result
            self._publish(self._frame_payload(ticket, answer.result, answer.run_ms, queue_ms))
        if self._inspector is not None and self._inspector.over_budget(self.spec.plugin, answer.run_ms):
            self._slow = True
            message = f"a frame took {answer.run_ms:.1f} ms, more than its latency budget"
            self._warn(Code.PLUGIN_SLOW, message, "low", ticket.frame_id)

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
            image_url=f"/v1/jobs/{self.spec.job_id}/frames/{ticket.index}.jpg",
            pictured=ticket.pictured,
        )

    async def _finalize(self) -> None:
        """Its frames are done whatever happens here; a stage that was given up has said ``failed`` already."""
        if self._breaker.disabled:
            return
        if self._worker is not None:
            timeout_ms = min(FINALIZE_TIMEOUT_MS, self.spec.prepare_timeout_ms)
            answer = await self._attempt(protocol.Finalize(), timeout_ms, None)
            if isinstance(answer, protocol.Raised):
                self._raised(answer, f"finalize: {answer.message}", None)
            elif answer is not None and answer.fault is not None:
                self._warn(Code.PLUGIN_BAD_RESULT, f"finalize: {answer.fault}", "medium", None)
            if isinstance(answer, protocol.Done) and answer.result is not None:
                self._final = answer.result
                self._publish_partial(answer.result)
        self._say("completed")

    async def _ensure_worker(self) -> None:
        """Have a prepared worker, unless the plugin is or gets disabled."""
        while self._worker is None and not self._breaker.disabled:
            await trio.sleep(self._breaker.restart_delay_s)
            if self._breaker.failures:
                self._restarts += 1
                self._log.note_restart()
            answer = await self._attempt(self._prepare_request(), self.spec.prepare_timeout_ms, None)
            if self._blames_device(answer):
                await self._fall_back(answer.message, None)
            elif isinstance(answer, protocol.Raised):
                await self._lost(_Died(Code.PLUGIN_ERROR, f"prepare: {answer.message}", answer.traceback), None)

    def _avoid_failed_device(self) -> None:
        """Begin on the CPU if the device has failed under this plugin a short while ago."""
        reason = self._device_health.why_not(self.spec.plugin, self.device)
        if reason is not None:
            self._use_cpu(reason, None)

    def _blames_device(self, answer: protocol.Done | protocol.Raised | None) -> TypeGuard[protocol.Raised]:
        return isinstance(answer, protocol.Raised) and answer.device_failed and self.device != CPU

    async def _fall_back(self, message: str, frame_id: str | None) -> None:
        """Its device has failed, which is no failure of the plugin: the next worker runs on the CPU."""
        self._device_health.note_failure(self.spec.plugin, self.device, message)
        await self._stop_worker()
        self._use_cpu(f"{self.device} failed: {message}", frame_id)

    def _use_cpu(self, reason: str, frame_id: str | None) -> None:
        self.device, self.fallback_reason = CPU, reason
        self._warn(Code.DEVICE_FALLBACK, f"on the CPU from here on, for {reason}", "medium", frame_id)

    def _prepare_request(self) -> protocol.Prepare:
        ring = self._ring
        assert ring is not None  # noqa: S101 - set by run()
        return protocol.Prepare(
            origin=self.spec.origin,
            options=msgspec.json.encode(self.spec.options),
            device=self.device,
            models_dir=str(self.spec.models_dir),
            slots=ring.slots,
            slot_bytes=ring.slot_bytes,
            threads=self.spec.threads,
            address_space=self.spec.address_space,
        )

    async def _attempt(
        self, request: protocol.Request, timeout_ms: int, frame_id: str | None
    ) -> protocol.Done | protocol.Raised | None:
        """Have the worker do something; None if it died over it, which has then been seen to."""
        if self._inspector is not None:
            self._inspector.start_timing(self.spec.plugin)
        run_ms = None
        try:
            answer = await self._call(request, timeout_ms, frame_id)
            run_ms = answer.run_ms
        except _Died as death:
            await self._lost(death, frame_id)
            return None
        finally:
            if self._inspector is not None:
                self._inspector.stop_timing(self.spec.plugin, run_ms, frame=isinstance(request, protocol.Process))
        return answer

    async def _call(
        self, request: protocol.Request, timeout_ms: int, frame_id: str | None
    ) -> protocol.Done | protocol.Raised:
        with trio.move_on_after(timeout_ms / 1000):
            try:
                worker = await self._send(request)
                while True:
                    match _checked(protocol.decode_answer(await worker.receive())):
                        case protocol.Warned(message=message, severity=severity):
                            self._warn(Code.PLUGIN_WARNING, message, severity, frame_id)
                        case protocol.Partial(result=result):
                            self._publish_partial(result)
                        case protocol.Done() | protocol.Raised() as answer:
                            return answer
                        case _:
                            raise _Died(Code.PLUGIN_CRASH, "its process answered what it was not asked")
            except WorkerGone as error:
                raise _Died(Code.PLUGIN_MEMORY if error.over_memory else Code.PLUGIN_CRASH, str(error)) from error
            except ForkServerGone as error:
                raise _Died(Code.PLUGIN_CRASH, str(error)) from error
            except (ProtocolError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise _Died(Code.PLUGIN_CRASH, "its process sent bytes that are no message") from error
        raise _Died(Code.PLUGIN_TIMEOUT, f"no answer within {timeout_ms} ms; its process was killed")

    async def _send(self, request: protocol.Request) -> Worker:
        """Send a request to the worker, which is started for ``Prepare``."""
        if isinstance(request, protocol.Prepare):
            assert self._ring is not None  # noqa: S101 - set by run()
            name = f"{self.spec.job_id}/{self.spec.plugin}"
            self._worker = await self._fork_server.fork(WORKER_TARGET, name, self.spec.memory_limit)
            await self._worker.send(protocol.encode(request), [self._ring.fd])
            return self._worker
        assert self._worker is not None  # noqa: S101 - see _ensure_worker()
        await self._worker.send(protocol.encode(request))
        return self._worker

    def _raised(self, answer: protocol.Raised, message: str, frame_id: str | None) -> None:
        """The plugin's own failure; its process is sound."""
        self._breaker.raised()
        self._log.note_failure(Code.PLUGIN_ERROR, message, answer.traceback, frame_id)
        self._warn(Code.PLUGIN_ERROR, message, "medium", frame_id)

    async def _lost(self, death: _Died, frame_id: str | None) -> None:
        """The worker is of no more use: see that it is gone, say so, and decide whether to go on."""
        self._breaker.died()
        await self._stop_worker()
        self._log.note_death(death.code, death.message, death.traceback, frame_id)
        self._warn(death.code, death.message, "high", frame_id)
        self._note_disabled(frame_id)

    def _note_disabled(self, frame_id: str | None) -> None:
        if self._breaker.disabled and self._status != "failed":
            message = f"failed {self._breaker.failures} times, the last ones in a row; this job goes on without it"
            self._warn(Code.PLUGIN_DISABLED, message, "high", frame_id)
            self._say("failed")

    async def _stop_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None:
            return
        try:
            if not await worker.stop(self.spec.grace_s):
                self.stuck = worker.pid
        finally:
            self._log.take(worker)

    def _say(self, status: StageStatus, timing_ms: float | None = None) -> None:
        self._status = status
        self._record.health = self._health
        self._publish(self._status_payload(status, timing_ms))

    def _status_payload(self, status: StageStatus, timing_ms: float | None) -> PluginStatusPayload:
        return PluginStatusPayload(
            job_id=self.spec.job_id,
            plugin=self.spec.plugin,
            status=status,
            timing_ms=round(timing_ms, 1) if timing_ms is not None else None,
            frames_processed=self._frames,
            warnings_count=self._warnings.count(self.spec.plugin),
            health=self._health,
        )

    def _publish_partial(self, result: bytes) -> None:
        self._publish(
            PartialResultPayload(job_id=self.spec.job_id, plugin=self.spec.plugin, result=msgspec.Raw(result))
        )

    def _warn(self, code: Code, message: str, severity: Severity, frame_id: str | None) -> None:
        shown = self._warnings.add(self.spec.plugin, code, message, severity, frame_id)
        if shown is not None:
            self._publish(shown)


def _checked(answer: protocol.Answer | protocol.Note) -> protocol.Answer | protocol.Note:
    """The answer, if its result is an object in JSON: a worker process is the plugin's, and so not to be trusted.

    The JSON is read but not turned into objects, which would take the event loop ten times as long.

    Raises:
        ProtocolError: it is no object, or too large.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is no JSON, no text, or nested without end.
    """
    result = answer.result if isinstance(answer, protocol.Done | protocol.Partial) else None
    if result is not None:
        if len(result) > MAX_RESULT_BYTES or not result.startswith(b"{"):
            raise ProtocolError("the process sent a result that is no object, or too large")
        _decode_raw(result)
        result.decode()
    return answer
