"""ToolRunner: one stage of a job, which runs one plugin over the frames.

All failures of the plugin become warnings here; none of them leaves as an exception.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import time_ns

import attrs
import msgspec
import structlog
import trio

from kinora.actors.batching import Batching
from kinora.actors.breaker import Breaker
from kinora.actors.crew import Crew
from kinora.actors.device_health import DeviceHealth
from kinora.actors.gathering import gather
from kinora.actors.inspector import Inspector
from kinora.actors.job_ring import JobRing
from kinora.actors.job_trace import JobTrace, NoTrace, StageStep
from kinora.actors.messages import Code, Health, StageStatus
from kinora.actors.models import StageState
from kinora.actors.plugin_process import PluginDied, Process
from kinora.actors.plugin_records import PluginRecord
from kinora.actors.replica import Lost, Outcome, Replica
from kinora.actors.stage_log import StageLog
from kinora.actors.stage_memory import StageMemory
from kinora.actors.stage_spec import REORDER_FRAMES, StageSpec
from kinora.actors.stage_voice import StageVoice, Tell
from kinora.actors.ticket import FrameTicket, Inbox
from kinora.actors.warnings import WarningLog
from kinora.plugins import protocol
from kinora.plugins.api import PluginMetadata, Severity
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import BatchDone, Done, Raised
from kinora.runtime.cores import Cores
from kinora.runtime.sending import receive, send

LOGGED_CHARACTERS = 300
"""The most characters of a failure's message in the log; it is the plugin's own text."""

log = structlog.get_logger()


@attrs.define(eq=False, kw_only=True)
class _Flight:
    """One frame on its way through the stage, alone or in a batch."""

    ticket: FrameTicket
    queue_ms: float
    replica: Replica | None = None
    """The one that processes it and comes back to the crew after it; None if there is none."""
    scope: trio.CancelScope | None = None
    """Around the work on it, if others are under way at the same time."""
    outcome: Outcome | None = None
    """None also if the plugin was disabled before there was one."""
    device: str = CPU
    """The device that it was processed on."""
    done: bool = False
    judged: trio.Event | None = None
    """Set once what follows from the outcome has been done, if somebody waits for that."""
    began_ns: int = 0
    ended_ns: int = 0


class ToolRunner:
    """Runs one plugin over the frames of one job, and reports its results and failures in the order of the frames.

    Several replicas may be at work on different frames. What a plugin says itself, by notes, is told at once.
    """

    def __init__(
        self,
        spec: StageSpec,
        *,
        make_process: Callable[[int], Process],
        cores: Cores,
        inspector: Inspector,
        warnings: WarningLog,
        device_health: DeviceHealth,
        record: PluginRecord,
        trace: JobTrace | None = None,
    ) -> None:
        """``make_process`` makes the process of the replica with a number, which counts from 0."""
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
        self._batching = Batching(spec)
        self._log = StageLog(spec.job_id, record)
        self._breaker = Breaker(spec.max_failures, spec.max_errors)
        self._metadata: PluginMetadata | None = None
        """What the inspector says about the plugin once the stage has started; None if it is unavailable."""
        self._status: StageStatus | None = None
        self._memory = StageMemory()
        """What the plugin knew last, if it remembers and has one process."""
        self._make_process = make_process
        self._crew = Crew(spec, self._make_replica, cores)
        self._flights: deque[_Flight] = deque()
        """The frames in the stage, in order."""
        self._landing = False
        """True while a task judges the frames that are done."""
        self._growing: trio.CancelScope | None = None
        """Around the preparation of another replica."""
        self._frames = 0
        self._restarts = 0
        self._slow = False
        self._anew = False
        """True if the plugin has seen frames, and its new process has not."""
        self._final: bytes | None = None

    async def run(
        self,
        ring: JobRing,
        inbox: Inbox,
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
            self._inbox, self._outbox = inbox, outbox
            try:
                if not self._breaker.disabled:
                    await self._say("started")
                await self._avoid_failed_device()
                await self._ensure_prepared(self._crew.replicas[0])
                task_status.started()
                await self._take_frames(inbox)
                await self._finalize()
            finally:
                await self._end()  # noqa: ASYNC102 - it shields itself and bounds each wait

    async def _hear(self, note: protocol.Note, frame_id: str | None) -> None:
        if isinstance(note, protocol.Unsaved) and note.traceback:
            self._log.note_failure(Code.PLUGIN_ERROR, note.message, note.traceback, frame_id)
        await self._voice.note(note, frame_id)

    async def _end(self) -> None:
        with trio.CancelScope(shield=True):  # every wait in it has a deadline
            await self._crew.end()
        self._memory.close()
        self._crew.reset()
        self._flights.clear()
        self._landing, self._growing = False, None

    def _make_replica(self, number: int) -> Replica:
        return Replica(
            self.spec,
            self._make_process(number),
            inspector=self._inspector,
            log=self._log,
            hear=self._hear,
            number=number,
            memory=self._memory if self.spec.replicas == 1 else None,
        )

    async def take_up(self, index: int, state: bytes | None) -> None:
        """Before :meth:`run`, give the plugin the state after a stored frame, or None if it has stored none."""
        await self._memory.take_up(index, state)

    @property
    def remembers(self) -> bool:
        """True while the plugin has a state that can be saved."""
        return self._memory.remembers and not self._breaker.disabled

    async def save(self) -> bytes | None:
        """While no frame is in the stage, return the plugin's state after the last one; None if it gives none."""
        state = await self._crew.replicas[0].save()
        if not isinstance(state, Lost):
            return state
        await self._note_loss(state, None)
        return None

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
            every=self.spec.every,
            side=self.spec.side,
            status=self._status or "waiting",
            frames=self._frames,
            failures=self._breaker.failures,
            restarts=self._restarts,
            replicas=self.replicas,
            queue_ms=inspector.queue_ms(plugin),
            run_ms=inspector.run_ms(plugin),
            health=self._health,
            device_used=self.device,
            finalize=msgspec.Raw(self._final or b"null"),
            last_error=self._log.last_error,
            errors=self._log.errors,
        )

    @property
    def replicas(self) -> int:
        """The number of processes that take frames now."""
        return self._crew.prepared

    @property
    def log(self) -> str:
        """The end of the plugin's output."""
        return self._log.text(self._crew.output)

    @property
    def _health(self) -> Health:
        if self._breaker.disabled:
            return "failed"
        return "degraded" if self._slow or self._breaker.restart_delay_s else "ok"

    # The frames

    async def _take_frames(self, inbox: Inbox) -> None:
        """Give each frame to a replica; return when all frames have left the stage."""
        async with trio.open_nursery() as nursery:
            while (ticket := await receive(inbox)) is not None:
                if ticket.stored is None:
                    await self._take_frame(ticket, nursery)
                else:
                    await self._see_again(ticket, ticket.stored)
            self._crew.grow_no_further()
            if self._growing is not None:
                self._growing.cancel(reason="there are no more frames")

    async def _see_again(self, ticket: FrameTicket, stored: Mapping[str, bytes]) -> None:
        """Show a stored frame to a plugin that has taken up its state, so that it knows what it knew when it ended.

        These frames come before all others; no other one is in the stage.
        """
        self._ring = ticket.ring
        turn = ticket.is_turn_of(self.spec.every) and self._memory.begun_with is not None
        if turn and (replica := await self._next_replica()) is not None:
            outcome = await self._process_frame(replica, ticket)
            if isinstance(outcome, Lost):
                await self._note_loss(outcome, ticket.frame_id)
                await self._note_disabled(ticket.frame_id)
            self._crew.give_back(replica)
        if (result := stored.get(self.spec.plugin)) is not None:
            ticket.results[self.spec.plugin] = result
        ticket.queued_at = trio.current_time()
        await send(self._outbox, ticket)

    async def _take_frame(self, ticket: FrameTicket, nursery: trio.Nursery) -> None:
        """Begin with a frame, once there is a replica for it, and with others that go with it in a batch.

        While there is only one replica, and no other on its way, return when the frame is done: that costs no task.
        """
        if not ticket.is_turn_of(self.spec.every):
            await self._let_pass(ticket)
            return
        self._ring = ticket.ring
        replica = await self._next_replica()
        alone = replica is None or self.spec.max_batch == 1
        tickets = [ticket] if alone else await gather(ticket, self._inbox, self._batching)
        taken = [self._flight(ticket, replica) for ticket in tickets]
        self._flights.extend(taken)
        flights = [flight for flight in taken if not flight.done]
        if replica is None:
            await self._land()
        elif len(self._crew.replicas) == 1 and self._growing is None:
            await self._fly(flights, replica, nursery)
        else:
            if len(flights) == 1:
                flights[0].scope = trio.CancelScope()
            nursery.start_soon(self._fly, flights, replica, nursery)

    def _flight(self, ticket: FrameTicket, replica: Replica | None) -> _Flight:
        queue_ms = (trio.current_time() - ticket.queued_at) * 1000
        if replica is None or not ticket.is_turn_of(self.spec.every):
            return _Flight(ticket=ticket, queue_ms=queue_ms, done=True)
        flight = _Flight(ticket=ticket, queue_ms=queue_ms, replica=replica)
        self._inspector.add_queue(self.spec.plugin, queue_ms)
        self._record.queue.add(queue_ms / 1000)
        flight.began_ns = time_ns() if self._trace.samples(ticket.index) else 0
        return flight

    async def _let_pass(self, ticket: FrameTicket) -> None:
        """Pass a frame on untouched, behind those that are under way."""
        while not self._has_room:
            await self._crew.wait()
        if ticket.marked and self.spec.replicas == 1 and not self._breaker.disabled:
            await self._save_into(ticket, self._crew.replicas[0])
        self._flights.append(_Flight(ticket=ticket, queue_ms=0.0, done=True))
        await self._land()

    @property
    def _has_room(self) -> bool:
        most = (len(self._crew.replicas) + REORDER_FRAMES) * self._batching.most(self._ring)
        return len(self._flights) < most

    async def _next_replica(self) -> Replica | None:
        """Wait for a replica, and prepare it if need be; None if the plugin is disabled."""
        while not self._breaker.disabled:
            replica = self._crew.pick() if self._has_room else None
            if replica is None:
                await self._crew.wait()
                continue
            if await self._ensure_prepared(replica):
                return replica
            self._crew.give_back(replica)
        return None

    async def _fly(self, flights: Sequence[_Flight], replica: Replica, nursery: trio.Nursery) -> None:
        """Have a replica process a frame or a batch, then judge all frames whose turn it is."""
        if len(flights) > 1:
            await self._fly_together(flights, replica, nursery)
            return
        (flight,) = flights
        await self._fly_alone(flight, replica)
        self._consider_growth([flight.outcome], nursery)
        self._crew.rest(replica)
        if not isinstance(flight.outcome, Lost):
            self._crew.give_back(replica)
        await self._land()

    async def _fly_alone(self, flight: _Flight, replica: Replica) -> None:
        """Have a replica process a frame. If that is called off, its process ends."""
        if flight.scope is None:
            flight.outcome = await self._process_frame(replica, flight.ticket)
        else:
            with flight.scope:
                flight.outcome = await self._process_frame(replica, flight.ticket)
            if flight.scope.cancelled_caught:
                await replica.end()
        self._note_done(flight, replica)

    def _note_done(self, flight: _Flight, replica: Replica) -> None:
        flight.device, flight.done = replica.device, True
        flight.ended_ns = time_ns() if flight.began_ns else 0
        if isinstance(flight.outcome, Done | Raised):
            self._batching.note_run(flight.outcome.run_ms)

    # Several frames at once

    async def _fly_together(self, flights: Sequence[_Flight], replica: Replica, nursery: trio.Nursery) -> None:
        """Have a replica process a batch; if that fails, its frames one by one. Then judge those whose turn it is."""
        device = replica.device
        outcome = await self._process_batch(flights, replica) if self._fits(flights) else None
        if isinstance(outcome, BatchDone):
            self._batching.note_success()
            for flight, answer in zip(flights, outcome.frames, strict=True):
                flight.outcome = answer
                self._note_done(flight, replica)
        else:
            await self._fly_one_by_one(flights, replica)
            if outcome is not None and replica.device == device:
                await self._note_failed_batch(outcome, flights)
        self._consider_growth([flight.outcome for flight in flights], nursery)
        self._crew.rest(replica)
        if not replica.prepared:
            self._crew.dismiss(replica)
        self._crew.give_back(replica)
        await self._land()

    def _fits(self, flights: Sequence[_Flight]) -> bool:
        return self._batching.fits([flight.ticket for flight in flights])

    async def _process_batch(self, flights: Sequence[_Flight], replica: Replica) -> BatchDone | Raised | Lost | None:
        """Have the plugin process frames at once; None if that is called off. Nothing is told of a failure yet."""
        outcome = None
        scope = trio.CancelScope()
        for flight in flights:
            flight.scope, flight.replica = scope, None
        await self._tell_begun_anew(flights[0].ticket.frame_id)
        with scope:
            outcome = await replica.process_batch([flight.ticket for flight in flights], self._crew.threads())
        if scope.cancelled_caught:
            await replica.end()
        if isinstance(outcome, Lost):
            # Which frame is to blame is not known yet: nothing counts against the plugin, and it starts again at once.
            self._restarts += 1
            self._log.note_restart()
            self._log_loss(outcome.death, flights[0].ticket.frame_id)
        return outcome

    async def _fly_one_by_one(self, flights: Sequence[_Flight], replica: Replica) -> None:
        """Have a replica process the frames of a batch that failed. It stays theirs, whatever comes of its process."""
        for flight in flights:
            flight.scope, flight.replica, flight.judged = trio.CancelScope(), None, trio.Event()
            if await self._ensure_prepared(replica):
                await self._fly_alone(flight, replica)
            flight.done = True
            await self._land()
            if not isinstance(flight.outcome, Done):
                await flight.judged.wait()  # the next attempt depends on what follows from it

    async def _note_failed_batch(self, outcome: Raised | Lost, flights: Sequence[_Flight]) -> None:
        """Tell of a batch that failed though each of its frames succeeds alone; else a frame's failure was told."""
        if not all(isinstance(flight.outcome, Done) and flight.outcome.fault is None for flight in flights):
            self._batching.note_success()
            return
        if isinstance(outcome, Lost) and outcome.death.blameless:
            return
        cause = outcome.death if isinstance(outcome, Lost) else outcome
        code = outcome.death.code if isinstance(outcome, Lost) else Code.PLUGIN_ERROR
        message = (
            f"a batch of {len(flights)} frames failed, and none of them alone: {_placed(cause.message, cause.place)}"
        )
        if self._batching.note_fruitless():
            message += "; its frames come one by one from here on"
        frame_id = flights[0].ticket.frame_id
        self._log.note_failure(code, message, cause.traceback, frame_id)
        await self._warn(code, message, "medium", frame_id)

    # One frame

    async def _process_frame(self, replica: Replica, ticket: FrameTicket) -> Outcome | None:
        """Have the plugin process a frame; if its device fails, once more on the CPU. None if it was disabled there.

        Once more, too, if its process was killed from outside and its state is at hand: the plugin did nothing.
        """
        await self._tell_begun_anew(ticket.frame_id)
        outcome = await replica.process(ticket, self._crew.threads())
        if isinstance(outcome, Lost) and outcome.death.from_outside and self._memory.current:
            await self._note_loss(outcome, ticket.frame_id)
        elif replica.blames_device(outcome):
            await self._fall_back(replica, outcome.message, ticket.frame_id)
        else:
            return outcome
        if not await self._ensure_prepared(replica):
            return None
        await self._tell_begun_anew(ticket.frame_id)
        return await replica.process(ticket, self._crew.threads())

    async def _land(self) -> None:
        """Judge the frames that are done and follow no other that is not, and pass them on.

        One task does so at a time, for all of them.
        """
        if self._landing:
            return
        self._landing = True
        while self._flights and self._flights[0].done:
            flight = self._flights[0]
            await self._finish(flight)
            flight.ticket.queued_at = trio.current_time()
            await send(self._outbox, flight.ticket)
            self._flights.popleft()
            if flight.judged is not None:
                flight.judged.set()
            self._crew.changed()
        self._landing = False

    async def _finish(self, flight: _Flight) -> None:
        """Judge a frame, unless an earlier one had the plugin disabled: it would not have been processed then."""
        if flight.began_ns:
            self._trace.add(self._step(flight))
        if not self._breaker.disabled and flight.outcome is not None:
            await self._judge(flight.outcome, flight)
            if flight.ticket.marked and flight.replica is not None:
                await self._save_into(flight.ticket, flight.replica)
        if flight.replica is not None and isinstance(flight.outcome, Lost):
            self._crew.dismiss(flight.replica)
            self._crew.give_back(flight.replica)

    async def _save_into(self, ticket: FrameTicket, replica: Replica) -> None:
        """Add the plugin's state after a marked frame to its ticket, if the plugin remembers."""
        state = await replica.save()
        if isinstance(state, Lost):
            await self._note_loss(state, ticket.frame_id)
            await self._note_disabled(ticket.frame_id)
        elif state is not None:
            ticket.states[self.spec.plugin] = state

    def _call_off(self) -> None:
        """End the work on all frames: the plugin is disabled."""
        for flight in self._flights:
            if flight.scope is not None:
                flight.scope.cancel(reason="the plugin is disabled")
        if self._growing is not None:
            self._growing.cancel(reason="the plugin is disabled")

    def _step(self, flight: _Flight) -> StageStep:
        answered = isinstance(flight.outcome, Done | Raised)
        return StageStep(
            plugin=self.spec.plugin,
            index=flight.ticket.index,
            device=flight.device,
            began_ns=flight.began_ns,
            ended_ns=flight.ended_ns,
            queue_ms=flight.queue_ms,
            fault=getattr(flight.outcome, "message", None) if answered else "its process ended, or was too slow",
        )

    async def _tell_begun_anew(self, frame_id: str) -> None:
        """Warn if the plugin has forgotten earlier frames, and needs them."""
        stateless = self._metadata is not None and self._metadata.stateless
        if self._anew and not stateless:
            memory = self._memory
            if memory.begun_with is None:
                reason = "" if memory.refused is None else f" ({memory.refused})"
                message = f"began anew at this frame: what it knew of earlier ones is lost{reason}"
                await self._warn(Code.STATE_LOST, message, "medium", frame_id)
            elif memory.begun_with != memory.last:
                message = f"goes on from what it knew at frame {memory.begun_with}: what it saw since is lost"
                await self._warn(Code.RESUMED, message, "medium", frame_id)
        self._anew = False

    async def _judge(self, outcome: Outcome, flight: _Flight) -> None:
        """Make of the outcome of a frame what follows from it."""
        frame_id = flight.ticket.frame_id
        if isinstance(outcome, Lost):
            await self._note_loss(outcome, frame_id)
            await self._note_disabled(frame_id)
            return
        self._frames += 1
        self._record.run.add(outcome.run_ms / 1000)
        if isinstance(outcome, Raised):
            await self._note_raised(outcome, outcome.message, frame_id)
            await self._note_disabled(frame_id)
        else:
            self._breaker.succeeded()
            await self._take_result(outcome, flight)
        if not self._breaker.disabled:
            await self._say("running", outcome.run_ms)

    async def _take_result(self, answer: Done, flight: _Flight) -> None:
        ticket = flight.ticket
        if answer.fault is not None:
            await self._note_bad_result(answer.fault, ticket.frame_id)
        if answer.result is not None:
            ticket.results[self.spec.plugin] = answer.result
            await self._voice.result(
                ticket, answer.result, device=flight.device, run_ms=answer.run_ms, queue_ms=flight.queue_ms
            )
        if self._inspector.over_budget(self.spec.plugin, answer.run_ms):
            self._slow = True
            message = f"a frame took {answer.run_ms:.1f} ms, more than its latency budget"
            await self._warn(Code.PLUGIN_SLOW, message, "low", ticket.frame_id)

    # Further replicas

    def _consider_growth(self, outcomes: Sequence[Outcome | None], nursery: trio.Nursery) -> None:
        """Begin to prepare another replica if frames wait for one, after one has come to these outcomes."""
        run_ms = sum(outcome.run_ms for outcome in outcomes if isinstance(outcome, Done | Raised))
        if self._growing is not None or not self._crew.may_grow or not run_ms:
            return
        frames_wait = self._crew.is_waited_for or self._inbox.statistics().current_buffer_used > 0
        if self._crew.is_short(frames_wait=frames_wait, run_s=run_ms / 1000):
            self._growing = trio.CancelScope()
            nursery.start_soon(self._grow, self._growing)

    async def _grow(self, scope: trio.CancelScope) -> None:
        """Prepare another replica. If that fails, the stage goes on with those that it has, and nothing counts.

        If all frames have left the ring, and it is gone, that is left to a later frame.
        """
        replica, ring, outcome = self._crew.candidate(), self._ring, None
        try:
            with scope, ring.kept_open():  # frames may outgrow it meanwhile
                await trio.sleep(self._breaker.restart_delay_s)
                if ring.is_open:
                    outcome = await replica.prepare(self.device, ring)
        finally:
            self._growing = None
            if not isinstance(outcome, Done):
                await replica.end()  # noqa: ASYNC102 - it shields itself and bounds each wait
        if isinstance(outcome, Done):
            if self._crew.join(replica):
                self._restarts += 1
                self._log.note_restart()
        elif outcome is not None:
            await self._note_no_growth(outcome)

    async def _note_no_growth(self, outcome: Lost | Raised) -> None:
        if isinstance(outcome, Lost) and outcome.death.blameless:
            return
        self._crew.grow_no_further()
        code = outcome.death.code if isinstance(outcome, Lost) else Code.PLUGIN_ERROR
        cause = outcome.death.message if isinstance(outcome, Lost) else outcome.message
        message = f"another replica could not be prepared, and the stage goes on without it: {cause}"
        await self._warn(code, message, "low", None)

    # Before and after the frames

    async def _ensure_prepared(self, replica: Replica) -> bool:
        """Start a process and prepare the plugin if need be, again and again until that works or it is disabled.

        Return whether it is prepared.
        """
        while not replica.prepared and not self._breaker.disabled:
            await trio.sleep(self._breaker.restart_delay_s)
            if self._breaker.restart_delay_s:
                self._restarts += 1
                self._log.note_restart()
            outcome = await replica.prepare(self.device, self._ring)
            if isinstance(outcome, Done):
                self._anew = self._frames > 0
                self._batching.note_prepared(outcome.max_batch)
            elif isinstance(outcome, Lost):
                await self._note_loss(outcome, None)
            else:
                await self._fall_back(replica, outcome.message, None)
        await self._note_disabled(None)
        return replica.prepared and not self._breaker.disabled

    async def _finalize(self) -> None:
        """Finalize the plugin, unless it is disabled. A failure here does not affect its frames."""
        if self._breaker.disabled:
            return
        async with trio.open_nursery() as nursery:
            for number, replica in enumerate(self._crew.at_hand()):
                nursery.start_soon(partial(self._finalize_replica, replica, is_first=number == 0))
        await self._say("completed")

    async def _finalize_replica(self, replica: Replica, *, is_first: bool) -> None:
        """Have a replica sum up. Only the first one's result counts: no process of several has seen all frames."""
        outcome = await replica.finalize()
        if isinstance(outcome, Lost):
            await self._note_loss(outcome, None)
        elif isinstance(outcome, Raised):
            await self._note_raised(outcome, f"finalize: {outcome.message}", None)
        elif is_first:
            await self._take_sum(outcome)

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

    async def _fall_back(self, replica: Replica, message: str, frame_id: str | None) -> None:
        """Note a failure of the device, which does not count as the plugin's; its next process runs on the CPU."""
        self._device_health.note_failure(self.spec.plugin, replica.device, message)
        await replica.end()
        if self.device != CPU:  # else another replica had it fail before
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
        self._log_loss(death, frame_id)
        if not death.blameless:
            self._log.note_death(death.code, death.message, death.traceback, frame_id, lost.last_words)
        await self._warn(death.code, _placed(death.message, death.place), "high", frame_id)

    def _log_loss(self, death: PluginDied, frame_id: str | None) -> None:
        log.warning(
            "a plugin's process has ended",
            job_id=self.spec.job_id,
            plugin=self.spec.plugin,
            code=death.code,
            reason=death.message[:LOGGED_CHARACTERS],
            frame_id=frame_id,
        )

    async def _note_disabled(self, frame_id: str | None) -> None:
        """Say that the job goes on without the plugin, if so. Not for ``finalize``: after it nothing goes on."""
        if self._breaker.disabled and self._status != "failed":
            self._record.disabled += 1
            log.warning("a plugin is disabled for its job", job_id=self.spec.job_id, plugin=self.spec.plugin)
            message = f"failed {self._breaker.failures} times, the last ones in a row; this job goes on without it"
            await self._warn(Code.PLUGIN_DISABLED, message, "high", frame_id)
            await self._say("failed")
            self._call_off()

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
