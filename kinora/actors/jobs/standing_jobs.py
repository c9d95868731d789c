"""Starts the jobs that the operator wants always, and starts them again when they have ended."""

from __future__ import annotations

from collections.abc import Mapping

import structlog
import trio

from kinora.actors.errors import InvalidRequest, KinoraError, NotFound
from kinora.actors.jobs.job_manager import JobManager
from kinora.actors.requests.job_request import JobRequest
from kinora.actors.requests.standing_job import Pauses, StandingJob
from kinora.actors.store.store import StoreFailing
from kinora.runtime.actor import ActorGone
from kinora.runtime.forking.workers import ForkServerGone

log = structlog.get_logger()


class StandingJobs:
    """Keeps each standing job in one job of the JobManager at a time, by a task of its own."""

    def __init__(self, wanted: Mapping[str, StandingJob], jobs: JobManager) -> None:
        self.faults: dict[str, str] = {}
        """Name → why it cannot begin now."""
        self._wanted = wanted
        self._jobs = jobs

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the jobs going until cancelled; cancel those of an earlier server that are not wanted any more."""
        async with trio.open_nursery() as nursery:
            task_status.started()
            for name in self._jobs.standing().keys() - self._wanted.keys():
                nursery.start_soon(self._end, name, "it was taken out of the settings")
            for name, wanted in self._wanted.items():
                nursery.start_soon(self._keep, name, wanted)
            await trio.sleep_forever()

    async def _keep(self, name: str, wanted: StandingJob) -> None:
        try:
            request = wanted.request()
        except InvalidRequest as error:
            self._note_fault(name, error)
            return
        known = self._jobs.standing().get(name)
        if known is not None and known[1] != request:
            await self._end(name, "its settings have changed")
        pauses = Pauses()
        while True:
            began = trio.current_time()
            status = await self._run_once(name, request)
            if status is not None and not wanted.starts_again(status):
                log.info("a standing job has ended for good", standing=name, status=status, restart=wanted.restart)
                return
            await trio.sleep(pauses.after(trio.current_time() - began))

    async def _run_once(self, name: str, request: JobRequest) -> str | None:
        """Have one job, of an earlier server or a new one, until its end; return its status, None if none could begin.

        A job that was deleted counts as cancelled.
        """
        known = self._jobs.standing().get(name)
        try:
            job_id = known[0] if known is not None else await self._begin(name, request)
        except (KinoraError, ActorGone, StoreFailing, ForkServerGone) as error:
            self._note_fault(name, error)
            return None
        self.faults.pop(name, None)
        try:
            state = await self._jobs.wait_ended(job_id)
        except NotFound:
            return "cancelled"
        if state.error:
            log.warning("a standing job has ended", standing=name, job_id=job_id, reason=state.error)
        return state.status

    async def _begin(self, name: str, request: JobRequest) -> str:
        submitted = await self._jobs.submit(request, client=("standing", name), standing=name)
        return submitted.state.job_id

    async def _end(self, name: str, why: str) -> None:
        job_id, _ = self._jobs.standing()[name]
        log.info("a standing job of an earlier server is cancelled", standing=name, job_id=job_id, reason=why)
        await self._jobs.cancel(job_id)

    def _note_fault(self, name: str, error: Exception) -> None:
        """Log a fault once, however often it comes again."""
        if self.faults.get(name) != str(error):
            self.faults[name] = str(error)
            log.error("a standing job cannot begin", standing=name, reason=str(error))
