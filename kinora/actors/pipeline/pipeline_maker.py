"""PipelineMaker: makes the pipelines of jobs from their orders, in the server or in an agent."""

from __future__ import annotations

from kinora.actors.errors import Unavailable
from kinora.actors.pipeline.job_spec import PlannedPlugin, policy_of
from kinora.actors.pipeline.means import Chosen, JobHere, Means
from kinora.actors.pipeline.pipeline import Pipeline, PipelineSpec
from kinora.actors.pipeline.pipeline_link import AnyPipeline, PipelineState
from kinora.actors.pipeline.segment_orders import cut_of, is_shared, lane_orders, with_lanes_for, without_figures
from kinora.actors.pipeline.segmented_pipeline import SegmentedPipeline
from kinora.actors.pipeline.stage_maker import Stages, make_stages, merger_of
from kinora.actors.pipeline.work_order import OrderedPlugin, WorkOrder, state_left
from kinora.actors.sources.source_reader import SourceSpec
from kinora.media.source_names import PUSH
from kinora.media.source_types import SourceLimits
from kinora.plugins.devices import resolve


class PipelineMaker:
    """Makes pipelines with the means of this process."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def pipeline(self, order: WorkOrder, here: JobHere) -> AnyPipeline:
        """Make the one pipeline of an order, with the plugins and devices of this process.

        Raises:
            Unavailable: one of the plugins is missing or broken here.
        """
        return self.open_job(order, self.choose(order), here).make(order)

    def choose(self, order: WorkOrder) -> Chosen:
        """Find the plugins and the device for an order; raises as :meth:`pipeline`."""
        plugins = [self._planned(plugin) for plugin in order.plugins]
        kinds = [plugin.metadata.devices for plugin in plugins]
        return Chosen(plugins=plugins, device=resolve(order.request.device_requested, kinds, self._means.devices()))

    def open_job(self, order: WorkOrder, chosen: Chosen, here: JobHere) -> JobPipelines:
        """Make the stages of a job, whose first pipeline here may be that of this order."""
        return JobPipelines(self._means, order, chosen, here)

    def _planned(self, plugin: OrderedPlugin) -> PlannedPlugin:
        name = plugin.asked.name
        entry = self._means.find_plugin(name)
        if entry is None or entry.metadata is None:
            why = "is missing" if entry is None else f"is broken: {entry.broken}"
            raise Unavailable(f"The plugin {name} {why}.")
        return PlannedPlugin(
            asked=plugin.asked,
            name=name,
            origin=entry.origin,
            metadata=entry.metadata,
            options=plugin.options,
            sums_up=entry.sums_up,
            merges=entry.merges,
        )


class JobPipelines:
    """Makes the pipelines of one job in this process, each for a further attempt.

    Those that follow each other share their stages, timings and warnings. One that follows an attempt elsewhere begins
    with what its order has of the past.
    """

    def __init__(self, means: Means, order: WorkOrder, chosen: Chosen, here: JobHere) -> None:
        self._means = means
        self._first = order = with_lanes_for(order, means.cores.count)
        self._chosen = chosen
        self._here = here
        self._shared = self._make_stages(order)
        self._next = order.attempt
        """The attempt whose pipeline follows the last one here."""

    def state(self) -> PipelineState:
        """Return the state of the first pipeline here before it runs."""
        return self._make_whole(self._first).state()

    def make(self, order: WorkOrder) -> AnyPipeline:
        """Make the pipeline of an attempt."""
        order = with_lanes_for(order, self._means.cores.count)
        if order.attempt != self._next:
            self._shared = self._make_stages(order)
        self._next = order.attempt + 1
        return self._make_whole(order)

    def _make_stages(self, order: WorkOrder) -> list[Stages]:
        """Make the stages of each pipeline at work at once."""
        if not is_shared(order):
            return [make_stages(self._means, order, self._chosen, self._here.trace)]
        begin = without_figures(order)
        return [make_stages(self._means, begin, self._chosen, self._here.trace) for _ in range(order.lanes)]

    def _make_whole(self, order: WorkOrder) -> AnyPipeline:
        return self._make_segmented(order) if is_shared(order) else self._make(order, self._shared[0])

    def _make_segmented(self, order: WorkOrder) -> SegmentedPipeline:
        cut = cut_of(order)
        orders = lane_orders(order, cut)
        pipelines = [self._make(lane, shared) for lane, shared in zip(orders, self._shared, strict=False)]
        idle = [self._make(order, shared).state() for shared in self._shared[len(pipelines) :]]
        return SegmentedPipeline(
            order.job_id,
            cut,
            pipelines,
            stride=order.request.options.stride,
            merger=merger_of(self._means, order.job_id, self._chosen),
            before=[*idle, *([] if order.past is None else [state_left(order.past, order.logs)])],
        )

    def _make(self, order: WorkOrder, shared: Stages) -> Pipeline:
        means, here = self._means, self._here
        return Pipeline(
            PipelineSpec(
                job_id=order.job_id,
                source=source_spec(order, means.source_limits),
                cameras=means.cameras,
                held=here.held,
                live=order.info.kind == "stream",
                device=self._chosen.device,
                device_told=self._chosen.device_told,
                first_number=order.begin.frames,
                ring_bytes=order.ring_bytes,
            ),
            stages=shared.stages,
            inspector=shared.inspector,
            warnings=shared.warnings,
            fork_server=means.fork_server,
            cores=means.cores,
            inlet=here.inlet,
            recording=here.recording,
            earlier=here.earlier,
            viewer=means.viewer,
        )


def source_spec(order: WorkOrder, limits: SourceLimits) -> SourceSpec:
    """Return what a pipeline reads of the source: what no earlier one of the job has."""
    options, begin = order.request.options, order.begin
    return SourceSpec(
        location=order.location,
        name=order.request.source,
        limits=limits,
        start=begin.start,
        stride=options.stride,
        max_frames=None if options.max_frames is None or order.spans else max(0, options.max_frames - begin.frames),
        policy=policy_of(order.request, order.info),
        after=begin.after,
        patient=order.info.kind == "stream" and order.location != PUSH,  # it was there when the job was accepted
        max_outage_s=options.max_outage_s,
        spans=order.spans,
    )
