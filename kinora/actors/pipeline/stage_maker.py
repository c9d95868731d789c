"""Makes the stages of a job from its order, with the figures of its past."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import attrs

from kinora.actors.pipeline.job_spec import PlannedPlugin
from kinora.actors.pipeline.means import Chosen, Means
from kinora.actors.pipeline.replicas import most_replicas
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.requests.job_request import AUTO
from kinora.actors.stages.inspector import Inspector
from kinora.actors.stages.job_trace import JobTrace
from kinora.actors.stages.merging import Merger
from kinora.actors.stages.plugin_process import PluginProcess, ProcessSpec
from kinora.actors.stages.side_stage import SideStage
from kinora.actors.stages.stage_spec import StageSpec
from kinora.actors.stages.tool_runner import ToolRunner
from kinora.actors.stages.warnings import WarningLog
from kinora.plugins.devices import CPU
from kinora.runtime.forking.cores import Cores
from kinora.runtime.forking.workers import MB
from kinora.runtime.linux.machine import threads_per_worker


@attrs.frozen
class Stages:
    """What the pipelines of a job share that follow each other in one process."""

    stages: Sequence[ToolRunner | SideStage]
    inspector: Inspector
    warnings: WarningLog


def make_stages(means: Means, order: WorkOrder, chosen: Chosen, trace: JobTrace) -> Stages:
    """Make the stages of a job; none of its plugins runs yet."""
    inspector = means.inspectors.open_job(order.job_id, {plugin.name: plugin.metadata for plugin in chosen.plugins})
    warnings = WarningLog(order.job_id)
    if order.past is not None:
        inspector.restore(order.past)
        warnings.restore(order.past.warning_groups)

    merger = merger_of(means, order.job_id, chosen)

    def make(plugin: PlannedPlugin) -> ToolRunner | SideStage:
        runner = ToolRunner(
            _stage_spec(means, order, chosen, plugin),
            make_process=partial(PluginProcess, _process_spec(means, order, plugin), means.fork_server),
            cores=Cores(means.cores.count) if plugin.asked.side else means.cores,
            inspector=inspector,
            warnings=warnings,
            device_health=means.device_health,
            record=means.records.of(plugin.name),
            trace=trace,
            merge=partial(merger.merge, plugin.name) if plugin.merges else None,
        )
        return SideStage(runner) if plugin.asked.side else runner

    stages = {plugin.name: make(plugin) for plugin in chosen.plugins}
    for name, past in ({} if order.past is None else order.past.plugins).items():
        if name in stages:
            stages[name].restore(past, order.logs.get(name, ""))
    return Stages(list(stages.values()), inspector, warnings)


def merger_of(means: Means, job_id: str, chosen: Chosen) -> Merger:
    """Return what merges the results of a job's plugins."""
    origins = {plugin.name: plugin.origin for plugin in chosen.plugins if plugin.merges}
    return Merger(means.fork_server, job_id, origins)


def _stage_spec(means: Means, order: WorkOrder, chosen: Chosen, plugin: PlannedPlugin) -> StageSpec:
    wanted, used = order.request.options, chosen.device.device_used
    device = used if used.partition(":")[0] in plugin.metadata.devices else CPU
    return StageSpec(
        job_id=order.job_id,
        plugin=plugin.name,
        options=plugin.options,
        device=device,
        every=plugin.asked.every,
        side=plugin.asked.side,
        plugin_timeout_ms=wanted.plugin_timeout_ms,
        prepare_timeout_ms=wanted.prepare_timeout_ms,
        max_failures=order.max_failures,
        max_errors=order.max_errors,
        replicas=most_replicas(plugin, device, means.cores.count),
        fixed_replicas=plugin.asked.replicas != AUTO,
        max_batch=1 if plugin.asked.side else plugin.metadata.max_batch,
        batch_wait_ms=plugin.metadata.batch_wait_ms,
        root_path=order.root_path,
    )


def _process_spec(means: Means, order: WorkOrder, plugin: PlannedPlugin) -> ProcessSpec:
    memory_limit_mb = plugin.metadata.memory_limit_mb
    return ProcessSpec(
        job_id=order.job_id,
        plugin=plugin.name,
        origin=plugin.origin,
        options=plugin.options,
        models_dir=means.models_dir,
        threads=threads_per_worker(means.cores.count, means.max_jobs, len(order.plugins)),
        memory_limit=memory_limit_mb * MB if memory_limit_mb is not None else None,
    )
