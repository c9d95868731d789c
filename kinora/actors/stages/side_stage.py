"""SideStage: a stage at the side of the others, which takes the newest frame when it is free and holds none up.

The frames do not go through it. Each is offered to it where its place in the order is, and a result that comes before
the frame has passed the last stage goes into the frame's data.
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import attrs
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket, Inbox
from kinora.actors.models import StageState
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.stage_voice import Tell
from kinora.actors.stages.tool_runner import ToolRunner

WAITING_FRAMES = 1
"""The frames that wait for a stage at the side. A newer frame takes the place of the one that waits, which is passed
over."""


class SideStage:
    """Runs a stage at the side.

    The stage works on copies of the tickets, with the results that there were when the frame was offered. The slots of
    the frames are lent to it, at most ``spec.slots``; nobody waits for them.
    """

    def __init__(self, runner: ToolRunner) -> None:
        self._runner = runner
        self._frames: dict[int, FrameTicket] = {}
        """Number → a frame that the stage has: it waits, or is worked on."""
        self._state: bytes | None = None
        """What its plugin knew after the newest frame, if it remembers."""
        self._passed_over = 0
        self._late = 0
        self._entrance, self._waiting = _waiting_place()

    @property
    def spec(self) -> StageSpec:
        """The plugin and its limits."""
        return self._runner.spec

    @property
    def device(self) -> str:
        """The device in use now."""
        return self._runner.device

    @property
    def fallback_reason(self) -> str | None:
        """The reason why it is not the device of the spec; None if it is."""
        return self._runner.fallback_reason

    @property
    def replicas(self) -> int:
        """The number of processes that take frames now."""
        return self._runner.replicas

    @property
    def log(self) -> str:
        """The end of the plugin's output."""
        return self._runner.log

    async def take_up(self, index: int, state: bytes | None) -> None:
        """Before :meth:`run`, give the plugin a state that is stored of it; see :meth:`ToolRunner.take_up`."""
        self._state = state
        await self._runner.take_up(index, state)

    @property
    def remembers(self) -> bool:
        """True once the plugin has a state."""
        return self._state is not None

    async def save(self) -> bytes | None:
        """Return the newest state, that after some earlier frame."""
        return self._state

    def restore(self, past: StageState, output: str) -> None:
        """Go on with the figures and the output of an earlier server; see :meth:`ToolRunner.restore`."""
        self._passed_over, self._late = past.passed_over, past.late
        self._runner.restore(past, output)

    def state(self) -> StageState:
        """Return the stage's current state."""
        return attrs.evolve(self._runner.state(), passed_over=self._passed_over, late=self._late)

    async def run(
        self, ring: JobRing, tell: Tell, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Prepare the plugin, have it process the newest frame again and again, then finalize it.

        Frames can be offered as soon as this has started; the plugin may not be prepared yet. Returns some time after
        :meth:`close`: the frames that it has are processed first, each within the plugin's limits. The plugin's process
        is gone and all slots are given back at the end, also if cancelled.
        """
        self._entrance, self._waiting = _waiting_place()
        outbox, worked_on = trio.open_memory_channel[FrameTicket](0)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._take_back, worked_on, tell)
                task_status.started()
                with ring.kept_open():
                    await nursery.start(self._runner.run, ring, self._waiting.clone(), outbox, tell)
        finally:
            self.close()
            for ticket in self._frames.values():
                ticket.ring.give_back(ticket.slot)
            self._frames.clear()

    def offer(self, ticket: FrameTicket) -> None:
        """Put a frame in the place of the one that waits, if it is the stage's turn.

        One that is stored is not seen again. With a marked one the newest state is stored, that after an earlier frame.
        """
        if ticket.marked and self._state is not None:
            ticket.states[self.spec.plugin] = self._state
        if ticket.stored is not None or not ticket.is_turn_of(self.spec.every):
            return
        now = trio.current_time()
        lent = attrs.evolve(ticket, results=dict(ticket.results), marked=True, states={}, events=[], queued_at=now)
        if self._entrance.statistics().current_buffer_used == WAITING_FRAMES:
            self._passed_over += 1
            self._give_back(self._waiting.receive_nowait())
        ticket.ring.lend(ticket.slot)
        self._frames[ticket.number] = ticket
        self._entrance.send_nowait(lent)

    def close(self) -> None:
        """Offer no more frames."""
        self._entrance.close()
        self._waiting.close()

    async def _take_back(self, worked_on: trio.MemoryReceiveChannel[FrameTicket], tell: Tell) -> None:
        """Put each result and its events into its frame's data. If that is made already, tell the events alone."""
        with worked_on:
            async for lent in worked_on:
                ticket = self._give_back(lent)
                self._state = lent.states.get(self.spec.plugin, self._state)
                if ticket.is_done:
                    for event in lent.events:
                        await tell(event)
                else:
                    ticket.events += lent.events
                result = lent.results.get(self.spec.plugin)
                if result is not None and ticket.is_done:
                    self._late += 1
                elif result is not None:
                    ticket.side_results[self.spec.plugin] = result

    def _give_back(self, lent: FrameTicket) -> FrameTicket:
        """Give a frame's slot back, and return the frame's own ticket."""
        ticket = self._frames.pop(lent.number)
        ticket.ring.give_back(ticket.slot)
        return ticket


def _waiting_place() -> tuple[trio.MemorySendChannel[FrameTicket], trio.MemoryReceiveChannel[FrameTicket]]:
    return trio.open_memory_channel[FrameTicket](WAITING_FRAMES)


class OfferingInbox:
    """An inbox whose frames are offered to a stage at the side as they are taken; both are closed together."""

    def __init__(self, inbox: Inbox, side: SideStage) -> None:
        self._inbox = inbox
        self._side = side

    async def receive(self) -> FrameTicket:
        """As that of the channel."""
        return self._offered(await self._inbox.receive())

    def receive_nowait(self) -> FrameTicket:
        """As that of the channel."""
        return self._offered(self._inbox.receive_nowait())

    def statistics(self) -> trio.MemoryChannelStatistics:
        """As that of the channel."""
        return self._inbox.statistics()

    def close(self) -> None:
        """As that of the channel."""
        self._inbox.close()
        self._side.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> FrameTicket:
        return self._offered(await self._inbox.__anext__())

    def _offered(self, ticket: FrameTicket) -> FrameTicket:
        self._side.offer(ticket)
        return ticket
