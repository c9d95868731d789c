"""LiveClips: has clips made of what is kept of live sources, each once its end has come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial

import attrs
import trio

from kinora.actors.clips.clip_table import WantedClip
from kinora.actors.requests.clip_rule import ClipRule
from kinora.actors.sources.recording import SPARE_S, Kept, Recording

MAX_WAITING = 256
"""The most clips of a job that wait for their end, or for their turn. Beyond it events have none, which is logged."""
REORDERED_S = 0.5
"""The most by which a picture comes earlier or later than its place in the video says."""
TOO_LATE = "its plugins told of it too late: its picture is not known any more"
TOO_MANY = f"{MAX_WAITING} clips of the job wait already"


@attrs.frozen
class Shot:
    """A clip that is to be made."""

    wanted: WantedClip
    kept: Kept
    came_s: float
    """When the picture of its event came."""

    @property
    def until_s(self) -> float:
        """When all pictures of the clip have come."""
        return self.came_s + (self.wanted.end_ms - self.wanted.timestamp_ms) / 1000 + REORDERED_S

    @property
    def is_overtaken(self) -> bool:
        """True once pictures of the clip have had to make room for newer ones, while others were made."""
        return self.kept.newest_s > self.until_s + SPARE_S


@attrs.define
class _LiveJob:
    recording: Recording
    turn: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(1))
    """Lets one of its clips at a time ask for its turn among all jobs."""
    ended: bool = False


class LiveClips:
    """Owns the recordings of jobs, from their first picture until the last clip is made."""

    def __init__(self, make: Callable[[Shot], Awaitable[None]], on_settled: Callable[[], None]) -> None:
        """``make`` is called for one clip at a time; ``on_settled`` when none of a job are to be made."""
        self._make = make
        self._on_settled = on_settled
        self._jobs: dict[str, _LiveJob] = {}
        self._waiting = Counter[str]()
        """Job → its clips that are still to be made, those from before it was taken up again included."""
        self._turn = trio.CapacityLimiter(1)
        self._nursery: trio.Nursery | None = None

    def __contains__(self, job_id: str) -> bool:
        """Return whether the clips of a job are made here."""
        return job_id in self._jobs

    @property
    def at_work(self) -> frozenset[str]:
        """The jobs of which clips are still to be made."""
        return frozenset(self._waiting)

    def recording(self, job_id: str, rule: ClipRule) -> Recording:
        """Return a new recording of a job, for clips of this length; it is owned here once a decoder writes to it."""
        return Recording(rule.before_s + rule.after_s + SPARE_S, partial(self._own, job_id))

    def _own(self, job_id: str, recording: Recording) -> None:
        self._jobs[job_id] = _LiveJob(recording)

    def want(self, wanted: WantedClip) -> str | None:
        """Have a clip made, of an event of one of the jobs. Return why there will be none, if so. Never waits."""
        job = self._jobs[wanted.job_id]
        found = job.recording.find(wanted.frame_index)
        if found is None or self._nursery is None:
            return TOO_LATE
        if self._waiting[wanted.job_id] >= MAX_WAITING:
            return TOO_MANY
        shot = Shot(wanted, *found)
        shot.kept.hold()
        self._waiting[wanted.job_id] += 1
        self._nursery.start_soon(self._carry_out, wanted.job_id, job, shot)
        return None

    def end(self, job_id: str) -> None:
        """Note that a job, of any source, has ended: its last clips end with it."""
        job = self._jobs.get(job_id)
        if job is not None:
            job.ended = True
            job.recording.close()
            self._settle(job_id)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Make clips until cancelled; what is kept is freed then."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None
            for job in self._jobs.values():
                job.recording.close()

    async def _carry_out(self, job_id: str, job: _LiveJob, shot: Shot) -> None:
        try:
            await shot.kept.wait_for(shot.until_s)
            async with job.turn, self._turn:
                await self._make(shot)
        finally:
            shot.kept.release()
            self._waiting -= Counter([job_id])
            self._settle(job_id)

    def _settle(self, job_id: str) -> None:
        """Forget a job that has ended, and was not taken up again, once its last clip is made."""
        if job_id in self._waiting:
            return
        job = self._jobs.get(job_id)
        if job is not None and job.ended:
            del self._jobs[job_id]
        self._on_settled()
