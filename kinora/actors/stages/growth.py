"""Growth: prepares further replicas of a stage while it goes on with those that it has."""

from __future__ import annotations

from collections.abc import Iterable

import trio

from kinora.actors.frames.ticket import Inbox
from kinora.actors.stages.attempts import Attempts
from kinora.actors.stages.crew import Crew
from kinora.actors.stages.replica import Lost, Outcome, Replica, failure_of
from kinora.actors.stages.stage_judge import StageJudge
from kinora.plugins.protocol import Done, Raised


class Growth:
    """At most one replica is on its way at a time."""

    def __init__(self, crew: Crew, attempts: Attempts, judge: StageJudge) -> None:
        self._crew = crew
        self._attempts = attempts
        self._judge = judge
        self._growing: trio.CancelScope | None = None
        """Around the preparation of another replica."""

    @property
    def under_way(self) -> bool:
        """True while another replica is prepared."""
        return self._growing is not None

    def consider(self, outcomes: Iterable[Outcome | None], inbox: Inbox, nursery: trio.Nursery) -> None:
        """Begin to prepare another replica if frames wait for one, after one has come to these outcomes."""
        if self._growing is not None or not self._crew.may_grow:
            return
        run_ms = sum(outcome.run_ms for outcome in outcomes if isinstance(outcome, Done | Raised))
        frames_wait = self._crew.is_waited_for or inbox.statistics().current_buffer_used > 0
        if run_ms and self._crew.is_short(frames_wait=frames_wait, run_s=run_ms / 1000):
            self._growing = trio.CancelScope()
            nursery.start_soon(self._grow, self._crew.candidate(), self._growing)

    def call_off(self, reason: str) -> None:
        """End the preparation, if one is under way."""
        if self._growing is not None:
            self._growing.cancel(reason=reason)

    def reset(self) -> None:
        """Note that the stage has ended, and all its tasks with it."""
        self._growing = None

    async def _grow(self, replica: Replica, scope: trio.CancelScope) -> None:
        """Prepare a replica. If that fails, the stage goes on with those that it has, and nothing counts.

        If all frames have left the ring, and it is gone, that is left to a later frame.
        """
        ring, outcome = self._attempts.ring, None
        try:
            with scope, ring.kept_open():  # frames may outgrow it meanwhile
                await trio.sleep(self._judge.breaker.restart_delay_s)
                if ring.is_open:
                    outcome = await replica.prepare(self._judge.device, ring)
        finally:
            if not isinstance(outcome, Done):
                await replica.end()  # noqa: ASYNC102 - it shields itself and bounds each wait
            self._growing = None  # from here on without a wait: the crew must know of this one before the next is made
        if isinstance(outcome, Done):
            if self._crew.join(replica):
                self._judge.note_restart()
        elif outcome is not None:
            await self._note_failed(outcome)

    async def _note_failed(self, outcome: Lost | Raised) -> None:
        if isinstance(outcome, Lost) and outcome.death.blameless:
            return
        self._crew.grow_no_further()
        code, cause = failure_of(outcome)
        message = f"another replica could not be prepared, and the stage goes on without it: {cause.message}"
        await self._judge.warn(code, message, "low", None)
