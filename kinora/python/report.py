"""Report: what is known of a run's job; the thread of its work writes it, the program reads it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from kinora.media.messages import Skeletons
from kinora.results.exporter import ExportedJob


@attrs.define
class Report:
    """The newest state of the job; each is replaced as a whole."""

    source: str
    """The source, as it may be shown."""
    state: Mapping[str, Any] = attrs.field(factory=dict)
    """That of ``GET /v1/jobs/{job_id}/extended``, without frames; empty before there is a job."""
    events: list[Mapping[str, Any]] = attrs.field(factory=list)
    """Those of the job so far; the job bounds their number."""
    logs: Mapping[str, str] = attrs.field(factory=dict)
    """Plugin → the end of what it has printed."""
    exported: ExportedJob | None = None
    """What exports say of it."""
    skeletons: Skeletons = attrs.field(factory=dict)
    """Those of the plugins that have one, by name."""

    @property
    def last_event(self) -> int:
        """The number of the newest event; 0 before the first."""
        return self.events[-1]["number"] if self.events else 0

    @property
    def counted(self) -> tuple[str, ...]:
        """The plugins whose detections count: a tracker repeats those of the plugins before it."""
        return () if self.exported is None else self.exported.plugins
