"""PluginProcess: the conversation with one plugin's process. The ToolRunner decides what follows from a failure."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import attrs
import msgspec
import trio

from kinora.actors.found_events import check_event_data
from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.messages import Code
from kinora.actors.stages.stage_memory import Saved
from kinora.plugins import protocol
from kinora.plugins.devices import CPU
from kinora.plugins.forms.catalogue import MAX_RESULT_BYTES
from kinora.plugins.protocol import BatchDone, Done, Note, Raised
from kinora.runtime.forking.channel import ProtocolError
from kinora.runtime.forking.worker_usage import WorkerKind, worker_name
from kinora.runtime.forking.workers import Conversation, ForkServer, ForkServerGone, WorkerGone
from kinora.runtime.shared_memory.state_memory import StateMemory

ADDRESS_SPACE_FACTOR = 4
"""Threads, allocators and mapped files reserve more than they use."""
NO_ROOM = "the workers have nearly all the memory that they may have together (workers_memory_mb)"
UNEXPECTED = "its process sent an unexpected answer"
NOT_A_MESSAGE = "its process sent bytes that are not a message"

Hear = Callable[[Note], Awaitable[None]]
"""Called with each note that the plugin sends before its answer."""
_DONE_OR_RAISED = (Done, Raised)
_WITH_RESULT = (Done, protocol.Partial)
_NOTES = (protocol.Warned, protocol.Partial, protocol.Unsaved, protocol.Event)
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


class PluginDied(Exception):
    """The plugin's process cannot be used any more; ``code`` and ``message`` say why.

    ``blameless`` is true if the fork server's end was the reason, and not the plugin. ``place`` is the line of the
    plugin's own code that raised, if it did and that is known. ``killed`` is true after a SIGKILL that is not Kinora's.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        traceback: str = "",
        *,
        blameless: bool = False,
        place: str | None = None,
        killed: bool = False,
    ) -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.traceback = traceback
        self.blameless = blameless
        self.place = place
        self.killed = killed

    @property
    def from_outside(self) -> bool:
        """True if the plugin did nothing: the fork server ended, or somebody else killed the process."""
        return self.blameless or self.killed


@attrs.frozen(kw_only=True)
class ProcessSpec:
    """The plugin to run, and the limits of its process."""

    job_id: str
    plugin: str
    origin: protocol.Origin
    options: Mapping[str, Any]
    models_dir: Path
    threads: int
    """The most threads that its libraries may use while it is prepared, and those that settle it then for good."""
    memory_limit: int | None
    """The most bytes that its process and its descendants may have resident; None if the plugin declares no limit."""

    def address_space(self, device: str) -> int | None:
        """Return a hard cap in bytes against large allocations between two checks of the resident memory.

        None unless the plugin declares a limit and runs on the CPU: CUDA reserves far more address space than it uses,
        and so may any library. A plugin that declares a limit says that its libraries do not.
        """
        if self.memory_limit is None or device != CPU:
            return None
        return ADDRESS_SPACE_FACTOR * self.memory_limit


class Process(Protocol):
    """A plugin's process as the ToolRunner sees it. All but ``aclose`` raise PluginDied when it has failed."""

    @property
    def output(self) -> bytes:
        """The end of the running process's output; empty if none runs."""

    async def start(self) -> None:
        """Start a process, before :meth:`prepare`. Bounded in time; the plugin has no part in it."""

    async def prepare(self, device: str, ring: JobRing, hear: Hear) -> Done | Raised:
        """Let the process read the ring, and prepare the plugin for the device."""

    async def remember(self, memory: StateMemory, earlier: Saved | None, hear: Hear) -> Done | Raised:
        """Have the plugin take up an earlier state, if any, and keep its own in the memory from now on."""

    async def save_state(self, index: int, hear: Hear) -> Done | Raised:
        """Have the plugin save its state after a frame now, whatever that costs."""

    async def process(self, ticket: FrameTicket, threads: int, hear: Hear) -> Done | Raised:
        """Have the plugin process a frame; its libraries may use so many threads."""

    async def process_batch(self, tickets: Sequence[FrameTicket], threads: int, hear: Hear) -> BatchDone | Raised:
        """Have the plugin process frames of one ring at once. BatchDone has a result for each of them."""

    async def finalize(self, hear: Hear) -> Done | Raised:
        """Finalize the plugin."""

    async def aclose(self) -> bytes:
        """End the process with its descendants, and return its output. Bounded in time; completes even if cancelled."""


