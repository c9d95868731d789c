"""The figures of jobs, of their frames and of the queue."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import get_args

from prometheus_client.core import Metric

from kinora.actors.jobs.job_figures import JobFigures
from kinora.actors.jobs.job_manager import JobManager, QueueStatistics
from kinora.actors.messages import EndStatus, ProgressPayload, Stage
from kinora.web.metrics.families import counter, counters, gauge, gauges, histogram

STAGES = tuple(stage for stage in get_args(Stage) if stage != "deleted")
"""The stages of a job that has not ended."""


def of_jobs(jobs: JobManager, figures: JobFigures) -> Iterable[Metric]:
    """What jobs do, and have done."""
    stages = Counter(said.stage for said in jobs.current() if isinstance(said, ProgressPayload))
    by_stage = {stage: stages[stage] for stage in STAGES}
    yield gauges("kinora_jobs", "Jobs that have not ended, by their stage.", "stage", by_stage)
    yield counters(
        "kinora_jobs_ended",
        "Jobs that have ended, by how.",
        ["status"],
        [([how], figures.ended[how]) for how in get_args(EndStatus)],
    )
    yield counter("kinora_frames_done", "Frames that have passed all plugins of their job.", figures.frames_done)
    yield counter("kinora_frames_dropped", "Frames of live sources dropped for newer ones.", figures.frames_dropped)
    yield counter(
        "kinora_source_restarts", "Decoders that took the place of one that had failed.", figures.source_restarts
    )
    yield from _of_queue(jobs.statistics(), figures)


def _of_queue(queue: QueueStatistics, figures: JobFigures) -> Iterable[Metric]:
    yield counter("kinora_jobs_accepted", "Jobs submitted and acknowledged.", queue.accepted)
    yield gauge("kinora_jobs_running_max", "Jobs that may run at once.", queue.max_jobs)
    yield gauge("kinora_jobs_queued", "Jobs that wait for their turn.", queue.queued)
    yield gauge("kinora_jobs_queued_max", "Jobs that may wait; further ones are refused.", queue.max_queued)
    yield gauge(
        "kinora_jobs_queued_oldest_seconds", "How long the next job to run has waited on this server.", queue.oldest_s
    )
    yield histogram("kinora_jobs_queue_seconds", "The time that each job waited for its turn.", figures.queued)
