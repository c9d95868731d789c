"""Makes of the order for a job that is cut into segments one for each pipeline."""

from __future__ import annotations

import attrs

from kinora.actors.pipeline.segments import Cut, cut, frames_left
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.requests.job_request import AUTO


def is_shared(order: WorkOrder) -> bool:
    """Return whether several pipelines share the frames of this order."""
    return order.lanes > 1 and not order.spans


def with_lanes_for(order: WorkOrder, cores: int) -> WorkOrder:
    """Return an order with as many pipelines as were asked for; with ``auto``, at most one for each of these cores."""
    return attrs.evolve(order, lanes=min(order.lanes, cores)) if order.request.options.segments == AUTO else order


def cut_of(order: WorkOrder) -> Cut:
    """Cut what an order has left to read; it may be so little that one pipeline reads it."""
    total, begin, most = order.info.frames_total or 0, order.begin, order.request.options.max_frames
    frames = frames_left(order.request, total, begin.start, begin.frames)
    return cut(frames, order.key_frames, order.lanes, to_end=most is None)


def lane_orders(order: WorkOrder, cut: Cut) -> list[WorkOrder]:
    """Return the orders of the pipelines of a cut; they share the memory for frames, and begin without figures."""
    fresh = attrs.evolve(without_figures(order), key_frames=(), ring_bytes=order.ring_bytes // order.lanes)
    lanes = [cut.spans(number) for number in range(cut.pipelines)]
    return [attrs.evolve(fresh, begin=attrs.evolve(order.begin, start=spans[0][0]), spans=spans) for spans in lanes]


def without_figures(order: WorkOrder) -> WorkOrder:
    """Return the order without the figures of the past; plugins that were disabled stay so."""
    past = order.past
    if past is None:
        return order
    stages = {
        name: attrs.evolve(
            stage, frames=0, failures=0, restarts=0, queue_ms=None, run_ms=None, health="ok", last_error=None, errors=()
        )
        for name, stage in past.plugins.items()
    }
    past = attrs.evolve(past, plugins=stages, plugin_timings=None, warnings=(), warning_groups=())
    return attrs.evolve(order, past=past, logs={})
