"""Recovers the jobs of an earlier server: queued jobs run, running ones go on after their last stored frame.

Paused ones stay paused.
"""

from __future__ import annotations

from pathlib import Path

import attrs
import msgspec
import trio

from kinora.actors.errors import KinoraError
from kinora.actors.job import Job
from kinora.actors.job_archive import stored_request, stored_state
from kinora.actors.job_factory import JobFactory
from kinora.actors.job_spec import JobPlan, JobSpec, ResumePoint
from kinora.actors.messages import utc_now
from kinora.actors.store import JobRecord, Store

AT_ONCE = 8
"""The most sources that are opened at the same time: one may be on a host that does not answer."""


@attrs.frozen
class Recovered:
    """A job to run, and its record."""

    job: Job
    record: JobRecord


async def recover(store: Store, factory: JobFactory) -> list[Recovered]:
    """Return the jobs to run, in order. Jobs that cannot go on are stored as interrupted, with the reason."""
    records: list[JobRecord] = []
    for status in ("running", "paused", "queued"):
        page, _ = await store.jobs(status=status, limit=None)
        records += reversed(page)
    plans = await _plan_all(records, factory)
    recovered = [await _recover_one(record, plans[record.job_id], store, factory) for record in records]
    return [job for job in recovered if job is not None]


async def _plan_all(records: list[JobRecord], factory: JobFactory) -> dict[str, JobPlan | KinoraError]:
    plans: dict[str, JobPlan | KinoraError] = {}
    places = trio.CapacityLimiter(AT_ONCE)

    async def plan(record: JobRecord) -> None:
        upload = Path(record.upload) if record.upload else None
        async with places:
            try:
                plans[record.job_id] = await factory.plan(stored_request(record), upload)
            except KinoraError as error:
                plans[record.job_id] = error

    async with trio.open_nursery() as nursery:
        for record in records:
            nursery.start_soon(plan, record)
    return plans


async def _recover_one(
    record: JobRecord, plan: JobPlan | KinoraError, store: Store, factory: JobFactory
) -> Recovered | None:
    if isinstance(plan, KinoraError):
        await _give_up(record, f"The job could not be resumed after a restart of the server: {plan}", store)
        return None
    last = await store.last_index(record.job_id)
    resumed = ResumePoint()
    if last is not None:
        if plan.info.kind == "stream":
            reason = "The job could not be resumed after a restart of the server: its source is a live stream."
            await _give_up(record, reason, store)
            return None
        frames = await store.frame_count(record.job_id)
        resumed = ResumePoint(frames=frames, start=last + plan.request.options.stride)
    spec = JobSpec(job_id=record.job_id, created_at=record.created_at, plan=plan, resumed=resumed)
    return Recovered(factory.build(spec), record)


async def _give_up(record: JobRecord, reason: str, store: Store) -> None:
    state = attrs.evolve(stored_state(record), status="interrupted", error=reason, finished_at=utc_now())
    await store.save_job(attrs.evolve(record, status="interrupted", state=msgspec.json.encode(state)))
