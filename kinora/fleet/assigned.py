"""Assigned: an attempt as the server keeps it: what it has told and nobody has taken yet, and what it was told."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence

import attrs
import trio

from kinora.actors.pipeline.pipeline_link import Command
from kinora.actors.store.earlier_frames import EarlierFrames
from kinora.fleet.events import tell_of
from kinora.fleet.link import Acknowledged, Assign, Attempt, FromServer, Tell
from kinora.fleet.parts import MAX_EVENT_BYTES

MAX_WAITING_BYTES = 128 * 2**20 + MAX_EVENT_BYTES
"""The most bytes of events that wait for the Job: an agent keeps 64 MiB and one event at most. One that tells more has
broken the rules of the link."""
EVENT_OVERHEAD = 64
"""What an event takes beside its encoding."""


class LinkMisused(Exception):
    """The agent has sent what the link does not allow; the text says what."""


async def _no_camera() -> bytes:
    await trio.lowlevel.checkpoint()
    return b""


@attrs.define(eq=False)
class Assigned:
    """One attempt, from when an agent is to begin it until its Job has its last event."""

    attempt: Attempt
    order: bytes
    """Its WorkOrder as JSON."""
    earlier: EarlierFrames
    """The stored part of the job."""
    location: str = ""
    """The source, as the server opens it."""
    camera: Callable[[], Awaitable[bytes]] = _no_camera
    """Returns the answer to ``camera``, for an agent that opens it."""
    told: int = 0
    """The newest sequence number that was taken."""
    acknowledged: int = 0
    """The newest sequence number that was acknowledged."""
    lost: str | None = None
    """The reason, as a sentence, why nothing more will come; None while something may."""
    _fault: Exception | None = None
    _waiting: deque[tuple[str, bytes]] = attrs.field(factory=deque)
    _bytes: int = 0
    _news: trio.Event = attrs.field(factory=trio.Event)
    _commands: dict[str, Tell] = attrs.field(factory=dict)
    """The newest command of each kind."""

    def take(self, first: int, events: Sequence[tuple[str, bytes]]) -> int:
        """Take the events that are new, and return how many; those told before are passed over.

        Raises:
            LinkMisused: events before these are missing, or more wait than the window allows.
        """
        if not 0 < first <= self.told + 1:
            raise LinkMisused(f"Event {first} of an attempt came after event {self.told}.")
        new = events[self.told + 1 - first :]
        self._bytes += sum(len(data) + EVENT_OVERHEAD for _, data in new)
        if self._bytes > MAX_WAITING_BYTES:
            raise LinkMisused("More events of an attempt wait than its window allows.")
        self._waiting.extend(new)
        self.told += len(new)
        self._news.set()
        return len(new)

    def lose(self, reason: str) -> None:
        """Let nothing more come than what was told; a second time has no effect."""
        self.lost = self.lost or reason
        self._news.set()

    def fail(self, error: Exception) -> None:
        """Have :meth:`next` raise an error of the server: the attempt cannot go on."""
        self._fault = error
        self._news.set()

    def spoil(self) -> None:
        """Forget what was told, after an event that cannot be right."""
        self._waiting.clear()
        self._bytes = 0

    async def next(self) -> tuple[str, bytes] | None:
        """Wait for the next event, its kind and its encoding; None once the attempt is lost.

        A checkpoint only if it waits. If cancelled, no event is lost. Raises what :meth:`fail` was given.
        """
        while not self._waiting:
            if self._fault is not None:
                raise self._fault
            if self.lost is not None:
                return None
            self._news = trio.Event()
            await self._news.wait()
        kind, data = self._waiting.popleft()
        self._bytes -= len(data) + EVENT_OVERHEAD
        return kind, data

    def command(self, command: Command) -> Tell:
        """Note a command, so that it is told again on a new connection; return the message that tells it."""
        tell = tell_of(self.attempt, command)
        kind = {"resume": "pause", "save_and_stop": "stop"}.get(tell.command, tell.command)
        self._commands.pop(kind, None)
        self._commands[kind] = tell
        return tell

    def acknowledge(self, upto: int) -> Acknowledged:
        """Note that all events up to this number are taken and stored; return the message that tells it."""
        self.acknowledged = upto
        return Acknowledged(attempt=self.attempt, upto=upto)

    def told_again(self, *, known: bool) -> list[FromServer]:
        """Return what the agent is told of it on a new connection; ``known`` if it has the attempt already."""
        begin: list[FromServer] = [] if known else [Assign(self.attempt, self.order)]
        if self.acknowledged:
            begin.append(self.acknowledge(self.acknowledged))
        return [*begin, *self._commands.values()]
