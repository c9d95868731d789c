"""Clips: hears events, and has the part of the source around each kept as a video."""

from __future__ import annotations

import math
import re
import shutil
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal

import attrs
import structlog
import trio

from kinora.actors.audience import Audience
from kinora.actors.clips import clip_table
from kinora.actors.clips.clip_table import MAX_JOB_CLIPS, MAX_WANTED, Clip, WantedClip
from kinora.actors.clips.encoding import COPIED, Encoding
from kinora.actors.clips.live_clips import TOO_LATE, LiveClips, Shot
from kinora.actors.errors import KinoraError
from kinora.actors.messages import CompletePayload, EventPayload, Payload
from kinora.actors.one_shot import OneShotBroke, OneShotFailed, one_shot
from kinora.actors.overheard import Overheard
from kinora.actors.pictures.annotated_videos import VIDEO_FILE, temporary_folder
from kinora.actors.pipeline.job_spec import JobSpec
from kinora.actors.requests.clip_rule import ClipRule, widest
from kinora.actors.requests.standing_job import StandingJob
from kinora.actors.sources.recording import Recording
from kinora.actors.store.disk_floor import DiskFloor
from kinora.actors.store.store import Change, Store, StoreFailing
from kinora.actors.store.used_room import folders_in
from kinora.actors.webhooks.occurrences import occurrence_of
from kinora.actors.webhooks.webhook import Occurrence, Webhook
from kinora.media.messages import CLIP_CUTTER, ClipCut, CutClip, CutKept
from kinora.media.source_names import without_query_of
from kinora.media.source_types import SourceInfo, SourceLimits
from kinora.runtime.actor import ActorGone
from kinora.runtime.files.private_files import FILE_MODE, make_private_folder
from kinora.runtime.forking.workers import ForkServer, ForkServerGone

log = structlog.get_logger()

CUT_S = 60.0
"""The time for one clip; after it the clip is given up."""
RETRY_S = 5.0
"""The pause after a failure that is not the clip's, such as a disk that cannot be written."""
MAX_ATTEMPTS = 3
"""The attempts to cut a clip that fails for a reason that is not the video's. Then it is given up."""
REMOVE_S = 10.0
"""The time for removing the files of a deleted job, or of one clip."""
REMOVERS = 1
"""The most threads that remove files. Further removals wait, for ``REMOVE_S`` at most."""
MOST_REASONS = 1000
"""The most jobs' reasons of missing and removed clips that are remembered. Beyond it the oldest is forgotten, and
logged again."""
OVERTAKEN = "the machine is too busy: its pictures had to make room for newer ones before it could be made"
NOT_NOTED = "the disk was full when it was to be noted"
TOO_MANY = f"{MAX_WANTED:,} clips of the job wait already"
OLDEST_GO = f"the job has {MAX_JOB_CLIPS:,} clips: from now on its oldest is removed for each new one"
GivenUp = Literal["too_many", "too_late", "not_stored", "failed"]
"""Why there is no clip of an event: too many wait, its pictures are gone, the disk is full, or it cannot be cut."""
_JOB_ID = re.compile(r"[0-9a-f-]{36}")


@attrs.define
class ClipFigures:
    """What has come of clips since the start of the server."""

    kept: int = 0
    given_up: Counter[GivenUp] = attrs.field(factory=Counter)


@attrs.frozen
class _Wish:
    """Something that wants clips of some events."""

    rule: ClipRule
    wants: Callable[[Occurrence], bool]


