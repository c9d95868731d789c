"""ToolRunner: one stage of a job, which runs one plugin over the frames.

All failures of the plugin become warnings here; none of them leaves as an exception.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import time_ns

import msgspec
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket, Inbox
from kinora.actors.models import StageState
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.actors.stages.attempts import Attempts
from kinora.actors.stages.batching import Batching
from kinora.actors.stages.crew import Crew
from kinora.actors.stages.flights import Flight, Flights
from kinora.actors.stages.flying import Flying
from kinora.actors.stages.gathering import gather
from kinora.actors.stages.growth import Growth
from kinora.actors.stages.inspector import Inspector
from kinora.actors.stages.job_trace import JobTrace, NoTrace
from kinora.actors.stages.landing import Landing
from kinora.actors.stages.merging import Merge, MergeFailed
from kinora.actors.stages.plugin_process import Process
from kinora.actors.stages.replica import Lost, Replica
from kinora.actors.stages.stage_judge import StageJudge
from kinora.actors.stages.stage_memory import StageMemory
from kinora.actors.stages.stage_spec import REORDER_FRAMES, StageSpec
from kinora.actors.stages.stage_voice import StageVoice, Tell
from kinora.actors.stages.warnings import WarningLog
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import Done
from kinora.runtime.forking.cores import Cores
from kinora.runtime.sending import receive


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
        merge: Merge | None = None,
    ) -> None:
        """``make_process`` makes the process of the replica with a number, which counts from 0.

        ``merge`` joins what several replicas return from ``finalize``, if the plugin can.
        """
        self.spec = spec
        self._inspector = inspector
        self._voice = StageVoice(spec, warnings)
        self._record = record
        self._trace = trace or NoTrace()
        self._merge = merge
        self._batching = Batching(spec)
        self._metadata: PluginMetadata | None = None
        """What the inspector says about the plugin once the stage has started; None if it is unavailable."""
        self._memory = StageMemory()
        """What the plugin knew last, if it remembers and has one process."""
        self._make_process = make_process
        self._judge = StageJudge(
            spec,
            self._voice,
            inspector=inspector,
            device_health=device_health,
            record=record,
            call_off=partial(self._call_off, "the plugin is disabled"),
        )
        self._breaker = self._judge.breaker
        self._crew = Crew(spec, self._make_replica, cores)
        self._attempts = Attempts(
            spec, crew=self._crew, judge=self._judge, batching=self._batching, memory=self._memory
        )
        self._growth = Growth(self._crew, self._attempts, self._judge)
        self._flights = Flights()
        self._landing = Landing(
            spec, self._flights, crew=self._crew, attempts=self._attempts, judge=self._judge, trace=self._trace
        )
        self._flying = Flying(self._attempts, self._batching, self._judge, self._landing.land)

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
        self._attempts.ring, self._voice.tell = ring, tell
        self._metadata = self._inspector.inspect(self.spec.plugin)
        self._attempts.needs_memory = self._metadata is None or not self._metadata.stateless
        with inbox, outbox:
            self._inbox, self._landing.outbox = inbox, outbox
            try:
                if not self._breaker.disabled:
                    await self._judge.say("started")
                await self._judge.avoid_failed_device()
                await self._attempts.ensure_prepared(self._crew.replicas[0])
                task_status.started()
                await self._take_frames(inbox)
                await self._finalize()
            finally:
                await self._end()  # noqa: ASYNC102 - it shields itself and bounds each wait

    async def _end(self) -> None:
        with trio.CancelScope(shield=True):  # every wait in it has a deadline
            await self._crew.end()
        self._memory.close()
        self._crew.reset()
        self._growth.reset()
        self._landing.reset()

    def _make_replica(self, number: int) -> Replica:
        return Replica(
            self.spec,
            self._make_process(number),
            inspector=self._inspector,
            log=self._judge.log,
            hear=self._judge.hear,
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
        await self._judge.note_loss(state, None)
        return None

    def restore(self, past: StageState, output: str) -> None:
        """Go on with the figures and the output of an earlier server. A plugin that was disabled stays so."""
        self._judge.restore(past, output)

    def state(self) -> StageState:
        """Return the stage's current state."""
        inspector, plugin, judge = self._inspector, self.spec.plugin, self._judge
        return StageState(
            version=None if self._metadata is None else self._metadata.version,
            options=self.spec.options,
            every=self.spec.every,
            side=self.spec.side,
            status=judge.status or "waiting",
            frames=judge.frames,
            failures=judge.log.failures,
            restarts=judge.restarts,
            replicas=self.replicas,
            queue_ms=inspector.queue_ms(plugin),
            run_ms=inspector.run_ms(plugin),
            health=judge.health,
            device_used=judge.device,
            finalize=msgspec.Raw(judge.final or b"null"),
            last_error=judge.log.last_error,
            errors=judge.log.errors,
        )

    @property
    def device(self) -> str:
        """The device in use now."""
        return self._judge.device

    @property
    def fallback_reason(self) -> str | None:
        """The reason why it is not the device of the spec; None if it is."""
        return self._judge.fallback_reason

    @property
    def replicas(self) -> int:
        """The number of processes that take frames now."""
        return self._crew.prepared

    @property
    def log(self) -> str:
        """The end of the plugin's output."""
        return self._judge.log.text(self._crew.output)

    # Taking frames

    async def _take_frames(self, inbox: Inbox) -> None:
        """Give each frame to a replica; return when all frames have left the stage."""
        async with trio.open_nursery() as nursery:
            while (ticket := await receive(inbox)) is not None:
                if ticket.stored is not None:
                    await self._see_again(ticket, ticket.stored)
                elif ticket.is_turn_of(self.spec.every):
                    await self._take_frame(ticket, nursery)
                else:
                    await self._let_pass(ticket)
            self._crew.grow_no_further()
            self._growth.call_off("there are no more frames")

    async def _see_again(self, ticket: FrameTicket, stored: Mapping[str, bytes]) -> None:
        """Show a stored frame to a plugin that has taken up its state, so that it knows what it knew when it ended.

        These frames come before all others; no other one is in the stage.
        """
        self._attempts.ring = ticket.ring
        turn = ticket.is_turn_of(self.spec.every) and self._memory.begun_with is not None
        if turn and (replica := await self._next_replica()) is not None:
            await self._attempts.see_again(replica, ticket)
            self._crew.give_back(replica)
        if (result := stored.get(self.spec.plugin)) is not None:
            ticket.results[self.spec.plugin] = result
        await self._landing.pass_on(ticket)

    async def _take_frame(self, ticket: FrameTicket, nursery: trio.Nursery) -> None:
        """Begin with a frame, once there is a replica for it, and with others that go with it in a batch.

        While there is only one replica, and no other on its way, return when the frame is done: that costs no task.
        """
        self._attempts.ring = ticket.ring
        replica = await self._next_replica()
        alone = replica is None or self.spec.max_batch == 1
        tickets = [ticket] if alone else await gather(ticket, self._inbox, self._batching)
        taken = [self._flight(ticket, replica) for ticket in tickets]
        self._flights.add(taken)
        flights = [flight for flight in taken if not flight.done]
        if replica is None:
            await self._landing.land()
        elif len(self._crew.replicas) == 1 and not self._growth.under_way:
            await self._fly(flights, replica, nursery)
        else:
            if len(flights) == 1:
                flights[0].scope = trio.CancelScope()
            nursery.start_soon(self._fly, flights, replica, nursery)

    def _flight(self, ticket: FrameTicket, replica: Replica | None) -> Flight:
        queue_ms = (trio.current_time() - ticket.queued_at) * 1000
        if replica is None or not ticket.is_turn_of(self.spec.every):
            return Flight(ticket=ticket, queue_ms=queue_ms, done=True)
        self._inspector.add_queue(self.spec.plugin, queue_ms)
        self._record.queue.add(queue_ms / 1000)
        began_ns = time_ns() if self._trace.samples(ticket.index) else 0
        return Flight(ticket=ticket, queue_ms=queue_ms, replica=replica, began_ns=began_ns)

    async def _let_pass(self, ticket: FrameTicket) -> None:
        """Pass a frame on untouched, behind those that are under way."""
        while not self._has_room:
            await self._crew.wait()
        if ticket.marked and self.spec.replicas == 1 and not self._breaker.disabled:
            await self._attempts.save_into(ticket, self._crew.replicas[0])
        self._flights.add([Flight(ticket=ticket, queue_ms=0.0, done=True)])
        await self._landing.land()

    @property
    def _has_room(self) -> bool:
        if not self._flights:
            return True
        most = (len(self._crew.replicas) + REORDER_FRAMES) * self._batching.most(self._attempts.ring)
        return len(self._flights) < most

    async def _next_replica(self) -> Replica | None:
        """Wait for a replica, and prepare it if need be; None if the plugin is disabled."""
        while not self._breaker.disabled:
            replica = self._crew.pick() if self._has_room else None
            if replica is None:
                await self._crew.wait()
            elif replica.prepared or await self._attempts.ensure_prepared(replica):
                return replica
            else:
                self._crew.give_back(replica)
        return None

    # Having them processed

    async def _fly(self, flights: Sequence[Flight], replica: Replica, nursery: trio.Nursery) -> None:
        """Have a replica process a frame or a batch, then judge all frames whose turn it is."""
        await self._flying.fly(flights, replica)
        self._growth.consider([flight.outcome for flight in flights], self._inbox, nursery)
        if len(flights) > 1 and not replica.prepared:
            self._crew.dismiss(replica)
        if len(flights) == 1 and isinstance(flights[0].outcome, Lost):
            self._crew.rest(replica)  # it comes back once that is judged
        else:
            self._crew.give_back(replica)
        await self._landing.land()

    def _call_off(self, reason: str) -> None:
        """End the work on all frames."""
        self._flights.call_off(reason)
        self._growth.call_off(reason)

    # After the frames

    async def _finalize(self) -> None:
        """Finalize the plugin, unless it is disabled. A failure here does not affect its frames."""
        if self._breaker.disabled:
            return
        sums: dict[int, Done] = {}
        async with trio.open_nursery() as nursery:
            for number, replica in enumerate(self._crew.at_hand()):
                nursery.start_soon(self._finalize_replica, number, replica, sums)
        await self._sum_up(sums)
        await self._judge.say("completed")

    async def _finalize_replica(self, number: int, replica: Replica, sums: dict[int, Done]) -> None:
        outcome = await replica.finalize()
        if isinstance(outcome, Done):
            sums[number] = outcome
        else:
            await self._judge.judge_sum(outcome)

    async def _sum_up(self, sums: Mapping[int, Done]) -> None:
        """Take the sums of all replicas. Without ``merge`` that of the first one stands for all."""
        results = [sums[number].result for number in sorted(sums)]
        known = [result for result in results if result is not None]
        if self._merge is None or len(known) < 2:  # noqa: PLR2004 - two to merge
            counts = 0 if self._merge is None else next((number for number in sorted(sums) if sums[number].result), 0)
            if counts in sums:
                await self._judge.judge_sum(sums[counts])
            return
        try:
            merged = await self._merge(known)
        except MergeFailed as error:
            await self._judge.note_unmerged(str(error))
        else:
            await self._judge.judge_sum(merged)
