"""The facts of a job: what was asked for, what was found out about it, and how far an earlier server came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora.actors.job_request import JobRequest
from kinora.media.source_types import SourceInfo
from kinora.plugins.api import PluginMetadata
from kinora.plugins.devices import Resolution
from kinora.plugins.protocol import Origin


@attrs.frozen(kw_only=True)
class PlannedPlugin:
    """A plugin of the job, known to work."""

    name: str
    origin: Origin
    metadata: PluginMetadata
    options: Mapping[str, Any]
    """With defaults filled in."""


@attrs.frozen(kw_only=True)
class JobPlan:
    """A request that can be carried out, and how."""

    request: JobRequest
    location: str
    """Of the source: an absolute path or a URL."""
    uploaded: bool
    """True when the source came with the job."""
    info: SourceInfo
    plugins: tuple[PlannedPlugin, ...]
    device: Resolution

    @property
    def frames_expected(self) -> int | None:
        """How many frames there will be after stride and max_frames; None when the length is unknown."""
        options = self.request.options
        if self.info.frames_total is None:
            return None
        strided = -(-self.info.frames_total // options.stride)
        return strided if options.max_frames is None else min(strided, options.max_frames)


@attrs.frozen(kw_only=True)
class ResumePoint:
    """Where a job goes on that an earlier server has begun; for a new job the beginning."""

    frames: int = 0
    """Stored already."""
    start: int = 0
    """The first index that is missing."""


@attrs.frozen(kw_only=True)
class JobSpec:
    """What a job is, fixed before it runs."""

    job_id: str
    created_at: str
    plan: JobPlan
    resumed: ResumePoint = ResumePoint()
