"""SharedPipeline: the pipeline of a job whose file is cut into segments, carried out by several agents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

from kinora.actors.pipeline.pipeline_link import AnyPipeline, CommandQueue, Event, PipelineState
from kinora.actors.pipeline.segment_orders import cut_of, lane_orders
from kinora.actors.pipeline.segmented_pipeline import SegmentedPipeline
from kinora.actors.pipeline.work_order import WorkOrder, state_before, state_left
from kinora.actors.stages.merging import Merger


class LanePlace(Protocol):
    """A place with an agent, as a SharedPipeline sees it."""

    def give_back(self) -> None:
        """Let the next job have it."""

    def remote(self, order: WorkOrder) -> AnyPipeline:
        """Return the pipeline that has the agent carry out the order, alone."""


class SharedPipeline:
    """Shares the segments of an order among as many agents as are free when it begins, at most one for each lane."""

    def __init__(
        self,
        order: WorkOrder,
        *,
        first: LanePlace,
        take_further: Callable[[Sequence[LanePlace]], LanePlace | None],
        merger: Merger,
    ) -> None:
        """``first`` is the job's own place. ``take_further`` returns a place with another agent than those given."""
        self._order = order
        self._first = first
        self._take_further = take_further
        self._merger = merger

    def state(self) -> PipelineState:
        """Return what is shown until the agents tell their first state."""
        return state_before(self._order)

    async def run(self, events: trio.MemorySendChannel[Event], commands: CommandQueue) -> None:
        """Do the work once; see :meth:`Pipeline.run <kinora.actors.pipeline.pipeline.Pipeline.run>`.

        The further places are given back when all agents have ended, also if this is cancelled.
        """
        places = [self._first]
        try:
            while len(places) < self._order.lanes and (place := self._take_further(places)) is not None:
                places.append(place)
            await self._shared_by(places).run(events, commands)
        finally:
            for place in places[1:]:
                place.give_back()

    def _shared_by(self, places: Sequence[LanePlace]) -> AnyPipeline:
        if len(places) == 1:
            return self._first.remote(self._order)
        order = attrs.evolve(self._order, lanes=len(places))
        cut = cut_of(order)
        lanes = [attrs.evolve(lane, ring_bytes=order.ring_bytes) for lane in lane_orders(order, cut)]
        return SegmentedPipeline(
            order.job_id,
            cut,
            [place.remote(lane) for place, lane in zip(places, lanes, strict=False)],
            stride=order.request.options.stride,
            merger=self._merger,
            before=[] if order.past is None else [state_left(order.past, order.logs)],
        )
