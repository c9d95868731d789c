"""The only link of a Job and its Pipeline: commands down and events up, each in a bounded channel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from kinora.actors.found_events import FoundEvent
from kinora.actors.messages import FrameImage, Payload, Stage
from kinora.actors.models import Outage, StageState, WarningGroup
from kinora.plugins.devices import Resolution
from kinora.runtime.sending import send

EVENTS_WAITING = 32
"""The most events that wait. Beyond it the stages wait, back to the decoder. A frame is one event of at most 16 MiB."""

# Commands


@attrs.frozen
class Pause:
    """Take no further frame; the workers stay."""


@attrs.frozen
class Resume:
    """Continue after Pause."""


@attrs.frozen
class Stop:
    """End everything; the answer is PipelineEnded."""

    saving: bool = False
    """True to let the frames inside finish first, and to tell the states after the last one, if that is quick."""


@attrs.frozen
class Watch:
    """Make pictures for clients at this rate."""

    fps: float
    """Pictures per second at most: 0 for none, ``inf`` for one of each frame."""


Command = Pause | Resume | Stop | Watch


class CommandQueue:
    """The commands to a pipeline. Putting one never waits: a newer command replaces those that it makes obsolete.

    So the queue holds at most one of Pause and Resume, one Watch and one Stop.
    """

    def __init__(self) -> None:
        self._waiting: dict[type[Command], Command] = {}
        self._arrived = trio.Event()

    def put(self, command: Command) -> None:
        """Put a command."""
        kind: type[Command] = Pause if isinstance(command, Resume) else type(command)
        self._waiting.pop(kind, None)
        self._waiting[kind] = command
        self._arrived.set()

    async def get(self) -> Command:
        """Wait for the next command. If cancelled, no command is lost."""
        while not self._waiting:
            self._arrived = trio.Event()
            await self._arrived.wait()
        return self._waiting.pop(next(iter(self._waiting)))


# Events


@attrs.frozen
class Prepared:
    """All plugins are prepared or disabled; reading begins."""


@attrs.frozen
class StageIs:
    """The stage of the job while it has a live source; shown unless the job is paused."""

    stage: Stage


@attrs.frozen
class FrameDone:
    """A frame has passed all stages; frames come in index order."""

    index: int
    data: bytes
    """The FrameData as JSON text."""
    found: int = 0
    """The detections on it, as :attr:`~kinora.actors.frames.ticket.FrameTicket.found` counts them."""
    states: Mapping[str, bytes] = attrs.field(factory=dict)
    """Plugin → its state after this frame, to be stored with it in place of earlier ones; empty for most frames."""
    events: tuple[FoundEvent, ...] = ()
    """What its plugins say has happened on it, to be stored with it."""


@attrs.frozen
class StatesSaved:
    """What the plugins know after the last frame, as the pipeline stops."""

    frame: FrameDone
    """The frame as it was told before, with the states after it."""


@attrs.frozen(kw_only=True)
class PipelineState:
    """The pipeline's state, sent at intervals and before its end."""

    stages: Mapping[str, StageState]
    """Plugin → its stage's state, in pipeline order."""
    device: Resolution
    timings: Mapping[str, float] | None
    """Plugin → total milliseconds inside it; None without an inspector."""
    warnings: tuple[str, ...] = ()
    warning_groups: tuple[WarningGroup, ...] = ()
    warnings_total: int = 0
    """The number of warnings, repeats included."""
    losses: int = 0
    """The number of warnings that say what frames lack. A state with each comes before those frames are done."""
    dropped: int = 0
    """The number of frames that were dropped for newer ones."""
    source_restarts: int = 0
    """The number of decoders that took the place of one that had failed."""
    is_away: bool = False
    """True while a live source is lost and opened again and again."""
    outages: tuple[Outage, ...] = ()
    """The newest outages of a live source in this pipeline, oldest first."""
    logs: Mapping[str, str]
    """Plugin → the end of its output."""


@attrs.frozen(kw_only=True)
class PipelineEnded:
    """The last event: all processes of the pipeline are gone, except those that are stuck."""

    error: str | None = None
    """The reason, as a sentence, why the pipeline failed; None if it finished or was stopped."""
    truncated: str | None = None
    """The reason why the source broke off early; None if it did not."""
    stuck: tuple[int, ...] = ()
    """The pids of processes that cannot be killed."""


@attrs.frozen
class PipelineLost:
    """The last event in place of PipelineEnded: the agent of the pipeline is lost, and all that it did not tell.

    Its processes are gone, or will be before another pipeline of the job could meet them.
    """

    reason: str
    """A sentence."""
    agent: str
    """The id of the agent."""


LastEvent = PipelineEnded | PipelineLost
Event = Payload | FoundEvent | FrameImage | FrameDone | StatesSaved | Prepared | StageIs | PipelineState | LastEvent


class AnyPipeline(Protocol):
    """A :class:`~kinora.actors.pipeline.pipeline.Pipeline`, wherever it runs, as the Job sees it."""

    def state(self) -> PipelineState:
        """Return the current state; the Job calls this once, before the work begins."""

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Do the work once; see :meth:`Pipeline.run <kinora.actors.pipeline.pipeline.Pipeline.run>`."""


class Reports:
    """The pipeline's sending end of the channel of events."""

    def __init__(self, channel: trio.MemorySendChannel[Event]) -> None:
        self._channel = channel
        self.told = 0
        """The number of events sent so far."""

    async def tell(self, event: Event) -> None:
        """Send an event. A checkpoint only if the channel is full."""
        self.told += 1
        await send(self._channel, event)
