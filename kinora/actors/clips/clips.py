"""Clips: hears events, and has a part of the video around each cut and kept."""

from __future__ import annotations

import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

import attrs
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.clips import clip_table
from kinora.actors.clips.clip_rule import ClipRule, widest
from kinora.actors.clips.clip_table import Clip, WantedClip
from kinora.actors.disk_floor import DiskFloor
from kinora.actors.errors import KinoraError
from kinora.actors.job_spec import JobSpec
from kinora.actors.messages import EventPayload, Payload
from kinora.actors.one_shot import OneShotBroke, OneShotFailed, one_shot
from kinora.actors.standing_job import StandingJob, known_live
from kinora.actors.store import Change, Store, StoreFailing
from kinora.actors.videos import VIDEO_FILE, temporary_folder
from kinora.actors.webhooks.occurrences import occurrence_of
from kinora.actors.webhooks.overheard import Overheard
from kinora.actors.webhooks.webhook import Occurrence, Webhook
from kinora.media.messages import CLIP_CUTTER, ClipCut, CutClip
from kinora.media.pushed import PUSH
from kinora.media.source_names import without_query_of
from kinora.media.source_types import SourceLimits
from kinora.runtime.actor import ActorGone
from kinora.runtime.private_files import FILE_MODE
from kinora.runtime.workers import ForkServer, ForkServerGone

log = structlog.get_logger()

CUT_S = 60.0
"""The time for one clip; after it the clip is given up."""
RETRY_S = 5.0
"""The pause after a failure that is not the clip's, such as a disk that cannot be written."""
MAX_ATTEMPTS = 3
"""The attempts to cut a clip that fails for a reason that is not the video's. Then it is given up."""
REMOVE_S = 10.0
"""The time for removing the files of a deleted job."""
REMOVERS = 1
"""The most threads that remove files of deleted jobs. Further removals wait, for ``REMOVE_S`` at most."""
_FILE = re.compile(r"([0-9a-f-]{36})\.\d+\.mp4")


@attrs.frozen
class _Wish:
    """Something that wants clips of some events."""

    rule: ClipRule
    wants: Callable[[Occurrence], bool]


