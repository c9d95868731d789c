"""One stage on its own: a plugin's process that acts by a script, and all that its ToolRunner makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import attrs
import trio

from kinora.actors.found_events import FoundEvent
from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code, FramePayload, Payload, PluginStatusPayload, WarningPayload
from kinora.actors.plugins.device_health import DeviceHealth
from kinora.actors.plugins.plugin_records import PluginRecord
from kinora.actors.stages.inspector import Inspector, NullInspector
from kinora.actors.stages.job_trace import JobTrace
from kinora.actors.stages.merging import Merge
from kinora.actors.stages.plugin_process import Hear, PluginDied
from kinora.actors.stages.stage_memory import Saved
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.tool_runner import ToolRunner
from kinora.actors.stages.warnings import WarningLog
from kinora.plugins.protocol import BatchDone, Done, Note, Raised
from kinora.runtime.forking.cores import Cores
from kinora.runtime.shared_memory.state_memory import StateMemory

PLUGIN, JOB = "greedy", "job-1"
RESULT = b'{"found": 1}'
DONE = Done(result=None, run_ms=1.0)
FOUND = Done(result=RESULT, run_ms=4.0)
RAISED = Raised(message="ValueError: not this one", traceback="Traceback …", run_ms=2.0)
NO_DEVICE = Raised(message="RuntimeError: out of memory", traceback="", run_ms=2.0, device_failed=True)
CRASH = PluginDied(Code.PLUGIN_CRASH, "its process ended with exit code 3")
HANG: Literal["hang"] = "hang"

RING = JobRing(2, 3, batch=64)
"""The ring of the frames, which nobody looks at."""

Ending = Done | Raised | PluginDied | Literal["hang"]


@attrs.frozen
class Act:
    """What the process does with one request: it sends notes, takes its time, and comes to an ending."""

    ending: Ending
    notes: tuple[Note, ...] = ()
    takes_s: float = 0.0


class FakeProcess:
    """A Process that plays an act for each request, in order; when there are no more, it succeeds.

    It insists that requests come one at a time, and only while the process is there.
    """

    def __init__(
        self,
        *,
        start: Sequence[Act] = (),
        prepare: Sequence[Act | Ending] = (),
        frames: Sequence[Act | Ending] = (),
        at: Mapping[int, Act | Ending] | None = None,
        batches: Sequence[Act | Ending] = (),
        finalize: Act | Ending = DONE,
        last_words: bytes = b"",
        max_batch: int = 1,
        ends_in_s: float = 0.0,
    ) -> None:
        """``frames`` are the acts for its frames in their order; ``at`` has those for frames of certain indexes.

        ``max_batch`` is what the prepared plugin takes at once, if it is prepared without an act.
        """
        self._at = at or {}
        self.calls: list[str] = []
        """All requests, in order."""
        self.rings: list[JobRing] = []
        """Those that the processes were started with."""
        self.threads: list[int] = []
        """Those that it was allowed for each frame."""
        self.starts: list[float] = []
        """When a process was started, on Trio's clock."""
        self.ends: list[float] = []
        """When one was ended."""
        self._start = list(start)
        self._prepare, self._frames, self._finalize = list(prepare), list(frames), finalize
        self._batches = list(batches)
        self.handed_over: list[tuple[float, list[int]]] = []
        """When each batch came, on Trio's clock, and its frames."""
        self._last_words = last_words
        self._ends_in_s = ends_in_s
        self._prepared = Done(result=None, run_ms=1.0, max_batch=max_batch)
        self._busy = False

    @property
    def alive(self) -> bool:
        """Whether there is a process to end."""
        return len(self.starts) > len(self.ends)

    @property
    def output(self) -> bytes:
        """See Process, also for the methods below."""
        return self._last_words if self.alive else b""

    async def start(self) -> None:
        """Take its time, then be there, unless it cannot be started."""
        assert not self.alive, "the last process was not ended"
        act = self._start.pop(0) if self._start else Act(DONE)
        await trio.sleep(act.takes_s)
        if isinstance(act.ending, PluginDied):
            raise act.ending
        self.starts.append(trio.current_time())

    async def prepare(self, device: str, ring: JobRing, hear: Hear) -> Done | Raised:
        """Start."""
        self.rings.append(ring)
        assert ring.fd >= 0
        return await self._play(f"prepare {device}", self._prepare.pop(0) if self._prepare else self._prepared, hear)

    async def remember(self, memory: StateMemory, earlier: Saved | None, hear: Hear) -> Done | Raised:
        """Begin with a state, or with none."""
        return await self._play(f"remember {None if earlier is None else earlier.state.index}", DONE, hear)

    async def save_state(self, index: int, hear: Hear) -> Done | Raised:
        """Save nothing."""
        return await self._play(f"save {index}", DONE, hear)

    async def process(self, ticket: FrameTicket, threads: int, hear: Hear) -> Done | Raised:
        """Look at a frame."""
        self.threads.append(threads)
        act = self._at.get(ticket.index) or (self._frames.pop(0) if self._frames else FOUND)
        return await self._play(f"frame {ticket.index}", act, hear)

    async def process_batch(self, tickets: Sequence[FrameTicket], threads: int, hear: Hear) -> BatchDone | Raised:
        """Look at several frames; without an act for it, as if at each of them."""
        call = f"batch {' '.join(str(ticket.index) for ticket in tickets)}"
        self.threads.append(threads)
        self.handed_over.append((trio.current_time(), [ticket.index for ticket in tickets]))
        act = self._batches.pop(0) if self._batches else FOUND
        answer = await self._play(call, act, hear)
        return BatchDone(frames=[answer] * len(tickets)) if isinstance(answer, Done) else answer

    async def finalize(self, hear: Hear) -> Done | Raised:
        """Sum up."""
        return await self._play("finalize", self._finalize, hear)

    async def aclose(self) -> bytes:
        """End, whatever happens."""
        with trio.CancelScope(shield=True):
            await trio.sleep(self._ends_in_s)
        if not self.alive:
            return b""
        self.ends.append(trio.current_time())
        return self._last_words

    async def _play(self, call: str, act: Act | Ending, hear: Hear) -> Done | Raised:
        assert self.alive, "there is no process"
        assert not self._busy, "it was not done with the last request"
        self.calls.append(call)
        if not isinstance(act, Act):
            act = Act(act)
        self._busy = True
        try:
            for note in act.notes:
                await hear(note)
            await trio.sleep(act.takes_s)
            if isinstance(act.ending, str):
                await trio.sleep_forever()
            if isinstance(act.ending, PluginDied):
                raise act.ending
        finally:
            self._busy = False
        return act.ending


