"""Flying: has a replica process a frame, or several at once; one by one if that fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from time import time_ns

import trio

from kinora.actors.stages.attempts import Attempts
from kinora.actors.stages.batching import Batching
from kinora.actors.stages.flights import Flight
from kinora.actors.stages.replica import ANSWERED, Lost, Outcome, Replica, failure_of
from kinora.actors.stages.stage_judge import StageJudge, placed
from kinora.plugins.protocol import BatchDone, Done, Raised


class Flying:
    """Brings each flight of a stage to its outcome. What follows from that is judged at its landing."""

    def __init__(
        self, attempts: Attempts, batching: Batching, judge: StageJudge, land: Callable[[], Awaitable[None]]
    ) -> None:
        """``land`` judges the frames whose turn it is."""
        self._batching = batching
        self._attempts = attempts
        self._judge = judge
        self._land = land

    async def fly(self, flights: Sequence[Flight], replica: Replica) -> None:
        """Have a replica process a frame, or a batch, whose replica it stays whatever comes of its process."""
        if len(flights) == 1:
            await self._fly_alone(flights[0], replica)
        else:
            await self._fly_together(flights, replica)

    async def _fly_alone(self, flight: Flight, replica: Replica) -> None:
        """Have a replica process a frame. If that is called off, its process ends."""
        outcome = None
        if flight.scope is None:
            outcome = await self._attempts.process(replica, flight.ticket)
        else:
            with flight.scope:
                outcome = await self._attempts.process(replica, flight.ticket)
            if flight.scope.cancelled_caught:
                await replica.end()
        self._note_done(flight, replica, outcome)

    def _note_done(self, flight: Flight, replica: Replica, outcome: Outcome | None) -> None:
        flight.outcome, flight.device, flight.done = outcome, replica.device, True
        flight.ended_ns = time_ns() if flight.began_ns else 0
        if isinstance(outcome, ANSWERED):
            self._batching.note_run(outcome.run_ms)

    # Several frames

    async def _fly_together(self, flights: Sequence[Flight], replica: Replica) -> None:
        device = replica.device
        outcome = await self._process(flights, replica) if self._fits(flights) else None
        if isinstance(outcome, BatchDone):
            self._batching.note_success()
            for flight, answer in zip(flights, outcome.frames, strict=True):
                self._note_done(flight, replica, answer)
            return
        await self._fly_one_by_one(flights, replica)
        if outcome is not None and replica.device == device:
            await self._note_failed(outcome, flights)

    def _fits(self, flights: Sequence[Flight]) -> bool:
        return self._batching.fits([flight.ticket for flight in flights])

    async def _process(self, flights: Sequence[Flight], replica: Replica) -> BatchDone | Raised | Lost | None:
        scope = trio.CancelScope()
        for flight in flights:
            flight.scope, flight.replica = scope, None
        return await self._attempts.process_batch(replica, [flight.ticket for flight in flights], scope)

    async def _fly_one_by_one(self, flights: Sequence[Flight], replica: Replica) -> None:
        for flight in flights:
            flight.scope, flight.replica, flight.judged = trio.CancelScope(), None, trio.Event()
            if await self._attempts.ensure_prepared(replica):
                await self._fly_alone(flight, replica)
            flight.done = True
            await self._land()
            if not isinstance(flight.outcome, Done):
                await flight.judged.wait()  # the next attempt depends on what follows from it

    async def _note_failed(self, outcome: Raised | Lost, flights: Sequence[Flight]) -> None:
        """Tell of a batch that failed though each of its frames succeeds alone; else a frame's failure was told."""
        if not all(isinstance(flight.outcome, Done) and flight.outcome.fault is None for flight in flights):
            self._batching.note_success()
            return
        if isinstance(outcome, Lost) and outcome.death.blameless:
            return
        code, cause = failure_of(outcome)
        message = (
            f"a batch of {len(flights)} frames failed, and none of them alone: {placed(cause.message, cause.place)}"
        )
        if self._batching.note_fruitless():
            message += "; its frames come one by one from here on"
        frame_id = flights[0].ticket.frame_id
        self._judge.log.note_failure(code, message, cause.traceback, frame_id)
        await self._judge.warn(code, message, "medium", frame_id)
