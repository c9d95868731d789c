"""Pipeline: the work of one job, from its source through its stages to finished frames.

It knows neither the store nor the queue nor any client. A Job controls it by commands and learns everything from its
events (see ``pipeline_link``), so that the work can be done elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime

import attrs
import structlog
import trio

from kinora.actors.frames.job_ring import JobRing
from kinora.actors.frames.marks import Marks
from kinora.actors.frames.ticket import FrameTicket, Inbox
from kinora.actors.messages import Code
from kinora.actors.models import frame_id
from kinora.actors.pipeline.frames_inside import FramesInside
from kinora.actors.pipeline.gate import Gate
from kinora.actors.pipeline.picture_taker import PictureTaker
from kinora.actors.pipeline.pipeline_link import (
    CommandQueue,
    Event,
    FrameDone,
    Pause,
    PipelineEnded,
    PipelineState,
    Prepared,
    Reports,
    Resume,
    StageIs,
    StatesSaved,
    Stop,
    Watch,
)
from kinora.actors.pipeline.ring_room import STAGE_QUEUE_FRAMES, batch_that_fits, slots_wanted, waiting_places
from kinora.actors.pipeline.viewer import Viewer
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.frame_source import FrameSource, SourceLost
from kinora.actors.sources.held_sources import HeldSource
from kinora.actors.sources.outages import OutageLog
from kinora.actors.sources.push_inlet import Back, Begun, Gone, PushInlet, PushNews, Waiting
from kinora.actors.sources.reconnecting import Lost, Reconnecting
from kinora.actors.sources.recording import Recording
from kinora.actors.sources.source_reader import OpenSource, SourceSpec, open_source
from kinora.actors.stages.inspector import Inspector
from kinora.actors.stages.side_stage import OfferingInbox, SideStage
from kinora.actors.stages.tool_runner import ToolRunner
from kinora.actors.stages.warnings import WarningLog
from kinora.actors.store.earlier_frames import EarlierFrames, NoEarlierFrames
from kinora.media.camera_errors import LostReason
from kinora.media.source_types import SourceError, SourceNote
from kinora.plugins.api import MAX_BATCH, Severity
from kinora.plugins.devices import CPU, Resolution
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import ForkServer
from kinora.runtime.sending import receive, send
from kinora.runtime.shared_memory.frames import slots_for

log = structlog.get_logger()

STATE_EVERY_S = 0.2
"""The interval between two checks for a new state to send."""
DECODE_AHEAD_SLOTS = 3
"""Slots beyond those of the stages; with fewer than two the decoder would wait for a slot when it could decode."""
BACK = "the source came back after an outage"
"""What is kept of all SOURCE_BACK warnings of a job, which differ in their length."""
BEHIND = "the pipeline was behind; the oldest waiting frame was dropped"
"""Told with the first frame that is dropped; how many were is counted in the job's state."""
SAVE_GRACE_S = 0.5
"""The time that a stop waits for the frames inside and for the states after them; beyond it the last mark stays."""
PICTURE_SLOTS = 1
"""For the frame that a picture is being made of."""
VIEWER_SLOTS = 1
"""For the frame that a viewer looks at."""


@attrs.frozen(kw_only=True)
class PipelineSpec:
    """The work of a pipeline."""

    job_id: str
    source: SourceSpec
    cameras: Cameras = attrs.field(factory=Cameras)
    """Those that the source may be one of."""
    held: HeldSource | None = None
    """The source if its check has left it open."""
    device: Resolution
    """The device to use, resolved from the requested one."""
    device_told: bool = True
    """False if the pipeline is to tell when the device is not the requested one."""
    live: bool = False
    """True if the source has no earlier frames to read again."""
    first_number: int = 0
    """The number of frames that the job has processed before."""
    ring_bytes: int
    """The size in bytes that the ring should not exceed; it has at least two slots in any case."""


