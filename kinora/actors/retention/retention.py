"""Retention: deletes jobs that have ended, the first to end first, once they are too old or take too much room."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Protocol

import attrs
import structlog
import trio

from kinora.actors.retention.retention_rule import Candidate, Rule, that_go
from kinora.actors.store.store import Store, StoreFailing
from kinora.actors.store.stored_room import EndedJob
from kinora.actors.store.used_room import RoomMeter
from kinora.actors.times import time_before
from kinora.runtime.actor import ActorGone

LOOK_S = 60.0
"""The longest time between two looks at what is kept."""
LOOK_AFTER_END_S = 5.0
"""The time from the end of a job to the look that it causes; further ends within it cause no look of their own."""
BATCH = 500
"""The jobs that are looked at in one query and deleted in one transaction, of some 20 ms; others wait so long."""
PAUSE_S = 0.02
"""The time between two batches, for everything else that needs the store and the clients' connections."""
DAY_S = 86_400

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class Kept:
    """What an operator wants to be kept."""

    days: float
    """A job goes so many days after its end; 0 for never."""
    bytes: int
    """Jobs go while more than this is in use; 0 for no limit."""

    @property
    def everything(self) -> bool:
        """True if no job ever goes by itself."""
        return not self.days and not self.bytes

    def rule(self, now: datetime) -> Rule:
        """The rule at this time."""
        before = time_before(now, self.days * DAY_S) if self.days else ""
        return Rule(before=before, keep_bytes=self.bytes or None)


@attrs.define(kw_only=True)
class Pruned:
    """What has gone, or would go."""

    first: list[Candidate] = attrs.field(factory=list)
    """The first of the jobs, at most ``NAMED``."""
    count: int = 0
    bytes: int = 0
    """What their deletion gives back, at least."""
    in_use: int = 0
    """The jobs that would go, but stay for now: somebody reads their results, or takes them up again."""

    NAMED = 100

    def add(self, gone: Sequence[Candidate]) -> None:
        """Count further jobs."""
        self.first += gone[: self.NAMED - len(self.first)]
        self.count += len(gone)
        self.bytes += sum(candidate.bytes for candidate in gone)


class EndedJobs(Protocol):
    """What retention needs of the JobManager, whose methods of these names say more."""

    def may_go(self, job_id: str) -> bool:
        """Return whether the job may be deleted now."""

    async def delete_ended(self, jobs: Sequence[EndedJob]) -> frozenset[str]:
        """Delete those that may go, and return their ids."""


class Retention:
    """Keeps what ``kept`` says, and prunes by other rules when it is asked to.

    Only jobs that have ended are deleted, each as by :meth:`JobManager.delete`. A job that somebody reads stays until
    the next look. Its room counts as freed all the same, so that no later job goes in its place.
    """

    def __init__(
        self,
        kept: Kept,
        *,
        store: Store,
        jobs: EndedJobs,
        meter: RoomMeter,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.kept = kept
        self._store = store
        self._jobs = jobs
        self._meter = meter
        self._now = now
        self._ended = trio.Event()
        """Set when a job has ended since the last look."""
        self._deciding = trio.Lock()
        """Held from a measure of the room to the last deletion that it leads to.

        Further prunes wait in line, each as long as its client stays connected.
        """

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look at once, every ``LOOK_S`` and after jobs end, until cancelled."""
        task_status.started()
        if self.kept.everything:
            await trio.sleep_forever()
        while True:
            self._ended = trio.Event()
            await self._look()
            with trio.move_on_after(LOOK_S):
                await self._ended.wait()
                await trio.sleep(LOOK_AFTER_END_S)

    def note_end(self) -> None:
        """Note that a job has ended."""
        self._ended.set()

    async def prune(self, rule: Rule, *, dry_run: bool = False) -> Pruned:
        """Delete all jobs that go by this rule, or only find them. If cancelled, those deleted so far are gone.

        Raises:
            StoreFailing, ActorGone: as the store.
        """
        pruned = Pruned()
        async with self._deciding, aclosing(self._going(rule)) as batches:
            async for batch in batches:
                if dry_run:
                    gone = frozenset(filter(self._jobs.may_go, (candidate.job.job_id for candidate in batch)))
                else:
                    gone = await self._jobs.delete_ended([candidate.job for candidate in batch])
                    await trio.sleep(PAUSE_S)
                pruned.in_use += len(batch) - len(gone)
                pruned.add([candidate for candidate in batch if candidate.job.job_id in gone])
        return pruned

    async def _look(self) -> None:
        try:
            pruned = await self.prune(self.kept.rule(self._now()))
        except (StoreFailing, ActorGone) as error:
            log.warning("old jobs were not looked for", reason=str(error))
            return
        if pruned.count:
            log.info("deleted jobs that have ended", jobs=pruned.count, bytes=pruned.bytes, kept_in_use=pruned.in_use)

    async def _going(self, rule: Rule) -> AsyncGenerator[list[Candidate]]:  # noqa: ASYNC900 - it is closed
        """Yield the jobs that go, a batch at a time."""
        used = (await self._meter.measure(afresh=True)).kept
        after = None
        while page := await self._store.ended_jobs(after, rule.statuses, BATCH):
            after = page[-1]
            candidates = await trio.to_thread.run_sync(self._weigh, page)
            going = that_go(candidates, rule, used)
            if going:
                yield going
            used -= sum(candidate.bytes for candidate in going)
            if len(going) < len(page):
                return

    def _weigh(self, page: Sequence[EndedJob]) -> list[Candidate]:
        """Add the uploads to what the jobs take. Blocks."""
        return [
            Candidate(job=job, bytes=job.stored_bytes + (self._meter.upload(job.upload) if job.upload else 0))
            for job in page
        ]
