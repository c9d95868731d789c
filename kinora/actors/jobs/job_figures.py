"""Figures of all jobs since the server's start, for metrics; each job counts in them as it goes."""

from __future__ import annotations

from collections import Counter

import attrs

from kinora.actors.models import JobStatus
from kinora.runtime.histogram import Histogram


@attrs.define(eq=False)
class JobFigures:
    """Plain numbers, so that counting costs a frame next to nothing."""

    ended: Counter[JobStatus] = attrs.field(factory=Counter)
    """The jobs that have ended, by how."""
    frames_done: int = 0
    """The frames that have passed all stages and were accepted by the store."""
    frames_dropped: int = 0
    """The frames of live sources that were dropped for newer ones."""
    source_restarts: int = 0
    """The decoders that took the place of one that had failed."""
    queued: Histogram = attrs.field(factory=Histogram)
    """The time that each job waited for its turn."""
