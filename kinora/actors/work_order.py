"""WorkOrder: all that a pipeline needs to know of a job, so that it can be made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora.actors.job_request import JobRequest, PluginRequest
from kinora.actors.job_spec import ResumePoint
from kinora.actors.models import JobState
from kinora.media.source_types import SourceInfo


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
    past: JobState | None = None
    """The job as it is shown when the attempt begins, unless nothing of it has run yet."""
    logs: Mapping[str, str] = attrs.field(factory=dict)
    """Plugin → the end of its output so far."""
    max_failures: int
    max_errors: int
    ring_bytes: int
    root_path: str
