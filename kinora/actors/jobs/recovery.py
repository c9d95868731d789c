"""Takes up the jobs of an earlier server: those that ran or waited run, paused ones stay paused.

Nothing is checked here: a job's plugins and its source are looked for when its turn comes.
"""

from __future__ import annotations

import attrs
import msgspec

from kinora.actors.frames.live_count import Moment
from kinora.actors.frames.moments import moment_of
from kinora.actors.jobs.catching_up import caught_up
from kinora.actors.jobs.job import Job
from kinora.actors.jobs.job_archive import stored_request
from kinora.actors.jobs.job_factory import JobFactory
from kinora.actors.models import JobState
from kinora.actors.pipeline.job_spec import JobSpec, Past, ResumePoint
from kinora.actors.store.store import JobRecord, Store
from kinora.media.source_types import SourceInfo

INTERRUPTED_LIVE = "The server was started again, and its source is live: resume the job, and it goes on from now."


@attrs.frozen
class Recovered:
    """A job of an earlier server, and its record."""

    job: Job
    record: JobRecord
    lost: str | None
    """The reason, as a sentence, why the job does not go on by itself; None if it does."""


async def recover(store: Store, factory: JobFactory) -> list[Recovered]:
    """Return the jobs that have not ended, in the order in which they are to run."""
    recovered = []
    for status in ("running", "paused", "queued"):
        page, _ = await store.jobs(status=status, limit=None)
        recovered += [await recall(record, store, factory) for record in reversed(page)]
    return recovered


async def recall(record: JobRecord, store: Store, factory: JobFactory) -> Recovered:
    """Make a job of its record; it goes on after its last stored frame."""
    state, request = msgspec.json.decode(record.state, type=JobState), stored_request(record)
    source = msgspec.json.decode(record.source, type=SourceInfo) if record.source else None
    begun = record.status != "queued" or state.started_at is not None
    last = await store.last_index(record.job_id) if begun else None
    events = await store.newest_event(record.job_id) if begun else 0
    resumed, logs = ResumePoint(events=events), b"{}"
    if last is not None:
        frames = await store.frame_count(record.job_id)
        after = await _moment(store, record.job_id, last) if source and source.kind == "stream" else None
        resumed = ResumePoint(frames=frames, start=last + request.options.stride, events=events, after=after)
        logs = await store.log(record.job_id) or logs
    past = Past(
        state=attrs.evolve(state, plugins=caught_up(state.plugins, state.frames_done, resumed.frames)),
        logs=msgspec.json.decode(logs, type=dict[str, str]),
        source=source,
    )
    spec = JobSpec(
        job_id=record.job_id,
        created_at=record.created_at,
        request=request,
        uploaded=record.upload is not None,
        standing=state.standing,
        resumed=resumed,
        past=past,
    )
    is_live = last is not None and source is not None and source.kind == "stream"
    lost = INTERRUPTED_LIVE if is_live and record.status == "running" and state.standing is None else None
    return Recovered(factory.recall(spec, record.upload), record, lost)


async def _moment(store: Store, job_id: str, index: int) -> Moment | None:
    """Return when a stored frame was."""
    stored = await store.frame(job_id, index)
    return None if stored is None else moment_of(stored)
