"""The details of ``/v1/health``: what the server uses, and what it will delete by itself."""

from __future__ import annotations

from kinora.actors.retention.usage import Usage
from kinora.settings import Settings
from kinora.web.documents.room_documents import HealthDetails, JobCounts


def health_details(usage: Usage, settings: Settings) -> HealthDetails:
    """The figures beside the settings that they are compared with."""
    oldest = usage.oldest_end
    deletes = settings.keep_days or settings.keep_bytes
    return HealthDetails(
        measured_at=usage.measured_at,
        jobs=JobCounts(**usage.jobs),
        database_bytes=usage.room.database,
        coming_free_bytes=usage.room.coming_free,
        upload_bytes=usage.room.uploads,
        video_bytes=usage.videos,
        kept_bytes=usage.room.kept,
        disk_free_bytes=usage.disk_free,
        min_free_bytes=settings.min_free_bytes,
        oldest_end=oldest.ended_at if oldest else None,
        keep_days=settings.keep_days or None,
        keep_bytes=settings.keep_bytes or None,
        next_job=oldest.job_id if oldest and deletes else None,
        next_at=usage.next_at,
    )
