"""The documents about room: what the server uses, and what it deletes to have some."""

from __future__ import annotations

import msgspec

from kinora.actors.field_types import Count, JobId, Time
from kinora.actors.messages import EndStatus


class JobCounts(msgspec.Struct, kw_only=True):
    """The number of jobs of each status, as they are stored."""

    queued: Count = 0
    running: Count = 0
    paused: Count = 0
    done: Count = 0
    failed: Count = 0
    cancelled: Count = 0
    interrupted: Count = 0


class HealthDetails(msgspec.Struct, kw_only=True):
    """What the server uses, and what it will delete by itself. Sizes are in bytes of the disk."""

    measured_at: Time
    """The time of these figures, which are found anew every few seconds at most."""
    jobs: JobCounts
    database_bytes: Count
    """The database with its write-ahead log."""
    coming_free_bytes: Count
    """The part of it, about, that is given back to the disk within moments, after jobs were deleted."""
    upload_bytes: Count
    """The uploaded files."""
    video_bytes: Count
    """The annotated videos that are kept for a while. They go first when the disk gets short."""
    kept_bytes: Count
    """What ``keep_bytes`` is compared with: what database and uploads take if no job is deleted."""
    disk_free_bytes: Count | None
    """The free space of the data folder's disk; null if it cannot be asked."""
    min_free_bytes: Count
    """With less free space no new job is accepted."""
    oldest_end: Time | None
    """The end of the job that ended first; null if none has ended."""
    keep_days: float | None
    """Days after its end after which a job is deleted; null if none is for its age."""
    keep_bytes: Count | None
    """The size beyond which jobs that have ended are deleted; null if none is for that."""
    next_job: JobId | None
    """The job that is the next to be deleted by itself; null if none ever is."""
    next_at: Time | None
    """The time at which that happens at the latest; null if none is deleted for its age."""


class PrunedJob(msgspec.Struct, kw_only=True):
    """A job that was deleted, or would be."""

    job_id: JobId
    status: EndStatus
    finished_at: Time
    bytes: Count
    """What its deletion gives back to the disk, at least."""


class PruneAnswer(msgspec.Struct, kw_only=True):
    """What a prune has deleted, or would delete."""

    dry_run: bool
    """True if nothing was deleted."""
    count: Count
    """The number of jobs."""
    bytes: Count
    """What their deletion gives back to the disk, at least, within moments."""
    in_use: Count
    """Jobs that would go too, but stay for now: their results are being read, or they are being resumed."""
    jobs: list[PrunedJob]
    """The first of the jobs, in the order of their ends; at most 100."""