class Pipeline:
    """Runs a job's source through its stages, once."""

    def __init__(
        self,
        spec: PipelineSpec,
        *,
        stages: Sequence[ToolRunner | SideStage],
        inspector: Inspector,
        warnings: WarningLog,
        fork_server: ForkServer,
        cores: Cores,
        inlet: PushInlet | None = None,
        recording: Recording | None = None,
        earlier: EarlierFrames | None = None,
        viewer: Viewer | None = None,
    ) -> None:
        """Make a pipeline that has not begun.

        ``inlet`` is where clients push the pictures in, if they do; in ``recording`` the packets of a live source are
        kept; ``earlier`` is what is stored of the job. The ``viewer`` looks at each new frame once it is told.
        """
        self._inlet = inlet
        self._recording = recording
        self._viewer = viewer
        self._earlier = earlier or NoEarlierFrames()
        self._marks = Marks()
        self._first_new = spec.source.start
        """The index from which on frames are new; those before it are shown to plugins that remember, once more."""
        self._spec = spec
        self._stages = stages
        self._inspector = inspector
        self._warnings = warnings
        self._fork_server = fork_server
        self._cores = cores
        self._pictures = PictureTaker(spec.job_id, fork_server)
        self._chained = [stage.spec for stage in stages if not isinstance(stage, SideStage)]
        self._places = waiting_places(self._chained, spec.source.policy)
        """For frames before each stage, and at last behind all."""
        self._gate = Gate()
        self._inside = FramesInside()
        self._last: FrameDone | None = None
        """The last frame that was told, without states."""
        self._stopping = False
        """True once the pipeline saves the states before its end: it takes no further frame."""
        self._read_out = False
        """True once the source is read: the stages sum up after the last frame."""
        self._scope = trio.CancelScope()
        self._losses_told = warnings.losses
        self._truncated: str | None = None
        self._lost: str | None = None
        """The sentence that says why the source could not be read to its end, if so."""
        self._next_number = spec.first_number
        self._dropped = 0
        self._source_restarts = 0
        self._is_away = False
        self._outages = OutageLog()

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Work until the source ends, Stop comes or the work fails; the last event says which.

        If this is cancelled from outside, there is no last event. In every case all processes of the pipeline are gone
        at the end, except those that the last event names as stuck.
        """
        with events:
            self._reports = Reports(events)
            error = None
            with self._scope:
                error = await self._work_under_command(commands)
            await self._tell_state()
            stuck = self._fork_server.stuck(self._spec.job_id)
            await self._reports.tell(PipelineEnded(error=error, truncated=self._truncated, stuck=stuck))

    def state(self) -> PipelineState:
        """Return the current state."""
        return PipelineState(
            stages={stage.spec.plugin: stage.state() for stage in self._stages},
            device=self._device,
            timings=self._inspector.collect_timings(),
            warnings=self._warnings.texts(),
            warning_groups=self._warnings.groups(),
            warnings_total=self._warnings.total,
            losses=self._warnings.losses,
            dropped=self._dropped,
            source_restarts=self._source_restarts,
            is_away=self._is_away,
            outages=self._outages.outages,
            logs=self._logs(),
        )

    async def _work_under_command(self, commands: CommandQueue) -> str | None:
        """Do the work, and obey commands meanwhile; return the reason if the work failed."""
        error, device = None, self._spec.device
        try:
            if device.fallback and not self._spec.device_told:
                await self._warn_once(Code.DEVICE_FALLBACK, str(device.reason), "medium")
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, commands, nursery)
                nursery.start_soon(self._tell_states)
                if self._inlet is not None:
                    nursery.start_soon(self._inlet.run, self._tell_push)
                await self._work()
                nursery.cancel_scope.cancel()
        except* (SourceError, SourceLost) as group:
            error = _first(group)
        return error or self._lost

    async def _obey(self, commands: CommandQueue, nursery: trio.Nursery) -> None:
        while True:
            match await commands.get():
                case Pause():
                    self._gate.close()
                case Resume() if not self._stopping:
                    self._gate.open()
                case Watch(fps):
                    self._pictures.fps = fps
                case Stop(saving=True):
                    nursery.start_soon(self._stop_saving)
                case Stop():
                    self._scope.cancel(reason="the job is stopped")

    async def _stop_saving(self) -> None:
        """Tell the states after the last frame if they are at hand in time, then end everything."""
        if self._stopping:
            return
        with trio.move_on_after(SAVE_GRACE_S):
            if not self._read_out and any(stage.remembers for stage in self._stages):
                self._stopping = True
                self._gate.close()
                await self._inside.wait_none()
                await self._save_states()
        self._scope.cancel(reason="the job is stopped")

    async def _save_states(self) -> None:
        """Tell the states after the last new frame; nothing unless each plugin that remembers gives its own."""
        states = {stage.spec.plugin: await stage.save() for stage in self._stages if stage.remembers}
        known = {plugin: state for plugin, state in states.items() if state is not None}
        if self._last is not None and len(known) == len(states):
            await self._reports.tell(StatesSaved(attrs.evolve(self._last, states=known)))

    async def _tell_state(self) -> None:
        state = self.state()
        self._losses_told = state.losses
        await self._reports.tell(state)

    async def _tell_states(self) -> None:
        """Send the state again whenever there were further events, output or replicas since the last time."""
        known: tuple[int, dict[str, str], list[int]] = (0, {}, [])
        while True:
            await trio.sleep(STATE_EVERY_S)
            told, logs, replicas = self._reports.told, self._logs(), [stage.replicas for stage in self._stages]
            if (told, logs, replicas) != known:
                await self._tell_state()
                known = (
                    told + 1,
                    logs,
                    replicas,
                )  # the state itself is one; events during a wait for room come beyond it

    async def _work(self) -> None:
        source = FrameSource(
            await self._take_up_states(),
            open_decoder=self._open_decoder,
            make_ring=self._make_ring,
            note_restart=self._note_restart,
            note_lost=self._note_lost,
            note_back=self._note_back,
            tell=self._tell_note,
            reconnecting=Reconnecting(max_outage_s=self._spec.source.max_outage_s),
            recording=self._recording,
        )
        async with aclosing(source):
            ring = await source.open()
            if ring is not None:
                await self._run_stages(ring, source)
        self._truncated = source.truncated or (None if self._inlet is None else self._inlet.cut_off)

    async def _take_up_states(self) -> SourceSpec:
        """Give each plugin the state that is stored of it, and return what to read: a file from the marked frame on."""
        spec = self._spec.source
        mark = await self._earlier.mark() if spec.start else None
        if mark is None:
            return spec
        for stage in self._stages:
            await stage.take_up(mark.index, mark.states.get(stage.spec.plugin))
        start = mark.index + spec.stride
        if self._spec.live or start >= spec.start:
            return spec
        self._next_number = await self._earlier.count_before(start)
        again = len(range(start, spec.start, spec.stride))
        return attrs.evolve(spec, start=start, max_frames=None if spec.max_frames is None else spec.max_frames + again)

    @asynccontextmanager
    async def _open_decoder(self) -> AsyncIterator[OpenSource]:
        spec, held, name = self._spec.source, self._spec.held, f"{self._spec.job_id}/decoder"
        taken = None if held is None else await held.take(name)
        if self._inlet is not None:
            async with self._open_pushed(self._inlet, name) as source:
                yield source
        elif taken is None:
            opening = open_source(
                self._fork_server, name, spec.location, spec.name, limits=spec.limits, cameras=self._spec.cameras
            )
            async with opening as source:
                yield source
        else:
            source, resources = taken
            async with resources:
                yield source

    @asynccontextmanager
    async def _open_pushed(self, inlet: PushInlet, name: str) -> AsyncIterator[OpenSource]:
        """Open a decoder once there is a picture for it. It waits for one that it can read, if need be, to the end."""
        spec = self._spec.source
        await inlet.wait_picture()
        end = inlet.connect()
        async with AsyncExitStack() as decoder:
            with end:
                opening = open_source(
                    self._fork_server,
                    name,
                    spec.location,
                    spec.name,
                    limits=spec.limits,
                    cameras=self._spec.cameras,
                    fds=[end.fileno()],
                    timeout_s=math.inf,
                )
                source = await decoder.enter_async_context(opening)
            yield source

    def _make_ring(self, frame_bytes: int) -> JobRing:
        """Make a ring in which stages at the side hold no slot that the others would have without them."""
        at_side = sum(stage.spec.slots for stage in self._stages if isinstance(stage, SideStage))
        others = DECODE_AHEAD_SLOTS + PICTURE_SLOTS + (0 if self._viewer is None else VIEWER_SLOTS)
        wanted = slots_wanted(self._chained, self._places, MAX_BATCH) + others
        slots = slots_for(frame_bytes, wanted, self._spec.ring_bytes)
        return JobRing(slots + at_side, frame_bytes, batch_that_fits(self._chained, self._places, slots - others))

    async def _run_stages(self, ring: JobRing, source: FrameSource) -> None:
        """Chain the stages by channels, and start reading once each plugin is prepared or disabled.

        Those at the side are outside the chain, and not waited for. At the end they still have a frame or two.
        """
        async with trio.open_nursery() as nursery:
            entrance, waiting = trio.open_memory_channel[FrameTicket](self._places[0])
            inbox: Inbox = waiting.clone()
            places = iter(self._places[1:])
            async with trio.open_nursery() as starting:
                for stage in self._stages:
                    if isinstance(stage, SideStage):
                        starting.start_soon(nursery.start, stage.run, ring, self._reports.tell)
                        inbox = OfferingInbox(inbox, stage)
                        continue
                    outbox, next_inbox = trio.open_memory_channel[FrameTicket](next(places))
                    starting.start_soon(nursery.start, stage.run, ring, inbox, outbox, self._reports.tell)
                    inbox = next_inbox
            await self._reports.tell(Prepared())
            nursery.start_soon(self._pictures.run, self._reports.tell)
            nursery.start_soon(self._read_source, source, entrance, waiting)
            await self._finish_frames(inbox)
            await self._pictures.finish()

    async def _read_source(
        self,
        source: FrameSource,
        entrance: trio.MemorySendChannel[FrameTicket],
        waiting: trio.MemoryReceiveChannel[FrameTicket],
    ) -> None:
        """Pass each frame to the first stage. If the source is lost, the frames before that are still processed."""

        async def take(ticket: FrameTicket) -> bool:
            self._cores.spent(ticket.decode_s)
            if source.live and not self._gate.is_open:
                ticket.release()  # what a camera shows during a pause is over when the job goes on
                return False
            if not self._gate.is_open:
                await self._gate.wait_open()
            self._inside.enter()
            if ticket.index < self._first_new:
                return await self._show_again(ticket, entrance)
            ticket.marked = self._marks.due(trio.current_time())
            self._pictures.offer(ticket)
            return await self._let_in(ticket, entrance, waiting)

        with entrance, waiting:
            try:
                await source.read(take)
            except SourceLost as lost:
                self._lost = str(lost)
            if self._stopping:
                await trio.sleep_forever()  # the stages are not to sum up
            self._read_out = True

    async def _show_again(self, ticket: FrameTicket, entrance: trio.MemorySendChannel[FrameTicket]) -> bool:
        """Pass a frame that is stored to the stages; one that was dropped then is dropped again."""
        ticket.stored = await self._earlier.results(ticket.index)
        if ticket.stored is None:
            ticket.release()
            self._inside.leave()
        else:
            self._number(ticket)
            await send(entrance, ticket)
        return True

    def _number(self, ticket: FrameTicket) -> None:
        """Give a frame that is let in its number: the next one, unless other pipelines have frames before it."""
        source = self._spec.source
        ticket.number = ticket.index // source.stride if source.spans else self._next_number
        self._next_number += 1

    async def _let_in(
        self,
        ticket: FrameTicket,
        entrance: trio.MemorySendChannel[FrameTicket],
        waiting: trio.MemoryReceiveChannel[FrameTicket],
    ) -> bool:
        """Pass a frame to the first stage. With the policy ``latest``, the frame waiting there is dropped for it.

        Return False if one was.
        """
        replaces = self._spec.source.policy == "latest" and (
            entrance.statistics().current_buffer_used == STAGE_QUEUE_FRAMES
        )
        if replaces:
            waiting.receive_nowait().release()
            self._inside.leave()
            self._next_number -= 1
        self._number(ticket)
        if self._spec.source.policy == "wait":
            await send(entrance, ticket)
            return True
        entrance.send_nowait(ticket)
        if dropped := replaces + ticket.skipped:
            self._dropped += dropped
            await self._warn_once(Code.FRAMES_DROPPED, BEHIND)
        return not replaces

    async def _finish_frames(self, inbox: Inbox) -> None:
        """Report the frames that have passed all stages, in the order of the source, and free their slots."""
        with inbox:
            while (ticket := await receive(inbox)) is not None:
                if self._warnings.losses != self._losses_told:
                    await self._tell_state()
                ticket.is_done = True
                if ticket.stored is None:
                    data = ticket.frame_data().encode()
                    self._last = FrameDone(ticket.index, data, ticket.found)
                    done = self._last
                    if ticket.states or ticket.events:
                        done = attrs.evolve(done, states=ticket.states, events=tuple(ticket.events))
                    await self._reports.tell(done)
                    if self._viewer is not None:
                        await self._viewer.show(ticket, data)
                if ticket.marked:
                    self._marks.note_stored(sum(map(len, ticket.states.values())))
                ticket.release()
                self._inside.leave()

    async def _note_restart(self, reason: str, index: int) -> None:
        self._source_restarts += 1
        log.warning("a source's decoder was replaced", job_id=self._spec.job_id, reason=reason, index=index)
        message = f"{reason}; the source was opened again and goes on at frame {index}"
        await self._warn(Code.SOURCE_RESTARTED, message, frame_id(index))

    async def _note_lost(self, lost: Lost) -> None:
        log.warning("a live source was lost", job_id=self._spec.job_id, reason=lost.reason)
        await self._warn(Code.SOURCE_LOST, f"{lost.reason}: {lost.sentence}", severity="medium")
        self._is_away = True
        self._outages.lose(lost, datetime.now(UTC))
        await self._tell_state()

    async def _note_back(self, outage_s: float, index: int) -> None:
        log.info("a live source is back", job_id=self._spec.job_id, outage_s=round(outage_s, 1), index=index)
        message = f"the source is back after {outage_s:.1f} s; it goes on at frame {index}"
        await self._warn(Code.SOURCE_BACK, message, frame_id(index), kept_as=BACK)
        self._is_away = False
        self._outages.come_back(outage_s, index, datetime.now(UTC))
        await self._tell_state()

    async def _tell_note(self, note: SourceNote) -> None:
        await self._warn_once(Code(note.code), note.message, note.severity)

    async def _warn_once(self, code: Code, message: str, severity: Severity = "low") -> None:
        """Warn unless this or an earlier pipeline of the job has told the same."""
        if not self._warnings.known(None, code, message):
            await self._warn(code, message, severity=severity)

    async def _tell_push(self, news: PushNews) -> None:
        """Tell of the client that pushes."""
        match news:
            case Waiting():
                await self._reports.tell(StageIs("waiting"))
            case Begun():
                await self._reports.tell(StageIs("preparing"))
            case Gone():
                await self._note_lost(Lost(LostReason.CLOSED, "The client that pushes the pictures has gone."))
            case Back(outage_s, index):
                await self._note_back(outage_s, index)

    async def _warn(
        self,
        code: Code,
        message: str,
        frame: str | None = None,
        severity: Severity = "low",
        *,
        kept_as: str | None = None,
    ) -> None:
        shown = self._warnings.add(None, code, message, severity, frame, kept_as=kept_as)
        if shown is not None:
            await self._reports.tell(shown)

    def _logs(self) -> dict[str, str]:
        return {stage.spec.plugin: stage.log for stage in self._stages}

    @property
    def _device(self) -> Resolution:
        """The device in use now: stages may have left the resolved one after it failed."""
        resolved = self._spec.device
        lost = next((stage for stage in self._stages if stage.fallback_reason is not None), None)
        if lost is None:
            return resolved
        kept = any(stage.device == resolved.device_used for stage in self._stages)
        reason = f"{lost.spec.plugin}: {lost.fallback_reason}"
        return Resolution(resolved.device_used if kept else CPU, fallback=True, reason=reason)


def _first(group: BaseExceptionGroup[BaseException]) -> str:
    """Return the text of the first error in a group."""
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)
