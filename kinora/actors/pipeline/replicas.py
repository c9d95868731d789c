"""The number of replicas that a plugin may have in a job."""

from __future__ import annotations

from kinora.actors.pipeline.job_spec import PlannedPlugin
from kinora.actors.requests.job_request import AUTO, PluginRequest
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import CPU

NEEDS_ORDER = "{} needs its frames in order, in one process: leave replicas out, or set it to 1"
"""For a plugin that is not stateless."""


def needs_order(wanted: PluginRequest, metadata: PluginMetadata) -> bool:
    """Return whether more than one replica was asked for of a plugin that is not stateless."""
    return wanted.replicas != AUTO and wanted.replicas > 1 and not metadata.stateless


def most_replicas(plugin: PlannedPlugin, device: str, cores: int) -> int:
    """Return the most replicas: the number that was asked for, else one for each core if that is of use."""
    if plugin.asked.replicas != AUTO:
        return plugin.asked.replicas
    if plugin.asked.side:
        return 1
    return cores if plugin.metadata.stateless and device == CPU else 1
