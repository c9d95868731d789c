"""WorkOrder: all that a pipeline needs to know of a job, so that it can be made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

from kinora.actors.models import JobState, StageState
from kinora.actors.pipeline.job_spec import ResumePoint
from kinora.actors.pipeline.pipeline_link import PipelineState
from kinora.actors.requests.job_request import JobRequest, PluginRequest
from kinora.actors.stages.warnings import WarningLog, kept_by_pipeline
from kinora.media.messages import Span
from kinora.media.source_types import SourceInfo
from kinora.plugins.devices import CPU, Resolution


@attrs.frozen(kw_only=True)
class OrderedPlugin:
    """A plugin of the job."""

    asked: PluginRequest
    options: Mapping[str, Any]
    """The options, with defaults filled in."""
    code: str
    """The hash of the code that the server has of it."""


@attrs.frozen(kw_only=True)
class WorkOrder:
    """The work of one attempt, which msgspec encodes as JSON."""

    job_id: str
    attempt: int
    """1 for the first pipeline of the job on this server; grows with each further one."""
    request: JobRequest
    location: str
    """The source as the server opens it: a path, a URL, ``camera:NAME``, ``webcam:N``."""
    info: SourceInfo
    plugins: tuple[OrderedPlugin, ...]
    begin: ResumePoint
    lanes: int = 1
    """The pipelines that share the frames, which are cut into segments if there are several."""
    key_frames: tuple[int, ...] = ()
    """Where the file may be cut, if so."""
    spans: tuple[Span, ...] = ()
    """The segments of one of these pipelines, whose order this is; empty in the order for all."""
    past: JobState | None = None
    """The job as it is shown when the attempt begins, with the warnings that go on to its pipelines; None if nothing of
    it has run yet."""
    logs: Mapping[str, str] = attrs.field(factory=dict)
    """Plugin → the end of its output so far."""
    max_failures: int
    max_errors: int
    ring_bytes: int
    root_path: str


def for_pipelines(state: JobState) -> JobState:
    """Return a job as its further pipelines see its past: with the warnings that they go on with."""
    return attrs.evolve(state, warning_groups=tuple(filter(kept_by_pipeline, state.warning_groups)))


def state_before(order: WorkOrder) -> PipelineState:
    """Return what is shown of an attempt elsewhere until it tells its first state."""
    if order.past is not None:
        return state_left(order.past, order.logs)
    stages = {
        plugin.asked.name: StageState(
            options=plugin.options, every=plugin.asked.every, side=plugin.asked.side, finalize=msgspec.Raw(b"null")
        )
        for plugin in order.plugins
    }
    return PipelineState(stages=stages, device=Resolution(CPU), timings=dict.fromkeys(stages, 0.0), logs={})


def state_left(past: JobState, logs: Mapping[str, str]) -> PipelineState:
    """Return what the pipelines of a past have told last; stages that were stopped wait to go on."""
    stages = {
        name: attrs.evolve(stage, status="waiting") if stage.status == "stopped" else stage
        for name, stage in past.plugins.items()
    }
    warnings = WarningLog(past.job_id)
    warnings.restore(past.warning_groups)
    return PipelineState(
        stages=stages,
        device=Resolution(past.device_used, fallback=past.fallback, reason=past.fallback_reason),
        timings=past.plugin_timings,
        warnings=warnings.texts(),
        warning_groups=warnings.groups(),
        warnings_total=warnings.total,
        logs=logs,
    )
