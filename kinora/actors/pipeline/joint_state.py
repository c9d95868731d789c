"""Makes one state of those of several pipelines that share the frames of a job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Literal

import attrs
import msgspec

from kinora.actors.messages import Code, Health, StageStatus
from kinora.actors.models import StageError, StageState, TimingSummary, WarningGroup
from kinora.actors.pipeline.pipeline_link import PipelineState
from kinora.actors.stages.stage_log import KINDS
from kinora.actors.stages.warnings import WarningLog
from kinora.plugins.devices import CPU
from kinora.runtime.forking.worker_log import LOG_BYTES
from kinora.runtime.tail import Tail

OF_THE_FILE = frozenset({Code.SOURCE_LEFT_OUT, Code.SOURCE_GUESSED, Code.SOURCE_RESIZED, Code.DEVICE_FALLBACK})
"""The warnings without a plugin that each pipeline gives of the same file or device; they count once."""
Status = Literal["waiting", "stopped"] | StageStatus
NO_SUM = b"null"
"""What ``finalize`` returned, if it returned nothing."""


def joint_state(
    job_id: str, states: Sequence[PipelineState], before: Sequence[PipelineState], own: Iterable[WarningGroup] = ()
) -> PipelineState:
    """Return the state of all together; there is at least one, and all have the same stages.

    What was ``before`` counts in the figures, and not in what the plugins do now. ``own`` are further warnings.
    """
    every = [*before, *states]
    log = WarningLog(job_id)
    log.restore(joint_warnings([*(group for state in every for group in state.warning_groups), *own]))
    first = states[0]
    return PipelineState(
        stages={
            plugin: _joint_stage([state.stages[plugin] for state in states], before, plugin) for plugin in first.stages
        },
        device=next((state.device for state in states if state.device.fallback), first.device),
        timings=_summed([state.timings for state in every if state.timings is not None]),
        warnings=log.texts(),
        warning_groups=log.groups(),
        warnings_total=log.total,
        losses=sum(state.losses for state in every),
        dropped=sum(state.dropped for state in states),
        source_restarts=sum(state.source_restarts for state in states),
        logs={plugin: _joint_log([state.logs.get(plugin, "") for state in every]) for plugin in first.logs},
    )


def joint_warnings(groups: Iterable[WarningGroup]) -> list[WarningGroup]:
    """Return each different warning once, with the counts of all together, in the order of the first ones."""
    joint: dict[tuple[str | None, str, str], WarningGroup] = {}
    for group in groups:
        key = group.plugin, group.code, group.message
        before = joint.get(key)
        if before is None:
            joint[key] = group
        else:
            once = group.plugin is None and group.code in OF_THE_FILE
            count = max(before.count, group.count) if once else before.count + group.count
            joint[key] = attrs.evolve(_earlier(before, group), count=count)
    return list(joint.values())


def _earlier(first: WarningGroup, second: WarningGroup) -> WarningGroup:
    """The one that is of the earlier frame, if both are of frames."""
    if first.frame_id is None or second.frame_id is None:
        return first
    return min(first, second, key=lambda group: (len(group.frame_id or ""), group.frame_id or ""))


def _joint_stage(stages: Sequence[StageState], before: Sequence[PipelineState], plugin: str) -> StageState:
    every = [*(state.stages[plugin] for state in before if plugin in state.stages), *stages]
    first = stages[0]
    errors = [stage.last_error for stage in every if stage.last_error is not None]
    return attrs.evolve(
        first,
        version=next((stage.version for stage in stages if stage.version is not None), None),
        status=joint_status([stage.status for stage in stages]),
        frames=sum(stage.frames for stage in every),
        failures=sum(stage.failures for stage in every),
        restarts=sum(stage.restarts for stage in every),
        replicas=sum(stage.replicas for stage in stages),
        queue_ms=_joint_timing([(stage.queue_ms, stage.frames) for stage in every]),
        run_ms=_joint_timing([(stage.run_ms, stage.frames) for stage in every]),
        health=joint_health([stage.health for stage in stages]),
        device_used=next((stage.device_used for stage in stages if stage.device_used == CPU), first.device_used),
        finalize=msgspec.Raw(NO_SUM),
        last_error=max(errors, key=lambda error: error.at, default=None),
        errors=_first_errors(every),
    )


def _first_errors(stages: Sequence[StageState]) -> tuple[StageError, ...]:
    """The first errors of all, oldest first, each code and message once."""
    errors = sorted((error for stage in stages for error in stage.errors), key=lambda error: error.at)
    kinds = {(error.code, error.message): error for error in reversed(errors)}
    return tuple(sorted(kinds.values(), key=lambda error: error.at))[:KINDS]


def joint_health(healths: Collection[Health]) -> Health:
    """Return what all say, or ``degraded`` if they differ: where some have failed, others have done their frames."""
    first, *others = set(healths)
    return "degraded" if others else first


def joint_status(statuses: Collection[Status]) -> Status:
    """Return ``completed`` or ``failed`` once all are at their end; before that, how far the furthest is."""
    ended = {"completed", "failed"}
    going: tuple[Status, ...] = ("running", "started", "stopped", "waiting")
    if ended.issuperset(statuses):
        return "completed" if "completed" in statuses else "failed"
    if "completed" in statuses:
        return "running"
    return next(status for status in going if status in statuses)


def _joint_timing(summaries: Sequence[tuple[TimingSummary | None, int]]) -> TimingSummary | None:
    """The summary of all frames. Its percentiles are means of the several ones, weighted by their frames."""
    known = [(summary, max(1, frames)) for summary, frames in summaries if summary is not None]
    if not known:
        return None
    frames = sum(count for _, count in known)

    def mean(values: Iterable[float]) -> float:
        return round(sum(value * count for value, (_, count) in zip(values, known, strict=True)) / frames, 1)

    return TimingSummary(
        last=known[-1][0].last,
        mean=mean(summary.mean for summary, _ in known),
        p50=mean(summary.p50 for summary, _ in known),
        p95=mean(summary.p95 for summary, _ in known),
        max=max(summary.max for summary, _ in known),
    )


def _summed(timings: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    if not timings:
        return None
    return {plugin: round(sum(timing[plugin] for timing in timings), 1) for plugin in timings[0]}


def _joint_log(texts: Sequence[str]) -> str:
    tail = Tail(LOG_BYTES)
    for text in texts:
        tail.add(text.encode())
    return tail.text()
