"""What an export says of its job, found out from its state."""

from __future__ import annotations

from collections.abc import Iterable

from kinora.actors.errors import NotFound
from kinora.actors.models import JobState
from kinora.media.source_names import without_query
from kinora.plugins.registry import PluginRegistry
from kinora.results.exporter import ExportedJob
from kinora.results.found import to_export


def exported_job(registry: PluginRegistry, state: JobState, wanted: str) -> ExportedJob:
    """Return what an export says of a job; ``wanted`` are the plugins that a client has named, with commas between.

    Raises:
        NotFound: one is not a plugin of the job.
    """
    pipeline = tuple(state.plugins)
    named = [name.strip() for name in wanted.split(",") if name.strip()]
    if others := [name for name in named if name not in pipeline]:
        raise NotFound(f"{others[0][:100]!r} is not a plugin of this job; its plugins are: {', '.join(pipeline)}")
    return ExportedJob(
        job_id=state.job_id,
        source=without_query(state.source),
        created_at=state.created_at,
        plugins=tuple(named) or to_export(pipeline, _trackers(registry, pipeline)),
        stride=int(state.options.get("stride", 1)),
    )


def _trackers(registry: PluginRegistry, pipeline: Iterable[str]) -> frozenset[str]:
    found = ((name, registry.get(name)) for name in pipeline)
    described = ((name, entry.metadata) for name, entry in found if entry is not None)
    return frozenset(name for name, metadata in described if metadata and "tracking" in metadata.capabilities)
