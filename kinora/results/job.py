"""What an export says of its job, found out from its state."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from kinora.actors.errors import require_plugin
from kinora.actors.models import JobState
from kinora.media.messages import Skeleton
from kinora.media.source_names import without_query
from kinora.plugins.registry import PluginRegistry
from kinora.results.exporter import ExportedJob


def exported_job(registry: PluginRegistry, state: JobState, wanted: str) -> ExportedJob:
    """Return what an export says of a job; ``wanted`` are the plugins that a client has named, with commas between.

    Raises:
        NotFound: one is not a plugin of the job.
    """
    pipeline = tuple(state.plugins)
    named = [name.strip() for name in wanted.split(",") if name.strip()]
    for name in named:
        require_plugin(name, pipeline)
    return ExportedJob(
        job_id=state.job_id,
        source=without_query(state.source),
        created_at=state.created_at,
        plugins=tuple(named) or to_export(pipeline, _trackers(registry, pipeline)),
        stride=int(state.options.get("stride", 1)),
        skeleton=skeleton_of(pipeline, registry.skeletons()),
    )


def skeleton_of(pipeline: Iterable[str], skeletons: Mapping[str, Skeleton]) -> Skeleton:
    """The skeleton of the first plugin that has one."""
    return next((skeletons[name] for name in pipeline if name in skeletons), ())


def _trackers(registry: PluginRegistry, pipeline: Iterable[str]) -> frozenset[str]:
    found = ((name, registry.get(name)) for name in pipeline)
    described = ((name, entry.metadata) for name, entry in found if entry is not None)
    return frozenset(name for name, metadata in described if metadata and "tracking" in metadata.capabilities)


def to_export(pipeline: Sequence[str], trackers: Collection[str]) -> tuple[str, ...]:
    """The plugins whose detections are exported if none are named: each thing is to be there once.

    A tracker repeats the detections of the plugins before it, so the last one stands for these.
    """
    places = [place for place, name in enumerate(pipeline) if name in trackers]
    return tuple(pipeline[places[-1] :] if places else pipeline)
