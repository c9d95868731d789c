"""Landing: frames leave a stage in their order, each after all that follows from its outcome was done."""

from __future__ import annotations

import trio

from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.stages.attempts import Attempts
from kinora.actors.stages.crew import Crew
from kinora.actors.stages.flights import Flight, Flights
from kinora.actors.stages.job_trace import JobTrace, StageStep
from kinora.actors.stages.replica import ANSWERED, Lost
from kinora.actors.stages.stage_judge import StageJudge
from kinora.actors.stages.stage_spec import StageSpec
from kinora.runtime.sending import send


class Landing:
    """Judges the frames of one stage that are done, and passes them on."""

    outbox: trio.MemorySendChannel[FrameTicket]
    """Where they go; set for each run of the stage."""

    def __init__(
        self,
        spec: StageSpec,
        flights: Flights,
        *,
        crew: Crew,
        attempts: Attempts,
        judge: StageJudge,
        trace: JobTrace,
    ) -> None:
        self._plugin = spec.plugin
        self._flights = flights
        self._crew = crew
        self._attempts = attempts
        self._judge = judge
        self._trace = trace
        self._busy = False
        """True while a task judges the frames that are done."""

    def reset(self) -> None:
        """Forget all frames: the stage has ended, and all its tasks with it."""
        self._flights.clear()
        self._busy = False

    async def land(self) -> None:
        """Judge the frames that are done and follow no other that is not, and pass them on.

        One task does so at a time, for all of them.
        """
        if self._busy:
            return
        self._busy = True
        while (flight := self._flights.first_done) is not None:
            await self._finish(flight)
            await self.pass_on(flight.ticket)
            self._flights.remove_first()
            self._crew.changed()
        self._busy = False

    async def pass_on(self, ticket: FrameTicket) -> None:
        """Pass a frame on; from now on it waits for the next stage."""
        ticket.queued_at = trio.current_time()
        await send(self.outbox, ticket)

    async def _finish(self, flight: Flight) -> None:
        """Judge a frame, unless an earlier one had the plugin disabled: it would not have been processed then."""
        outcome, replica = flight.outcome, flight.replica
        if flight.began_ns:
            self._trace.add(self._step(flight))
        if outcome is not None and not self._judge.breaker.disabled:
            await self._judge.judge(outcome, flight)
            if flight.ticket.marked and replica is not None:
                await self._attempts.save_into(flight.ticket, replica)
        else:
            flight.ticket.forget_events(self._plugin)
        if replica is not None and isinstance(outcome, Lost):
            self._crew.dismiss(replica)
            self._crew.give_back(replica)

    def _step(self, flight: Flight) -> StageStep:
        answered = isinstance(flight.outcome, ANSWERED)
        return StageStep(
            plugin=self._plugin,
            index=flight.ticket.index,
            device=flight.device,
            began_ns=flight.began_ns,
            ended_ns=flight.ended_ns,
            queue_ms=flight.queue_ms,
            fault=getattr(flight.outcome, "message", None) if answered else "its process ended, or was too slow",
        )
