"""Replica: one process of a stage. It prepares the plugin, and has it process a frame, sum up, and end in time.

It decides nothing: each attempt has an outcome, and the ToolRunner makes of it what is to be made.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeGuard, TypeVar

import attrs
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code
from kinora.actors.stages.inspector import Inspector
from kinora.actors.stages.plugin_process import PluginDied, Process
from kinora.actors.stages.stage_log import StageLog
from kinora.actors.stages.stage_memory import StageMemory
from kinora.actors.stages.stage_spec import StageSpec
from kinora.plugins import protocol
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import MAX_EVENTS, BatchDone, Done, Raised

FINALIZE_TIMEOUT_MS = 30_000
"""The time limit of ``finalize``; that of ``prepare`` if it is shorter."""

HearNote = Callable[[protocol.Note, str | None], Awaitable[None]]
"""Takes what the plugin says, and the id of the frame that it works on; None while it prepares or finalizes."""


@attrs.frozen
class Lost:
    """The outcome of an attempt in which the process died, was too slow or could not be prepared; it has ended."""

    death: PluginDied
    last_words: bytes
    """The end of its output."""


Outcome = Done | Raised | Lost
ANSWERED = (Done, Raised)
"""The outcomes that the plugin itself has given."""
_Answer = TypeVar("_Answer", Done | Raised, BatchDone | Raised)


def _times(answer: Done | Raised | BatchDone) -> list[float | None]:
    """The milliseconds inside the plugin, for each frame."""
    return [frame.run_ms for frame in answer.frames] if isinstance(answer, BatchDone) else [answer.run_ms]


def failure_of(outcome: Lost | Raised) -> tuple[Code, PluginDied | Raised]:
    """What an attempt failed by: its code, and what says why."""
    return (outcome.death.code, outcome.death) if isinstance(outcome, Lost) else (Code.PLUGIN_ERROR, outcome)


class Replica:
    """A process of a stage, one after the other: a new one may be prepared when the last one has ended."""

    def __init__(
        self,
        spec: StageSpec,
        process: Process,
        *,
        inspector: Inspector,
        log: StageLog,
        hear: HearNote,
        number: int = 0,
        memory: StageMemory | None = None,
    ) -> None:
        """``memory`` is what the plugin knew last; None if it need not remember. Its owner closes it."""
        self.prepared = False
        """True while there is a process that takes frames."""
        self.device = spec.device
        """The device that the last process was prepared for."""
        self.number = number
        """Its place among the replicas of the stage."""
        self._spec = spec
        self._process = process
        self._inspector = inspector
        self._log = log
        self._hear_note = hear
        self._memory = memory
        self._ticket: FrameTicket | None = None
        """The frame that the plugin works on alone."""
        self._newest: FrameTicket | None = None
        """The last frame that the plugin works on: the events that it reports are of that."""
        self._events = 0
        """The events of no frame that it has reported in ``prepare``, or in ``finalize``."""
        self._again = False
        """True while the plugin sees a frame that is stored already: what it says of it was told then."""
        self._time_limit = trio.CancelScope()
        """Around each wait for the plugin's answer."""

    @property
    def output(self) -> bytes:
        """The end of the running process's output, which the log does not have yet."""
        return self._process.output

    def blames_device(self, outcome: Outcome) -> TypeGuard[Raised]:
        """Return whether the plugin failed because the device did, which is not the plugin's failure."""
        return isinstance(outcome, Raised) and outcome.device_failed and self.device != CPU

    async def prepare(self, device: str, ring: JobRing) -> Outcome:
        """Start a process, whose start is not the plugin's time, and prepare the plugin.

        If that raised, the outcome is :class:`Lost`, or Raised if the device is to blame: :meth:`end` must follow.
        """
        self.device, self._ticket, self._newest, self._again = device, None, None, False
        self._events = 0
        try:
            await self._process.start()
        except PluginDied as death:
            return await self._lose(death)
        work = self._process.prepare(device, ring, self._hear)
        outcome = await self._attempt(work, self._spec.prepare_timeout_ms)
        if isinstance(outcome, Raised) and not self.blames_device(outcome):
            message = f"prepare: {outcome.message}"
            return await self._lose(PluginDied(Code.PLUGIN_ERROR, message, outcome.traceback, place=outcome.place))
        if isinstance(outcome, Done) and outcome.remembers and self._memory is not None:
            return await self._remember(self._memory, outcome, ring)
        self.prepared = isinstance(outcome, Done)
        return outcome

    async def _remember(self, memory: StageMemory, prepared: Done, ring: JobRing) -> Outcome:
        """Give the plugin the state that it had last. One that it refuses, or dies of, is forgotten."""
        kept, earlier = memory.begin()
        work = self._process.remember(kept, earlier, self._hear)
        outcome = await self._attempt(work, self._spec.prepare_timeout_ms)
        if isinstance(outcome, Done):
            memory.note_begun()
            self.prepared = True
            return prepared
        if isinstance(outcome, Lost):
            if not outcome.death.from_outside:
                memory.refuse(f"load_state: {outcome.death.message}")
            return outcome
        memory.refuse(f"load_state: {outcome.message}")
        await self.end()
        return await self.prepare(self.device, ring)

    async def save(self) -> bytes | Lost | None:
        """Return the plugin's state after the last frame that it has answered; None if there is none.

        The process is asked to save it if it has not yet; it is :class:`Lost` if it dies of that.
        """
        memory = self._memory
        if memory is None:
            return None
        if self.prepared and memory.begun and not memory.current:
            work = self._process.save_state(memory.last, self._hear)
            outcome = await self._attempt(work, self._spec.plugin_timeout_ms)
            if isinstance(outcome, Lost):
                return outcome
        return await memory.read() if memory.current else None

    async def process(self, ticket: FrameTicket, threads: int) -> Outcome:
        """Have the plugin process a frame, once; its libraries may use so many threads."""
        self._ticket, self._newest, self._again = ticket, ticket, ticket.stored is not None
        ticket.forget_events(self._spec.plugin)
        work = self._process.process(ticket, threads, self._hear)
        outcome = await self._attempt(work, self._spec.plugin_timeout_ms, frame=not self._again)
        if self._memory is not None and not isinstance(outcome, Lost):
            self._memory.last = ticket.index
        return outcome

    async def process_batch(self, tickets: Sequence[FrameTicket], threads: int) -> BatchDone | Raised | Lost:
        """Have the plugin process frames at once, once; likewise. All must be done within the time for one.

        The time of a batch that failed counts for no frame.
        """
        self._ticket, self._newest, self._again = None, tickets[-1], False
        work = self._process.process_batch(tickets, threads, self._hear)
        return await self._attempt(work, self._spec.plugin_timeout_ms)

    async def finalize(self) -> Outcome:
        """Finalize the plugin."""
        self._ticket, self._newest, self._again = None, None, False
        self._events = 0
        timeout_ms = min(FINALIZE_TIMEOUT_MS, self._spec.prepare_timeout_ms)
        return await self._attempt(self._process.finalize(self._hear), timeout_ms)

    async def end(self) -> bytes:
        """End the process, if there is one, and return its output. Bounded in time; completes even if cancelled."""
        self.prepared = False
        output = await self._process.aclose()
        self._log.take(output)
        return output

    async def _attempt(self, work: Awaitable[_Answer], timeout_ms: int, *, frame: bool = False) -> _Answer | Lost:
        """Wait for the process to answer; if it died or was too slow, end it."""
        plugin = self._spec.plugin
        self._inspector.start_timing(plugin, self.number)
        times: list[float | None] = [None]
        try:
            with trio.CancelScope(deadline=trio.current_time() + timeout_ms / 1000) as self._time_limit:
                answer = await work
                frame, times = frame or isinstance(answer, BatchDone), _times(answer)
                return answer
            message = f"no answer within {timeout_ms} ms; its process was killed"
            return await self._lose(PluginDied(Code.PLUGIN_TIMEOUT, message))
        except PluginDied as death:
            return await self._lose(death)
        finally:
            for run_ms in times:
                self._inspector.stop_timing(plugin, run_ms, frame=frame, worker=self.number)

    async def _lose(self, death: PluginDied) -> Lost:
        return Lost(death, await self.end())

    async def _hear(self, note: protocol.Note) -> None:
        """Tell a note. The plugin's time stands still meanwhile: telling waits where nobody takes what is told.

        An event of a frame is told with the frame.
        """
        if isinstance(note, protocol.Event) and not self._is_alone(note):
            return
        left_s = self._time_limit.deadline - trio.current_time()
        self._time_limit.deadline = math.inf
        if not self._again or isinstance(note, protocol.Unsaved):
            await self._hear_note(note, None if self._ticket is None else self._ticket.frame_id)
        self._time_limit.deadline = trio.current_time() + left_s

    def _is_alone(self, event: protocol.Event) -> bool:
        """Return whether to tell an event now; one of a frame is put on its ticket.

        More than ``MAX_EVENTS`` come only from a process that keeps to no rule, and are left out.
        """
        if self._newest is None:
            self._events += 1
            return self._events <= MAX_EVENTS
        if not self._again:
            self._newest.add_event(self._spec.plugin, event)
        return False
