"""SegmentedPipeline: several pipelines that share the segments of one file, as one pipeline for the Job."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import msgspec
import trio

from kinora.actors.messages import Code, FrameImage, FramePayload, PartialResultPayload
from kinora.actors.pipeline.joint_messages import JointMessages
from kinora.actors.pipeline.joint_state import NO_SUM, joint_state
from kinora.actors.pipeline.lane import HELD_BYTES, Lane
from kinora.actors.pipeline.pipeline_link import (
    AnyPipeline,
    CommandQueue,
    Event,
    FrameDone,
    LastEvent,
    PipelineEnded,
    PipelineLost,
    PipelineState,
    Prepared,
    Reports,
    StageIs,
    StatesSaved,
    Stop,
    Watch,
)
from kinora.actors.pipeline.segments import Cut
from kinora.actors.stages.merging import MergeFailed, Merger
from kinora.actors.stages.warnings import WarningLog
from kinora.media.messages import Span

STATE_EVERY_S = 0.2
"""The interval between two checks for a new state to send."""


class SegmentedPipeline:
    """Runs a pipeline for each lane of a cut, once, and tells their frames in the order of the file.

    What a pipeline tells of frames before their turn is held, see ``HELD_BYTES``. If a pipeline fails or is lost, its
    frames so far are told, and the whole ends as it did: what is behind them is read again by the next attempt.
    """

    def __init__(
        self,
        job_id: str,
        cut: Cut,
        pipelines: Sequence[AnyPipeline],
        *,
        stride: int,
        merger: Merger,
        before: Sequence[PipelineState] = (),
    ) -> None:
        """``pipelines`` are those of the cut, in its order. ``before`` has the figures of earlier attempts."""
        self._job_id = job_id
        self._cut = cut
        self._stride = stride
        self._merger = merger
        self._before = before
        share = HELD_BYTES // len(pipelines)
        self._lanes = [Lane(pipeline, cut.spans(number), share) for number, pipeline in enumerate(pipelines)]
        self._messages = JointMessages(len(pipelines), _frames_of(before))
        self._warnings = WarningLog(job_id)
        """Those of merging; the pipelines have their own."""
        self._sums: dict[str, bytes] = {}
        """Plugin → the result of ``finalize`` for all frames."""
        self._fps = 0.0
        self._stopping = False
        self._prepared = False
        self._is_new = False
        """True if there is a state that was not told."""

    def state(self) -> PipelineState:
        """Return the current state of all together."""
        states = [lane.seen for lane in self._lanes]
        joint = joint_state(self._job_id, states, self._before, self._warnings.groups())
        stages = {
            plugin: attrs.evolve(stage, finalize=msgspec.Raw(self._sums[plugin])) if plugin in self._sums else stage
            for plugin, stage in joint.stages.items()
        }
        return attrs.evolve(joint, stages=stages)

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Do the work once; see :meth:`Pipeline.run <kinora.actors.pipeline.pipeline.Pipeline.run>`."""
        with events:
            self._reports = Reports(events)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._obey, commands)
                nursery.start_soon(self._tell_states)
                for number, lane in enumerate(self._lanes):
                    nursery.start_soon(lane.run)
                    nursery.start_soon(self._follow, number, lane)
                failed = await self._tell_in_turn()
                if failed is not None:
                    self._stop(Stop())
                await self._wait_ended()
                if failed is None and not self._stopping:
                    await self._sum_up()
                nursery.cancel_scope.cancel()
            await self._reports.tell(self.state())
            await self._reports.tell(self._end(failed))

    # Commands

    async def _obey(self, commands: CommandQueue) -> None:
        while True:
            match await commands.get():
                case Watch(fps):
                    self._fps = fps
                    for lane in self._lanes:
                        self._watch(lane)
                case Stop() as stop:
                    self._stop(stop)
                case command:
                    for lane in self._lanes:
                        lane.commands.put(command)

    def _stop(self, command: Stop) -> None:
        self._stopping = True
        for lane in self._lanes:
            lane.give_up()
            lane.commands.put(command)

    def _watch(self, lane: Lane) -> None:
        """Have pictures made of the frames that are told as they come, and of no others."""
        lane.commands.put(Watch(self._fps if lane.has_turn else 0.0))

    # The pipelines' events

    async def _follow(self, number: int, lane: Lane) -> None:
        async with lane.events:
            async for event in lane.events:
                await self._take(number, lane, event)

    async def _take(self, number: int, lane: Lane, event: Event) -> None:
        match event:
            case FrameDone() | FramePayload():
                await lane.hold(event)
            case PipelineState():
                await self._take_state(lane, event)
            case PipelineEnded() | PipelineLost():
                lane.end(event)
            case FrameImage():
                if lane.has_turn:
                    await self._reports.tell(event)
            case Prepared():
                if not self._prepared:
                    self._prepared = True
                    await self._reports.tell(event)
            case StatesSaved() | StageIs():
                pass  # of plugins that remember, and of live sources: neither is cut
            case payload:
                for message in self._messages.take(number, payload):
                    await self._reports.tell(message)

    async def _take_state(self, lane: Lane, state: PipelineState) -> None:
        """Note a state; one with a loss is told at once, before the frames that lack something."""
        loses = state.losses != lane.seen.losses
        lane.seen = state
        self._is_new = True
        if loses:
            await self._tell_state()

    async def _tell_state(self) -> None:
        self._is_new = False
        await self._reports.tell(self.state())

    async def _tell_states(self) -> None:
        while True:
            await trio.sleep(STATE_EVERY_S)
            if self._is_new:
                await self._tell_state()

    # Frames in their order

    async def _tell_in_turn(self) -> LastEvent | None:
        """Tell the frames of each segment; return the last event of the pipeline that ended too early, if any."""
        for number, span in enumerate(self._cut.segments):
            lane = self._lanes[number % self._cut.pipelines]
            self._set_turn(lane, has_turn=True)
            await self._tell_segment(lane, number // self._cut.pipelines, self._last_of(span))
            if self._stopping:
                return None
            self._set_turn(lane, has_turn=False)
            if isinstance(lane.ended, PipelineLost) or (lane.ended is not None and lane.ended.error is not None):
                return lane.ended
        return None

    def _set_turn(self, lane: Lane, *, has_turn: bool) -> None:
        lane.set_turn(has_turn=has_turn)
        if self._fps:
            self._watch(lane)

    def _last_of(self, span: Span) -> int | None:
        """The last wanted frame of a segment; None if only the end of the file tells."""
        start, stop = span
        return None if stop is None or start >= stop else range(start, stop, self._stride)[-1]

    async def _tell_segment(self, lane: Lane, segment: int, last: int | None) -> None:
        """Tell the frames of a segment up to the last one, or up to the end of the lane."""
        while not self._stopping:
            is_over = lane.ended is not None
            for event in lane.take(segment):
                await self._reports.tell(event)
                is_over |= isinstance(event, FrameDone) and event.index == last
            if is_over:
                return
            if lane.ended is None:  # else it has ended while its frames were told, and nothing changes any more
                await lane.wait_changed()

    async def _wait_ended(self) -> None:
        for lane in self._lanes:
            while lane.ended is None:
                await lane.wait_changed()

    def _end(self, failed: LastEvent | None) -> LastEvent:
        if isinstance(failed, PipelineLost):
            return failed
        ends = [lane.ended for lane in self._lanes if isinstance(lane.ended, PipelineEnded)]
        return PipelineEnded(
            error=None if failed is None else failed.error,
            truncated=next((ended.truncated for ended in reversed(ends) if ended.truncated is not None), None),
            stuck=tuple(sorted({pid for ended in ends for pid in ended.stuck})),
        )

    # The sums of all

    async def _sum_up(self) -> None:
        """Tell of each plugin the result of ``finalize`` for all frames, and that its stage is completed."""
        for plugin in self._lanes[0].seen.stages:
            sums = [bytes(lane.seen.stages[plugin].finalize) for lane in self._lanes]
            await self._sum_up_plugin(plugin, [result for result in sums if result != NO_SUM])
            if (completed := self._messages.completed(plugin)) is not None:
                await self._reports.tell(completed)

    async def _sum_up_plugin(self, plugin: str, sums: Sequence[bytes]) -> None:
        result = sums[0] if len(sums) == 1 else None
        if len(sums) > 1:
            try:
                merged = await self._merger.merge(plugin, sums)
            except MergeFailed as error:
                await self._warn(plugin, Code.PLUGIN_ERROR, f"merge: {error}")
                return
            if merged.fault is not None:
                await self._warn(plugin, Code.PLUGIN_BAD_RESULT, f"merge: {merged.fault}")
            result = merged.result
        if result is not None:
            self._sums[plugin] = result
            await self._reports.tell(
                PartialResultPayload(job_id=self._job_id, plugin=plugin, result=msgspec.Raw(result))
            )

    async def _warn(self, plugin: str, code: Code, message: str) -> None:
        shown = self._warnings.add(plugin, code, message, "medium")
        if shown is not None:
            await self._reports.tell(shown)


def _frames_of(before: Sequence[PipelineState]) -> dict[str, int]:
    """Plugin → the frames that it has done in all these."""
    frames: dict[str, int] = {}
    for state in before:
        for plugin, stage in state.stages.items():
            frames[plugin] = frames.get(plugin, 0) + stage.frames
    return frames