def frame(index: int, ring: JobRing = RING, slot: int = 0) -> FrameTicket:
    """A frame that is put in front of a stage now."""
    return FrameTicket(ring=ring, slot=slot, index=index, number=index, timestamp_ms=index * 40.0, width=1, height=1)


class Stage:
    """A ToolRunner with a fake process and everything that it writes to."""

    def __init__(
        self,
        process: FakeProcess,
        *further: FakeProcess,
        cores: Cores | None = None,
        fixed_replicas: bool = False,
        inspector: Inspector | None = None,
        device_health: DeviceHealth | None = None,
        device: str = "cpu",
        every: int = 1,
        side: bool = False,
        plugin_timeout_ms: int = 1_000,
        prepare_timeout_ms: int = 5_000,
        max_failures: int = 3,
        max_errors: int = 3,
        tell_takes_s: float = 0.0,
        trace: JobTrace | None = None,
        max_batch: int = 1,
        batch_wait_ms: float = 20.0,
        merge: Merge | None = None,
    ) -> None:
        self.process = process
        self.processes = (process, *further)
        self.warnings = WarningLog(JOB)
        self.record = PluginRecord()
        self.told: list[Payload | FoundEvent] = []
        self._tell_takes_s = tell_takes_s
        self.passed_on: list[FrameTicket] = []
        """The frames that have left the stage."""
        spec = StageSpec(
            job_id=JOB,
            plugin=PLUGIN,
            options={"size": 3},
            device=device,
            every=every,
            side=side,
            plugin_timeout_ms=plugin_timeout_ms,
            prepare_timeout_ms=prepare_timeout_ms,
            max_failures=max_failures,
            max_errors=max_errors,
            replicas=1 + len(further),
            fixed_replicas=fixed_replicas,
            max_batch=max_batch,
            batch_wait_ms=batch_wait_ms,
        )
        self.runner = ToolRunner(
            spec,
            make_process=lambda number: process if number == 0 else further[number - 1],
            cores=cores or Cores(2),
            inspector=inspector or NullInspector(),
            warnings=self.warnings,
            device_health=device_health or DeviceHealth(60.0),
            record=self.record,
            trace=trace,
            merge=merge,
        )
        self.entrance, self.inbox = trio.open_memory_channel[FrameTicket](max_batch)
        self.outbox, self.exit = trio.open_memory_channel[FrameTicket](1)

    async def tell(self, payload: Payload | FoundEvent) -> None:
        """Take what the runner tells."""
        await trio.sleep(self._tell_takes_s)
        self.told.append(payload)

    async def run_alone(  # noqa: ASYNC128 - the runner says it
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Run it, while the test puts frames in and takes them out."""
        await self.runner.run(RING, self.inbox, self.outbox, self.tell, task_status=task_status)

    async def run(  # noqa: ASYNC128 - as above
        self, frames: int = 0, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Put so many frames through the stage, and see to it that nothing is left of its process."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._put, frames)
            nursery.start_soon(self._take)
            await self.run_alone(task_status)
        self.check_closed()

    async def cancelled_after(self, seconds: float, frames: int = 0) -> None:
        """Do the same, but cancel it meanwhile."""
        with trio.move_on_after(seconds) as scope:
            await self.run(frames)
        assert scope.cancelled_caught
        self.check_closed()

    def check_closed(self) -> None:
        """Each process that was started has been ended, once, and the channels of the stage are closed."""
        for process in self.processes:
            assert not process.alive
            assert len(process.ends) == len(process.starts)
        assert self.inbox.statistics().open_receive_channels == 0
        assert self.outbox.statistics().open_send_channels == 0

    @property
    def indexes(self) -> list[int]:
        """Of the frames that have left the stage."""
        return [ticket.index for ticket in self.passed_on]

    @property
    def with_result(self) -> list[int]:
        """The frames that bear this plugin's result."""
        return [ticket.index for ticket in self.passed_on if PLUGIN in ticket.results]

    @property
    def statuses(self) -> list[str]:
        """In the order in which they were told."""
        return [payload.status for payload in self.told if isinstance(payload, PluginStatusPayload)]

    @property
    def healths(self) -> list[str]:
        """Those told with the statuses."""
        return [payload.health for payload in self.told if isinstance(payload, PluginStatusPayload)]

    @property
    def frames_told(self) -> list[FramePayload]:
        """The results that were told."""
        return [payload for payload in self.told if isinstance(payload, FramePayload)]

    @property
    def warned(self) -> list[tuple[Code, str, str | None]]:
        """Code, severity and frame of each warning that was told."""
        return [(w.code, w.severity, w.frame_id) for w in self.told if isinstance(w, WarningPayload)]

    @property
    def codes(self) -> list[Code]:
        """Of the warnings that were told."""
        return [code for code, _, _ in self.warned]

    async def _put(self, frames: int) -> None:
        with self.entrance:
            for index in range(frames):
                await self.entrance.send(frame(index))

    async def _take(self) -> None:
        with self.exit:
            async for ticket in self.exit:
                self.passed_on.append(ticket)
