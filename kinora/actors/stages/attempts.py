"""Attempts: has the replicas of a stage prepare the plugin and process frames, again where that makes sense."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code
from kinora.actors.stages.batching import Batching
from kinora.actors.stages.crew import Crew
from kinora.actors.stages.replica import Lost, Outcome, Replica
from kinora.actors.stages.stage_judge import StageJudge
from kinora.actors.stages.stage_memory import StageMemory
from kinora.actors.stages.stage_spec import StageSpec
from kinora.plugins.protocol import BatchDone, Done, Raised


class Attempts:
    """Each attempt of a stage. What it notes of failures is judged at once; the outcome of a frame is not."""

    def __init__(
        self, spec: StageSpec, *, crew: Crew, judge: StageJudge, batching: Batching, memory: StageMemory
    ) -> None:
        self.ring: JobRing
        """The ring of the newest frame; its owner sets it."""
        self.needs_memory = True
        """True if the plugin needs to have seen the earlier frames."""
        self._spec = spec
        self._crew = crew
        self._judge = judge
        self._batching = batching
        self._memory = memory
        self._anew = False
        """True if the plugin has seen frames, and its new process has not."""

    async def ensure_prepared(self, replica: Replica) -> bool:
        """Start a process and prepare the plugin if need be, again and again until that works or it is disabled.

        Return whether it is prepared.
        """
        breaker = self._judge.breaker
        while not replica.prepared and not breaker.disabled:
            await trio.sleep(breaker.restart_delay_s)
            if breaker.restart_delay_s:
                self._judge.note_restart()
            outcome = await replica.prepare(self._judge.device, self.ring)
            if isinstance(outcome, Done):
                self._anew = self._judge.frames > 0
                self._batching.note_prepared(outcome.max_batch)
            elif isinstance(outcome, Lost):
                await self._judge.note_loss(outcome, None)
            else:
                await self._judge.fall_back(replica, outcome.message, None)
        await self._judge.note_disabled(None)
        return replica.prepared and not breaker.disabled

    async def process(self, replica: Replica, ticket: FrameTicket) -> Outcome | None:
        """Have the plugin process a frame; if its device fails, once more on the CPU. None if it was disabled there.

        Once more, too, if its process was killed from outside and its state is at hand: the plugin did nothing.
        """
        if self._anew:
            await self._tell_begun_anew(ticket)
        outcome = await replica.process(ticket, self._crew.threads())
        if isinstance(outcome, Done):
            return outcome
        if isinstance(outcome, Lost) and outcome.death.from_outside and self._memory.current:
            await self._judge.note_loss(outcome, ticket.frame_id)
        elif replica.blames_device(outcome):
            await self._judge.fall_back(replica, outcome.message, ticket.frame_id)
        else:
            return outcome
        if not await self.ensure_prepared(replica):
            return None
        await self._tell_begun_anew(ticket)
        return await replica.process(ticket, self._crew.threads())

    async def process_batch(
        self, replica: Replica, tickets: Sequence[FrameTicket], scope: trio.CancelScope
    ) -> BatchDone | Raised | Lost | None:
        """Have the plugin process frames at once; None if the scope calls that off. A failure is not told yet."""
        outcome = None
        await self._tell_begun_anew(tickets[0])
        with scope:
            outcome = await replica.process_batch(tickets, self._crew.threads())
        if scope.cancelled_caught:
            await replica.end()
        if isinstance(outcome, Lost):
            # Which frame is to blame is not known yet: nothing counts against the plugin, and it starts again at once.
            self._judge.note_restart()
            self._judge.log_loss(outcome.death, tickets[0].frame_id)
        return outcome

    async def see_again(self, replica: Replica, ticket: FrameTicket) -> None:
        """Show the plugin a stored frame, whose result is known."""
        outcome = await self.process(replica, ticket)
        if isinstance(outcome, Lost):
            await self._judge.lose(outcome, ticket.frame_id)

    async def save_into(self, ticket: FrameTicket, replica: Replica) -> None:
        """Add the plugin's state after a marked frame to its ticket, if the plugin remembers."""
        state = await replica.save()
        if isinstance(state, Lost):
            await self._judge.lose(state, ticket.frame_id)
        elif state is not None:
            ticket.states[self._spec.plugin] = state

    async def _tell_begun_anew(self, ticket: FrameTicket) -> None:
        """Warn if the plugin has forgotten earlier frames, and needs them."""
        memory = self._memory
        if self._anew and self.needs_memory:
            if memory.begun_with is None:
                reason = "" if memory.refused is None else f" ({memory.refused})"
                message = f"began anew at this frame: what it knew of earlier ones is lost{reason}"
                await self._judge.warn(Code.STATE_LOST, message, "medium", ticket.frame_id)
            elif memory.begun_with != memory.last:
                message = f"goes on from what it knew at frame {memory.begun_with}: what it saw since is lost"
                await self._judge.warn(Code.RESUMED, message, "medium", ticket.frame_id)
        self._anew = False
