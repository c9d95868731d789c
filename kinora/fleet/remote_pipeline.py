"""RemotePipeline: the pipeline of a job, carried out by an agent."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from functools import partial

import msgspec
import trio

from kinora.actors.pipeline.pipeline_link import (
    CommandQueue,
    Event,
    FrameDone,
    LastEvent,
    PipelineEnded,
    PipelineLost,
    PipelineState,
    Stop,
)
from kinora.actors.pipeline.work_order import WorkOrder, state_before
from kinora.actors.sources.cameras import Cameras
from kinora.actors.store.store import Store
from kinora.actors.store.stored_frames import StoredFrames
from kinora.fleet.agent_book import AgentBook
from kinora.fleet.assigned import Assigned
from kinora.fleet.camera_answers import camera_answer
from kinora.fleet.events import InvalidEvent, decode_event, tell_of
from kinora.fleet.joined import Joined
from kinora.fleet.link import Attempt
from kinora.fleet.parts import EventTooLarge, Joiner
from kinora.runtime.actor import ActorGone
from kinora.runtime.sending import send

ACKNOWLEDGE_S = 0.05
"""The least time between two acknowledgements of an attempt."""
STOPPING_S = 30.0
"""The time in which an agent must end an attempt that it was told to stop. One that does not gets no further lease."""


class RemotePipeline:
    """Has an agent carry out a WorkOrder, once."""

    def __init__(self, order: WorkOrder, agent: Joined, *, book: AgentBook, store: Store, cameras: Cameras) -> None:
        """``cameras`` are those that the source may be one of."""
        self._order = order
        self._agent = agent
        self._book = book
        self._store = store
        self._cameras = cameras
        self._assigned = Assigned(
            Attempt(order.job_id, order.attempt),
            msgspec.json.encode(order),
            StoredFrames(store, order.job_id),
            location=order.location,
            camera=partial(camera_answer, cameras, order.location),
        )
        self._newest = order.begin.start - 1
        """The index of the newest frame that is done."""
        self._joiner = Joiner()
        self._heard = 0
        """The sequence number of the newest event that was looked at."""
        self._untaken: deque[int] = deque()
        """The sequence numbers of the events that were passed on to the Job, and perhaps not taken by it."""
        self._taken = 0
        """The sequence number of the newest event that the Job has dealt with."""
        self._passing = trio.Event()

    def state(self) -> PipelineState:
        """Return what is shown until the agent tells its first state."""
        return state_before(self._order)

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Work until the agent has told the last event, or is lost: that is the last event then.

        If this is cancelled from outside, there is no last event, and the agent is told to stop the attempt.
        """
        async with events, self._cameras.taken(self._order.location):
            self._book.assign(self._agent, self._assigned)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._pass_on_commands, commands)
                    nursery.start_soon(self._acknowledge, events)
                    last = await self._pass_on_events(events)
                    nursery.cancel_scope.cancel()
            except BaseException:
                self._agent.send(tell_of(self._assigned.attempt, Stop()))
                raise
            finally:
                self._book.release(self._agent, self._assigned)
            await events.send(last)

    # Down

    async def _pass_on_commands(self, commands: CommandQueue) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                command = await commands.get()
                self._agent.send(self._assigned.command(command))
                if command == Stop():
                    nursery.start_soon(self._require_end)

    async def _require_end(self) -> None:
        await trio.sleep(STOPPING_S)
        self._book.expel(self._agent, f"The agent did not end a job within {STOPPING_S:.0f} seconds.")

    # Up

    async def _pass_on_events(self, events: trio.MemorySendChannel[Event]) -> LastEvent:
        """Pass on what the agent tells until the last event; return that."""
        while (told := await self._assigned.next()) is not None:
            self._heard += 1
            event = self._checked(*told)
            match event:
                case None:
                    continue
                case PipelineEnded():
                    last: LastEvent = event
                case PipelineLost(reason):
                    last = PipelineLost(reason, self._agent.id)
                case _:
                    await self._pass_on(event, events)
                    continue
            self._agent.send(self._assigned.acknowledge(self._assigned.told))
            return last
        return PipelineLost(self._assigned.lost or "It is lost.", self._agent.id)

    async def _pass_on(self, event: Event, events: trio.MemorySendChannel[Event]) -> None:
        await send(events, event)
        self._untaken.append(self._heard)
        self._passing.set()

    def _checked(self, kind: str, data: bytes) -> Event | None:
        """Return the event that a part completes, if it does. An agent that tells a wrong one is expelled."""
        try:
            whole = self._joiner.add(kind, data)
            return None if whole is None else self._decoded(*whole)
        except (InvalidEvent, EventTooLarge) as error:
            self._assigned.spoil()
            self._book.expel(self._agent, str(error))
            return None

    def _decoded(self, kind: str, data: bytes) -> Event:
        event = decode_event(kind, data, self._assigned.attempt.job_id)
        if isinstance(event, FrameDone):
            if event.index <= self._newest:
                raise InvalidEvent(f"Frame {event.index} of a job came after frame {self._newest}.")
            self._newest = event.index
        return event

    async def _acknowledge(self, events: trio.MemorySendChannel[Event]) -> None:
        """Acknowledge what the Job has taken, once its frames are on disk."""
        with suppress(ActorGone):  # the store has ended, and the server with it
            while True:
                while not self._untaken:
                    self._passing = trio.Event()
                    await self._passing.wait()
                await trio.sleep(ACKNOWLEDGE_S)
                self._note_taken(events)
                if (taken := self._taken) > self._assigned.acknowledged:
                    await self._store.wait_written(self._store.frames_put)
                    self._agent.send(self._assigned.acknowledge(taken))

    def _note_taken(self, events: trio.MemorySendChannel[Event]) -> None:
        """Note which events the Job has dealt with: all but those that wait, and one that it is at work on."""
        channel = events.statistics()
        left = channel.current_buffer_used + (not channel.tasks_waiting_receive)
        while len(self._untaken) > left:
            self._taken = self._untaken.popleft()