class Clips:
    """Has clips cut, one at a time, into ``folder``. What is to be cut is stored first, so that a restart loses none.

    No job waits for a clip. Clips are cut out of videos that are files; of others none are kept.
    """

    def __init__(
        self,
        store: Store,
        fork_server: ForkServer,
        limits: SourceLimits,
        folder: Path,
        disk: DiskFloor,
        *,
        webhooks: Mapping[str, Webhook],
        standing: Mapping[str, StandingJob],
    ) -> None:
        self._store = store
        self._fork_server = fork_server
        self._limits = limits
        self._folder = folder
        self._disk = disk
        self._webhooks = webhooks
        self._standing = standing
        self._removers = trio.CapacityLimiter(REMOVERS)
        self._work = trio.Event()
        """Set when there may be a clip to cut."""
        self._noted: Change | None = None
        """The newest change that notes a clip; those before it are written with it, or earlier."""
        self._reported = ("", "")
        """The job whose clip was reported last as not cut, and the reason."""

    def audience_of(self, spec: JobSpec, audience: Audience) -> Audience:
        """The audience of a job; its events are heard here too if clips of any are wanted."""
        wishes = self._wishes(spec.standing)
        if wishes and (known_live(spec.request.source) is not None or spec.request.source == PUSH):
            log.info("no clips of a job are kept, as its source is live", job_id=spec.job_id)
            return audience
        return Overheard(audience, partial(self._hear, wishes)) if wishes else audience

    def _wishes(self, standing: str | None) -> list[_Wish]:
        wishes = [
            _Wish(rule, webhook.wants)
            for webhook in self._webhooks.values()
            if webhook.wants_job(standing) and (rule := webhook.clip_rule) is not None
        ]
        job = self._standing.get(standing or "")
        if job is not None and job.clip_rule is not None:
            wishes.append(_Wish(job.clip_rule, lambda _: True))
        return wishes

    async def of_job(self, job_id: str) -> list[Clip]:
        """Return all clips of a job, in the order of their events."""
        return await self._store.read(clip_table.clips, job_id)

    def path(self, job_id: str, event: int) -> Path:
        """Return where the clip of an event is, if there is one."""
        return self._folder / f"{job_id}.{event}.mp4"

    async def forget(self, job_id: str) -> None:
        """Remove the clips of a deleted job. What cannot be removed is logged; the next start tries again."""
        with trio.move_on_after(REMOVE_S):
            await trio.to_thread.run_sync(
                _remove, self._folder, lambda found: found == job_id, abandon_on_cancel=True, limiter=self._removers
            )

    async def run(
        self,
        locate: Callable[[str], Awaitable[str]],
        begin: trio.Event,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Cut what is wanted, once ``begin`` is set, until cancelled.

        ``locate`` finds the source of a job, or raises KinoraError.
        """
        kept = await self._store.read(clip_table.jobs_with_clips)
        await trio.to_thread.run_sync(_remove, self._folder, lambda found: found not in kept)
        task_status.started()
        await begin.wait()
        while True:
            try:
                await self._cut_next(locate)
            except (StoreFailing, ActorGone):
                await trio.sleep(RETRY_S)

    async def _cut_next(self, locate: Callable[[str], Awaitable[str]]) -> None:
        """Cut the clip that is next, or give it up; wait for one if there is none."""
        work = self._work = trio.Event()
        wanted = await self._next()
        if wanted is None:
            await work.wait()
            return
        fault: Exception | None = None
        location = ""
        for _ in range(MAX_ATTEMPTS):
            try:
                location = await locate(wanted.job_id)
                await self._cut(wanted, location)
            except (StoreFailing, ActorGone, ForkServerGone, OneShotBroke) as error:
                fault = error
                await trio.sleep(RETRY_S)
            except (OneShotFailed, KinoraError, OSError) as error:
                fault = error
                break
            else:
                return
        self._report(wanted, without_query_of(location, str(fault)))
        await self._store.change(clip_table.drop_clip(wanted))

    def _report(self, wanted: WantedClip, reason: str) -> None:
        """Log why there is no clip, once for all of a job that come one after the other and have the same reason."""
        if self._reported != (wanted.job_id, reason):
            self._reported = (wanted.job_id, reason)
            log.info("a clip could not be cut", job_id=wanted.job_id, number=wanted.event, reason=reason)

    async def _next(self) -> WantedClip | None:
        """Return the clip to cut next; None if there is none."""
        if self._noted is not None:
            await self._noted.settled.wait()
        return await self._store.read(clip_table.next_wanted)

    def _hear(self, wishes: Sequence[_Wish], payload: Payload) -> None:
        """Note the clip of an event if one is wanted. Never waits."""
        if not isinstance(payload, EventPayload) or payload.index is None or payload.timestamp_ms is None:
            return
        what = occurrence_of(payload)
        rule = widest(wish.rule for wish in wishes if what is not None and wish.wants(what))
        if rule is None:
            return
        wanted = WantedClip(
            job_id=payload.job_id,
            event=payload.number,
            plugin=payload.plugin,
            kind=payload.kind,
            frame_index=payload.index,
            timestamp_ms=payload.timestamp_ms,
            begin_ms=max(0.0, payload.timestamp_ms - 1000 * rule.before_s),
            end_ms=payload.timestamp_ms + 1000 * rule.after_s,
        )
        self._noted = self._store.change_soon(clip_table.want_clip(wanted))
        self._work.set()

    async def _cut(self, wanted: WantedClip, location: str) -> None:
        self._disk.require()
        async with temporary_folder(self._folder.parent) as folder:
            out = folder / VIDEO_FILE
            request = CutClip(
                location=location,
                start_ms=wanted.begin_ms,
                end_ms=wanted.end_ms,
                out=str(out),
                limits=self._limits,
            )
            cut = await one_shot(self._fork_server, CLIP_CUTTER, "clip", request, ClipCut, timeout_s=CUT_S)
            await out.chmod(FILE_MODE)
            size = (await out.stat()).st_size
            self._disk.require(size)
            await out.replace(self.path(wanted.job_id, wanted.event))
        await self._store.change(clip_table.keep_clip(wanted, cut.start_ms, cut.duration_ms, size))
        if await self._store.job(wanted.job_id) is None:  # it was deleted meanwhile
            await self.forget(wanted.job_id)


def _remove(folder: Path, goes: Callable[[str], bool]) -> None:
    """Remove the clips of jobs whose id ``goes`` is true of. Blocks."""
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            match = _FILE.fullmatch(entry.name)
            if match is not None and entry.is_file(follow_symlinks=False) and goes(match[1]):
                try:
                    Path(entry).unlink(missing_ok=True)
                except OSError as error:
                    log.warning("a clip could not be removed", path=entry.path, reason=str(error))