class PluginProcess:
    """A plugin in a worker process."""

    def __init__(self, spec: ProcessSpec, fork_server: ForkServer, number: int = 0) -> None:
        """``number`` tells the replicas of a stage apart, from 0. Those after the first are not needed."""
        self._spec = spec
        self._is_needed = number == 0
        self._name = worker_name(spec.job_id, spec.plugin, number)
        self._fork_server = fork_server
        self._talk: Conversation[protocol.Request, protocol.Answer | Note] | None = None
        self._exit = AsyncExitStack()
        self._ring: JobRing | None = None
        """The ring that the process has mapped."""

    @property
    def output(self) -> bytes:
        """As :class:`Process` says; so do the methods below."""
        return b"" if self._talk is None else self._talk.worker.log.data()

    async def start(self) -> None:
        """Raise PluginDied if no process can be started, or if one that is not needed would be too much."""
        kind = WorkerKind.of(protocol.PLUGIN.target, self._name)
        if not self._is_needed and not await self._fork_server.has_room_like(kind):
            raise PluginDied(Code.PLUGIN_MEMORY, NO_ROOM)
        worker = self._fork_server.worker(
            protocol.PLUGIN,
            self._name,
            memory_limit=self._spec.memory_limit,
            interpreter=self._spec.origin.python,
        )
        try:
            self._talk = await self._exit.enter_async_context(worker)
        except ForkServerGone as error:
            raise PluginDied(Code.PLUGIN_CRASH, str(error), blameless=True) from error

    async def prepare(self, device: str, ring: JobRing, hear: Hear) -> Done | Raised:
        """Send the request, with the ring."""
        spec = self._spec
        request = protocol.Prepare(
            origin=spec.origin,
            options=msgspec.json.encode(spec.options),
            device=device,
            models_dir=str(spec.models_dir),
            ring=_use(ring),
            threads=spec.threads,
            address_space=spec.address_space(device),
        )
        self._ring = ring
        return await self._ask(request, hear, [ring.fd])

    async def remember(self, memory: StateMemory, earlier: Saved | None, hear: Hear) -> Done | Raised:
        """Send the descriptors of the memories; the state itself does not pass through the server."""
        if earlier is None:
            return await self._ask(protocol.Remember(), hear, [memory.fd])
        request = protocol.Remember(places=list(earlier.state.places))
        return await self._ask(request, hear, [memory.fd, earlier.fd])

    async def save_state(self, index: int, hear: Hear) -> Done | Raised:
        """Send the request, between two frames."""
        return await self._ask(protocol.SaveState(index=index), hear)

    async def process(self, ticket: FrameTicket, threads: int, hear: Hear) -> Done | Raised:
        """Send the frame's slot; the process reads the pixels in the ring, which it maps first if it is another one."""
        if ticket.ring is not self._ring and (fault := await self._map(ticket.ring, hear)) is not None:
            return fault
        return await self._ask(_process(ticket, threads), hear)

    async def process_batch(self, tickets: Sequence[FrameTicket], threads: int, hear: Hear) -> BatchDone | Raised:
        """Send all slots in one request; likewise."""
        fault = await self._map(tickets[0].ring, hear)
        if fault is not None:
            return fault
        request = protocol.ProcessBatch(frames=[_process(ticket, threads) for ticket in tickets])
        answer = await self._converse(request, hear)
        match answer:
            case BatchDone(frames=frames) if len(frames) == len(tickets):
                return answer
            case Raised():
                return answer
        raise PluginDied(Code.PLUGIN_CRASH, UNEXPECTED)

    async def finalize(self, hear: Hear) -> Done | Raised:
        """Send the request, after the last frame."""
        return await self._ask(protocol.Finalize(), hear)

    async def aclose(self) -> bytes:
        """Do nothing if there is no process."""
        talk, self._talk, self._ring = self._talk, None, None
        await self._exit.aclose()
        return b"" if talk is None else talk.worker.log.data()

    async def _map(self, ring: JobRing, hear: Hear) -> Raised | None:
        """Have the process read this ring. Return its answer if it cannot."""
        if ring is self._ring:
            return None
        mapped = await self._ask(_use(ring), hear, [ring.fd])
        if isinstance(mapped, Raised):
            return mapped
        self._ring = ring
        return None

    async def _ask(self, request: protocol.Request, hear: Hear, fds: Sequence[int] = ()) -> Done | Raised:
        answer = await self._converse(request, hear, fds)
        if not isinstance(answer, _DONE_OR_RAISED):
            raise PluginDied(Code.PLUGIN_CRASH, UNEXPECTED)
        return answer

    async def _converse(self, request: protocol.Request, hear: Hear, fds: Sequence[int] = ()) -> protocol.Answer:
        if self._talk is None:
            raise RuntimeError("start must come first")
        try:
            await self._talk.send(request, fds)
            while True:
                answer = await self._talk.receive()
                if isinstance(answer, _WITH_RESULT):
                    check_result(answer.result)
                elif isinstance(answer, BatchDone):
                    await _check_all(answer)
                _check_events(answer)
                if not isinstance(answer, _NOTES):
                    return answer
                await hear(answer)
        except WorkerGone as error:
            code = Code.PLUGIN_MEMORY if error.over_memory else Code.PLUGIN_CRASH
            raise PluginDied(code, str(error), blameless=error.orphaned, killed=error.killed) from error
        except (ProtocolError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PluginDied(Code.PLUGIN_CRASH, NOT_A_MESSAGE) from error


def _use(ring: JobRing) -> protocol.UseRing:
    return protocol.UseRing(slots=ring.slots, slot_bytes=ring.slot_bytes)


def _process(ticket: FrameTicket, threads: int) -> protocol.Process:
    return protocol.Process(
        slot=ticket.slot,
        index=ticket.index,
        timestamp_ms=ticket.timestamp_ms,
        width=ticket.width,
        height=ticket.height,
        results=ticket.results,
        threads=threads,
    )


async def _check_all(answer: BatchDone) -> None:
    """Check each result as :func:`check_result` does, and give way between two."""
    for frame in answer.frames:
        check_result(frame.result)
        _check_events(frame)
        await trio.lowlevel.checkpoint()


def _check_events(answer: protocol.Answer | Note) -> None:
    """Check the data of an event, or of those in an answer, as :func:`check_event_data` does."""
    if isinstance(answer, protocol.Event):
        check_event_data(answer.data)
    elif isinstance(answer, Done):
        for event in answer.events:
            check_event_data(event.data)


def check_result(result: bytes | None) -> None:
    """Check that a result, if there is one, is a JSON object: a plugin's process is not trusted.

    The JSON is checked without making objects of it, which would take the event loop ten times as long.

    Raises:
        ProtocolError: the result is not an object, or too large.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is not JSON, not UTF-8, or nested too deeply.
    """
    if result is not None:
        if len(result) > MAX_RESULT_BYTES or not result.startswith(b"{"):
            raise ProtocolError("the process sent a result that is too large or not an object")
        _decode_raw(result)
        result.decode()
