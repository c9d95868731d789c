"""RunningAttempt: one run of a job's pipeline in this agent."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog
import trio

from kinora.actors.errors import KinoraError
from kinora.actors.pipeline.pipeline_link import (
    EVENTS_WAITING,
    AnyPipeline,
    CommandQueue,
    Event,
    PipelineEnded,
    PipelineLost,
    Stop,
)
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.agent.outgoing import Outgoing
from kinora.agent.questions import Questions
from kinora.fleet.events import command_of, encode_event
from kinora.fleet.link import Attempt, Tell

MakePipeline = Callable[[WorkOrder, Questions], AnyPipeline]
"""Makes the pipeline of an order, which asks the server so. Raises KinoraError if it cannot be made here."""
CRASHED = "An error in the agent ended the job; the agent's log has the details."

log = structlog.get_logger()
_decode_order = msgspec.json.Decoder(WorkOrder).decode


class RunningAttempt:
    """Runs a pipeline under the server's commands, and keeps its events for the server.

    Args:
        attempt: that is run.
        questions: what it asks the server.
        ring: is called when there are events to send.
    """

    def __init__(self, attempt: Attempt, questions: Questions, ring: Callable[[], None]) -> None:
        self.attempt = attempt
        self.outgoing = Outgoing()
        self.questions = questions
        self._ring = ring
        self._commands = CommandQueue()
        self._scope = trio.CancelScope()
        self._acknowledged = trio.Event()
        """Set, and replaced, when there may be room for further events."""
        self._is_stopped = False
        self._leaving: PipelineLost | None = None
        """What is told at the end, once the agent leaves."""

    async def run(self, order: bytes, make: MakePipeline) -> None:
        """Carry out the order, and tell all, with one last event at the end; nothing further once it is dropped.

        In every case all processes of the pipeline are gone then, but those that the last event names as stuck.
        """
        with self._scope:
            try:
                await self._work(make(_decode_order(order), self.questions))
            except (KinoraError, msgspec.DecodeError) as error:
                await self._tell(PipelineEnded(error=f"{error}"))
            except Exception:
                log.exception("an attempt crashed", job_id=self.attempt.job_id, attempt=self.attempt.number)
                if not self.outgoing.is_complete:
                    await self._tell(PipelineEnded(error=CRASHED))

    def obey(self, tell: Tell) -> None:
        """Pass a command on to the pipeline."""
        self._is_stopped |= tell.command in {"stop", "save_and_stop"}
        self._commands.put(command_of(tell))

    def acknowledge(self, upto: int) -> None:
        """Forget what is stored; a pipeline that waits for room goes on."""
        self.outgoing.acknowledge(upto)
        self._acknowledged.set()
        self._acknowledged = trio.Event()

    def resend(self, taken: int) -> None:
        """Begin a new connection to a server that has taken the events up to this number."""
        self.outgoing.resend(taken)
        self.questions.resend()

    def leave(self, last: PipelineLost) -> None:
        """End soon with this as the last event, unless the job fails or the server has stopped it."""
        self._leaving = last
        self._commands.put(Stop(saving=True))

    def drop(self) -> None:
        """End at once, and tell nothing more."""
        self._scope.cancel(reason="the attempt is dropped")

    async def _work(self, pipeline: AnyPipeline) -> None:
        sender, events = trio.open_memory_channel[Event](EVENTS_WAITING)
        async with trio.open_nursery(strict_exception_groups=True) as nursery:
            nursery.start_soon(pipeline.run, sender, self._commands)
            async with events:
                async for event in events:
                    await self._tell(event)

    async def _tell(self, event: Event) -> None:
        while not self.outgoing.has_room:
            await self._acknowledged.wait()
        if isinstance(event, PipelineEnded) and event.error is None and not self._is_stopped:
            event = self._leaving or event
        self.outgoing.add(*encode_event(event))
        self._ring()