class Clips:
    """Has clips made into ``folder``, in a folder for each job. No job waits for a clip.

    Clips are copied; those that browsers do not play are encoded after that.
    Clips of files are cut one at a time; what is to be cut is stored first, so that a restart loses none. Clips of live
    sources are made of packets that are kept in memory, so a restart loses those that are not made yet.
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
        self.figures = ClipFigures()
        self._store = store
        self._fork_server = fork_server
        self._limits = limits
        self._folder = folder
        self._disk = disk
        self._webhooks = webhooks
        self._standing = standing
        self._live = LiveClips(self._make_live, self._look_again)
        self._encoding = Encoding(
            store, fork_server, limits, disk, folder.parent, path=self.path, report=self._report_copied
        )
        self._removers = trio.CapacityLimiter(REMOVERS)
        self._work = trio.Event()
        """Set when there may be a clip to cut."""
        self._noted: Change | None = None
        """The newest change that notes a clip; those before it are written with it, or earlier."""
        self._noting: deque[tuple[WantedClip, Change]] = deque()
        """The clips of files that may not be stored as wanted yet; at most ``MAX_WANTED`` of a job."""
        self._waiting: dict[str, int] = {}
        """Job → its clips that are still to be made, for each job that has clips or is to have some."""
        self._reported: dict[tuple[str, str], None] = {}
        """The jobs whose clips were reported as not cut, or removed, each with a reason, the newest last."""

    def audience_of(self, spec: JobSpec, audience: Audience) -> Audience:
        """The audience of a job; its messages are heard here too if clips of any event are wanted."""
        wishes = self._wishes(spec.standing)
        return Overheard(audience, partial(self._hear, wishes)) if wishes else audience

    def recording_of(self, spec: JobSpec, info: SourceInfo) -> Recording | None:
        """Return where the packets of a live source are kept if the job runs here; None if no clips are wanted."""
        rule = widest(wish.rule for wish in self._wishes(spec.standing))
        return None if rule is None or info.kind != "stream" else self._live.recording(spec.job_id, rule)

    def wanted_of(self, spec: JobSpec) -> bool:
        """Return whether clips of any events of a job are wanted."""
        return bool(self._wishes(spec.standing))

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

    @property
    def waiting(self) -> int:
        """The clips of all jobs that are still to be made."""
        return sum(self._waiting.values())

    async def of_job(self, job_id: str) -> list[Clip]:
        """Return all clips of a job, in the order of their events."""
        return await self._store.read(clip_table.clips, job_id)

    def path(self, job_id: str, event: int) -> Path:
        """Return where the clip of an event is, if there is one."""
        return self._folder / job_id / f"{event}.mp4"

    async def forget(self, job_id: str) -> None:
        """Remove the clips of a deleted job. What cannot be removed is logged; the next start tries again."""
        if self._waiting.pop(job_id, None) is None:
            return
        self._encoding.forget(job_id)
        await self._remove(self._folder / job_id)

    async def _remove(self, path: Path) -> None:
        with trio.move_on_after(REMOVE_S):
            await trio.to_thread.run_sync(_remove, path, abandon_on_cancel=True, limiter=self._removers)

    async def run(
        self,
        locate: Callable[[str], Awaitable[str]],
        begin: trio.Event,
        *,
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Have clips of live sources made, and once ``begin`` is set those of files, until cancelled.

        ``locate`` finds the source of a job, or raises KinoraError.
        """
        self._waiting = await self._store.read(clip_table.waiting)
        await trio.to_thread.run_sync(_remove_all_but, self._waiting, self._folder)
        async with trio.open_nursery() as nursery:
            await nursery.start(self._live.run)
            task_status.started()
            await begin.wait()
            nursery.start_soon(self._remove_strays, [*self._waiting])
            nursery.start_soon(self._encoding.run)
            while True:
                try:
                    await self._cut_next(locate)
                except (StoreFailing, ActorGone):
                    await trio.sleep(RETRY_S)

    async def _remove_strays(self, job_ids: Collection[str]) -> None:
        """Remove clips that are not stored: a server that was killed may have forgotten them, and left their files."""
        try:
            for job_id in job_ids:
                # In this order: a clip is stored as wanted before its file is there.
                files = await trio.to_thread.run_sync(
                    _clips_in, self._folder / job_id, abandon_on_cancel=True, limiter=self._removers
                )
                stored = {self.path(job_id, event) for event in await self._store.read(clip_table.events, job_id)}
                for path in files - stored:
                    await self._remove(path)
        except (StoreFailing, ActorGone):
            pass  # the store tells of it, and the next start tries again

    # What is wanted

    def _hear(self, wishes: Sequence[_Wish], payload: Payload) -> None:
        """Note the clip of an event if one is wanted. Never waits."""
        if isinstance(payload, CompletePayload):
            self._live.end(payload.job_id)
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
        reason = self._take_on(wanted)
        if reason is not None:
            self._report(wanted, reason, "too_late" if reason == TOO_LATE else "too_many")
            return
        self._waiting[wanted.job_id] = self._waiting.get(wanted.job_id, 0) + 1
        self._noted = self._store.change_soon(clip_table.want_clip(wanted))
        if wanted.job_id not in self._live:
            self._noting.append((wanted, self._noted))
        self._work.set()

    def _take_on(self, wanted: WantedClip) -> str | None:
        """Have the clip waited for if its source is live; return why there will be none, if so."""
        if self._waiting.get(wanted.job_id, 0) >= MAX_WANTED:
            return TOO_MANY
        return self._live.want(wanted) if wanted.job_id in self._live else None

    def _report(self, wanted: WantedClip, reason: str, kind: GivenUp) -> None:
        """Count a clip that there will not be, and log why, once for all of a job that have the same reason."""
        self.figures.given_up[kind] += 1
        if self._is_news(wanted.job_id, reason):
            log.info("a clip could not be cut", job_id=wanted.job_id, number=wanted.event, reason=reason)

    def _report_copied(self, job_id: str, event: int, reason: str) -> None:
        """Log why a clip is not encoded, once for all of a job that have the same reason."""
        if self._is_news(job_id, reason):
            log.info("a clip could not be encoded for browsers", job_id=job_id, number=event, reason=reason)

    def _is_news(self, job_id: str, reason: str) -> bool:
        """Return whether a reason was not reported of the job yet, and remember it."""
        what = job_id, reason
        if what in self._reported:
            return False
        self._reported[what] = None
        if len(self._reported) > MOST_REASONS:
            del self._reported[next(iter(self._reported))]
        return True

    def _look_again(self) -> None:
        self._work.set()

    # Making them

    async def _cut_next(self, locate: Callable[[str], Awaitable[str]]) -> None:
        """Cut the clip of a file that is next, or give it up; wait for one if there is none."""
        work = self._work = trio.Event()
        await self._count_unnoted()
        wanted = await self._store.read(clip_table.next_wanted, self._live.at_work)
        if wanted is None:
            await work.wait()
            return
        location = ""

        async def cut(out: str) -> ClipCut:
            nonlocal location
            location = await locate(wanted.job_id)
            request = CutClip(
                location=location, start_ms=wanted.begin_ms, end_ms=wanted.end_ms, out=out, limits=self._limits
            )
            return await self._ask(request)

        fault = await self._attempt(wanted, cut)
        if fault is not None:
            await self._give_up(wanted, without_query_of(location, str(fault)), "failed")

    async def _make_live(self, shot: Shot) -> None:
        """Make the clip of a live source, or give it up, unless it is not wanted any more."""
        wanted = shot.wanted

        async def cut(out: str) -> ClipCut:
            request = CutKept(
                at_ms=wanted.timestamp_ms,
                came_s=shot.came_s,
                start_ms=wanted.begin_ms,
                end_ms=wanted.end_ms,
                out=out,
                limits=self._limits,
            )
            return await self._ask(request, [shot.kept.memory.fd])

        await self._noted_all()
        try:
            if not await self._store.read(clip_table.is_wanted, wanted):
                self._count_less(wanted)
                if await self._store.job(wanted.job_id) is not None:  # else it was deleted
                    self._report(wanted, NOT_NOTED, "not_stored")
                return
            if shot.is_overtaken:
                await self._give_up(wanted, OVERTAKEN, "too_late")
            elif fault := await self._attempt(wanted, cut):
                await self._give_up(wanted, str(fault), "failed")
        except (StoreFailing, ActorGone) as error:  # the next start gives it up, and says so
            self._report(wanted, str(error), "not_stored")

    async def _noted_all(self) -> None:
        """Wait until all clips that are wanted are stored."""
        if self._noted is not None:
            await self._noted.settled.wait()

    async def _count_unnoted(self) -> None:
        """Wait until all clips of files are stored as wanted, and wait no more for those that are not."""
        while self._noting:
            wanted, change = self._noting[0]
            await change.settled.wait()
            if change.fault is not None:
                self._report(wanted, str(change.fault), "not_stored")
            if not await self._store.read(clip_table.is_wanted, wanted):
                self._count_less(wanted)  # its job was deleted, or the clip is there from before a restart
            self._noting.popleft()

    async def _attempt(self, wanted: WantedClip, cut: Callable[[str], Awaitable[ClipCut]]) -> Exception | None:
        """Make a clip, in several attempts if need be; return why there is none, if so."""
        fault: Exception | None = None
        for _ in range(MAX_ATTEMPTS):
            try:
                await self._make(wanted, cut)
            except (StoreFailing, ActorGone, ForkServerGone, OneShotBroke) as error:
                fault = error
                await trio.sleep(RETRY_S)
            except (OneShotFailed, KinoraError, OSError) as error:
                return error
            else:
                self._count_less(wanted)
                return None
        return fault

    async def _give_up(self, wanted: WantedClip, reason: str, kind: GivenUp) -> None:
        """Forget a clip, and remove its file: a server that was killed may have made it, and not noted that."""
        self._report(wanted, reason, kind)
        await self._remove(self.path(wanted.job_id, wanted.event))
        await self._store.change(clip_table.drop_clip(wanted.job_id, wanted.event))
        self._count_less(wanted)

    def _count_less(self, wanted: WantedClip) -> None:
        if wanted.job_id in self._waiting:
            self._waiting[wanted.job_id] -= 1

    async def _ask(self, request: CutClip | CutKept, fds: Sequence[int] = ()) -> ClipCut:
        return await one_shot(self._fork_server, CLIP_CUTTER, "clip", request, ClipCut, timeout_s=CUT_S, fds=fds)

    async def _make(self, wanted: WantedClip, cut: Callable[[str], Awaitable[ClipCut]]) -> None:
        self._disk.require()
        async with temporary_folder(self._folder.parent) as folder:
            out = folder / VIDEO_FILE
            made = await cut(str(out))
            if not (math.isfinite(made.start_ms) and math.isfinite(made.duration_ms)):
                raise OneShotFailed("its process told no times")
            await out.chmod(FILE_MODE)
            size = (await out.stat()).st_size
            self._disk.require(size)
            path = self.path(wanted.job_id, wanted.event)
            make_private_folder(path.parent)
            await out.replace(path)
        await self._keep(wanted, made, size)
        self.figures.kept += 1
        if await self._store.job(wanted.job_id) is None:  # it was deleted meanwhile
            self._waiting.setdefault(wanted.job_id, 0)
            await self.forget(wanted.job_id)

    async def _keep(self, wanted: WantedClip, made: ClipCut, size: int) -> None:
        """Note that a clip is there; the oldest of its job goes for it if there are too many."""
        oldest = await self._store.read(clip_table.oldest_beyond, wanted, MAX_JOB_CLIPS)
        await self._store.change(
            clip_table.keep_clip(
                wanted, made.start_ms, made.duration_ms, size, made.codec, to_encode=made.codec not in COPIED
            ),
            *(clip_table.drop_clip(wanted.job_id, event) for event in oldest),
        )
        if oldest and self._is_news(wanted.job_id, OLDEST_GO):
            log.info("the oldest clips of a job are removed", job_id=wanted.job_id, reason=OLDEST_GO)
        self._encoding.look_again()
        for event in oldest:
            await self._remove(self.path(wanted.job_id, event))


def _remove(path: Path) -> None:
    """Remove a clip, or a folder of clips. Blocks."""
    try:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    except (FileNotFoundError, NotADirectoryError):
        pass  # it was not made
    except OSError as error:
        log.warning("clips could not be removed", path=str(path), reason=str(error))


def _clips_in(folder: Path) -> set[Path]:
    """Return the clips in the folder of a job. Blocks."""
    return set(folder.glob("*.mp4"))


def _remove_all_but(job_ids: Collection[str], folder: Path) -> None:
    """Remove the clips of all jobs but these. Blocks."""
    for found in folders_in(folder):
        if _JOB_ID.fullmatch(found.name) and found.name not in job_ids:
            _remove(found)
