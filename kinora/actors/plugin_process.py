"""PluginProcess: the conversation with one plugin's process. What to make of a failure is the ToolRunner's business."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

import attrs
import msgspec

from kinora.actors.messages import Code
from kinora.actors.ticket import FrameTicket
from kinora.plugins import protocol
from kinora.plugins.devices import CPU
from kinora.plugins.protocol import Done, Note, Raised
from kinora.plugins.results import MAX_RESULT_BYTES
from kinora.runtime.channel import ProtocolError
from kinora.runtime.frames import FrameRing
from kinora.runtime.workers import Conversation, ForkServer, ForkServerGone, WorkerGone

ADDRESS_SPACE_FACTOR = 4
"""Threads, allocators and mapped files reserve more than they use."""
NO_MESSAGE = "its process sent bytes that are no message"

Hear = Callable[[Note], Awaitable[None]]
"""Called with each note that the plugin sends before its answer."""
_decode_raw = msgspec.json.Decoder(msgspec.Raw).decode


class PluginDied(Exception):
    """The plugin's process is of no more use; ``code`` and ``message`` say why."""

    def __init__(self, code: Code, message: str, traceback: str = "") -> None:
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.traceback = traceback


@attrs.frozen(kw_only=True)
class ProcessSpec:
    """Which plugin to run, and what its process may use."""

    job_id: str
    plugin: str
    origin: protocol.Origin
    options: Mapping[str, Any]
    models_dir: Path
    threads: int
    """How many its libraries may use."""
    memory_limit: int | None
    """Bytes that its process and what that starts may have resident, if the plugin has said so."""

    def address_space(self, device: str) -> int | None:
        """Return a hard cap in bytes, for what a plugin takes at one stroke between two looks at its resident memory.

        Only on the CPU and with a limit of the plugin's own: CUDA reserves far more address space than it uses, and so
        may any library; a plugin that declares a limit says that its libraries do not.
        """
        if self.memory_limit is None or device != CPU:
            return None
        return ADDRESS_SPACE_FACTOR * self.memory_limit


class Process(Protocol):
    """A plugin's process as the ToolRunner sees it. All but ``aclose`` raise PluginDied when it is of no more use."""

    @property
    def output(self) -> bytes:
        """The end of what the process at work has printed; empty while there is none."""

    async def prepare(self, device: str, ring: FrameRing, hear: Hear) -> Done | Raised:
        """Start a process that sees the ring, and have the plugin prepare for the device."""

    async def process(self, ticket: FrameTicket, hear: Hear) -> Done | Raised:
        """Have the plugin look at a frame."""

    async def finalize(self, hear: Hear) -> Done | Raised:
        """Have the plugin sum up."""

    async def aclose(self) -> bytes:
        """End the process and all that it started; return its output. Bounded, and completed even if cancelled."""


class PluginProcess:
    """A plugin in a worker process; :meth:`prepare` starts it, and starts it anew after :meth:`aclose`."""

    def __init__(self, spec: ProcessSpec, fork_server: ForkServer) -> None:
        self._spec = spec
        self._fork_server = fork_server
        self._talk: Conversation[protocol.Request, protocol.Answer | Note] | None = None
        self._exit = AsyncExitStack()

    @property
    def output(self) -> bytes:
        """See :class:`Process`, also for the methods below."""
        return b"" if self._talk is None else self._talk.worker.log.data()

    async def prepare(self, device: str, ring: FrameRing, hear: Hear) -> Done | Raised:
        """Raise PluginDied where no process can be started, too."""
        spec = self._spec
        request = protocol.Prepare(
            origin=spec.origin,
            options=msgspec.json.encode(spec.options),
            device=device,
            models_dir=str(spec.models_dir),
            slots=ring.slots,
            slot_bytes=ring.slot_bytes,
            threads=spec.threads,
            address_space=spec.address_space(device),
        )
        worker = self._fork_server.worker(
            protocol.PLUGIN, f"{spec.job_id}/{spec.plugin}", memory_limit=spec.memory_limit
        )
        try:
            self._talk = await self._exit.enter_async_context(worker)
        except ForkServerGone as error:
            raise PluginDied(Code.PLUGIN_CRASH, str(error)) from error
        return await self._ask(request, hear, [ring.fd])

    async def process(self, ticket: FrameTicket, hear: Hear) -> Done | Raised:
        """The pixels stay where they are: the process reads them in the ring."""
        request = protocol.Process(
            slot=ticket.slot,
            index=ticket.index,
            timestamp_ms=ticket.timestamp_ms,
            width=ticket.width,
            height=ticket.height,
            results=ticket.results,
        )
        return await self._ask(request, hear)

    async def finalize(self, hear: Hear) -> Done | Raised:
        """Comes after the last frame."""
        return await self._ask(protocol.Finalize(), hear)

    async def aclose(self) -> bytes:
        """Do nothing when there is no process."""
        talk, self._talk = self._talk, None
        await self._exit.aclose()
        return b"" if talk is None else talk.worker.log.data()

    async def _ask(self, request: protocol.Request, hear: Hear, fds: Sequence[int] = ()) -> Done | Raised:
        if self._talk is None:
            raise RuntimeError("prepare must come first")
        try:
            await self._talk.send(request, fds)
            while True:
                match _checked(await self._talk.receive()):
                    case protocol.Warned() | protocol.Partial() as note:
                        await hear(note)
                    case Done() | Raised() as answer:
                        return answer
                    case _:
                        raise PluginDied(Code.PLUGIN_CRASH, "its process answered what it was not asked")
        except WorkerGone as error:
            raise PluginDied(Code.PLUGIN_MEMORY if error.over_memory else Code.PLUGIN_CRASH, str(error)) from error
        except (ProtocolError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise PluginDied(Code.PLUGIN_CRASH, NO_MESSAGE) from error


def _checked(answer: protocol.Answer | Note) -> protocol.Answer | Note:
    """Return the answer if its result is an object in JSON: a plugin's process is not to be trusted.

    The JSON is read but not turned into objects, which would take the event loop ten times as long.

    Raises:
        ProtocolError: the result is another kind of value, or too large.
        msgspec.DecodeError, UnicodeDecodeError, RecursionError: it is not JSON, not text, or nested without end.
    """
    result = answer.result if isinstance(answer, Done | protocol.Partial) else None
    if result is not None:
        if len(result) > MAX_RESULT_BYTES or not result.startswith(b"{"):
            raise ProtocolError("the process sent a result that is no object, or too large")
        _decode_raw(result)
        result.decode()
    return answer
