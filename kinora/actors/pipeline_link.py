"""What joins a Job to its Pipeline: commands down, events up, each in a bounded channel, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping

import attrs
import trio

from kinora.actors.messages import FrameImage, Payload
from kinora.actors.models import StageState, WarningGroup
from kinora.plugins.devices import Resolution
from kinora.runtime.sending import send

EVENTS_WAITING = 32
"""Overflow: the stage that tells waits, and so back to the decoder. A frame is one event, of 16 MiB at most."""

# Commands


@attrs.frozen
class Pause:
    """Let no further frame in; the workers stay."""


@attrs.frozen
class Resume:
    """Go on after Pause."""


@attrs.frozen
class Stop:
    """End everything now; the answer is PipelineEnded."""


@attrs.frozen
class Watch:
    """Make so many pictures a second for those who watch: 0 for none, ``inf`` for one of each frame."""

    fps: float


Command = Pause | Resume | Stop | Watch


class CommandQueue:
    """Commands on their way down. Putting one never waits: a newer one replaces what it makes obsolete.

    So it holds one of Pause and Resume, one Watch and one Stop at most.
    """

    def __init__(self) -> None:
        self._waiting: dict[type[Command], Command] = {}
        self._arrived = trio.Event()

    def put(self, command: Command) -> None:
        """Leave a command for the pipeline."""
        kind: type[Command] = Pause if isinstance(command, Resume) else type(command)
        self._waiting.pop(kind, None)
        self._waiting[kind] = command
        self._arrived.set()

    async def get(self) -> Command:
        """Wait for the next command; if cancelled, none is lost."""
        while not self._waiting:
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._waiting.pop(next(iter(self._waiting)))


# Events


@attrs.frozen
class Prepared:
    """All plugins are ready or given up; frames come in from now on."""


@attrs.frozen
class FrameDone:
    """A frame is through all stages; frames come in index order."""

    index: int
    data: bytes
    """The FrameData as JSON text."""


@attrs.frozen(kw_only=True)
class PipelineState:
    """How the pipeline stands, told at intervals and before its end."""

    stages: Mapping[str, StageState]
    """By plugin, in pipeline order."""
    device: Resolution
    timings: Mapping[str, float] | None
    """Total ms inside each plugin; None without an inspector."""
    warnings: tuple[str, ...] = ()
    warning_groups: tuple[WarningGroup, ...] = ()
    warnings_total: int = 0
    """All of them, repeats included."""
    dropped: int = 0
    """Frames that newer ones have overtaken."""
    logs: Mapping[str, str]
    """The end of what each plugin printed."""


@attrs.frozen(kw_only=True)
class PipelineEnded:
    """The last event: every process of the pipeline is gone but for those that are stuck."""

    error: str | None = None
    """Why the pipeline could not do its work, a sentence; None when it did, or was stopped."""
    truncated: str | None = None
    """Why the source broke off early."""
    stuck: tuple[int, ...] = ()
    """The pids of processes that cannot be killed."""


Event = Payload | FrameImage | FrameDone | Prepared | PipelineState | PipelineEnded


class Reports:
    """The pipeline's end of the way up."""

    def __init__(self, channel: trio.MemorySendChannel[Event]) -> None:
        self._channel = channel
        self.told = 0
        """How many events so far."""

    async def tell(self, event: Event) -> None:
        """Send an event, waiting for room only where there is none: most of the time this is no checkpoint."""
        self.told += 1
        await send(self._channel, event)
