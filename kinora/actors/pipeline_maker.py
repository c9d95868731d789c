"""PipelineMaker: makes the pipelines of jobs from their orders, in the server or in an agent."""

from __future__ import annotations

from kinora.actors.errors import Unavailable
from kinora.actors.job_spec import PlannedPlugin, policy_of
from kinora.actors.means import Chosen, JobHere, Means
from kinora.actors.pipeline import Pipeline, PipelineSpec
from kinora.actors.pipeline_link import PipelineState
from kinora.actors.source_reader import SourceSpec
from kinora.actors.stage_maker import Stages, make_stages
from kinora.actors.work_order import OrderedPlugin, WorkOrder
from kinora.media.pushed import PUSH
from kinora.media.source_types import SourceLimits
from kinora.plugins.devices import resolve


class PipelineMaker:
    """Makes pipelines with the means of this process."""

    def __init__(self, means: Means) -> None:
        self._means = means

    def pipeline(self, order: WorkOrder, here: JobHere) -> Pipeline:
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
            asked=plugin.asked, name=name, origin=entry.origin, metadata=entry.metadata, options=plugin.options
        )


class JobPipelines:
    """Makes the pipelines of one job in this process, each for a further attempt.

    Those that follow each other share their stages, timings and warnings. One that follows an attempt elsewhere begins
    with what its order has of the past.
    """

    def __init__(self, means: Means, order: WorkOrder, chosen: Chosen, here: JobHere) -> None:
        self._means = means
        self._first = order
        self._chosen = chosen
        self._here = here
        self._shared = self._make_stages(order)
        self._next = order.attempt
        """The attempt whose pipeline follows the last one here."""

    def state(self) -> PipelineState:
        """Return the state of the first pipeline here before it runs."""
        return self._make(self._first, self._shared).state()

    def make(self, order: WorkOrder) -> Pipeline:
        """Make the pipeline of an attempt."""
        if order.attempt != self._next:
            self._shared = self._make_stages(order)
        self._next = order.attempt + 1
        return self._make(order, self._shared)

    def _make_stages(self, order: WorkOrder) -> Stages:
        return make_stages(self._means, order, self._chosen, self._here.trace)

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
            earlier=here.earlier,
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
        max_frames=None if options.max_frames is None else max(0, options.max_frames - begin.frames),
        policy=policy_of(order.request, order.info),
        after=begin.after,
        patient=order.info.kind == "stream" and order.location != PUSH,  # it was there when the job was accepted
        max_outage_s=options.max_outage_s,
    )
