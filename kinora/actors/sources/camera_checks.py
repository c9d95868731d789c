"""Tells which cameras can be reached now: of one that a job watches the job tells, any other is opened for a moment."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import attrs
import trio

from kinora.actors.models import JobState
from kinora.actors.sources.cameras import Cameras
from kinora.actors.sources.source_reader import SourceBroke, open_source
from kinora.actors.times import utc_now
from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.source_types import SourceError, SourceLimits
from kinora.runtime.forking.workers import ForkServer, ForkServerGone

CHECKS_AT_ONCE = 3
"""The most cameras that are opened at the same time to check them; further ones wait, each in a task of its own."""
CHECK_S = 25.0
"""The time for one check: a camera has 20 s for its first key frame. After it the camera counts as silent."""
KEPT_S = 15.0
"""The time for which what a check has found is told again, in place of another check."""
ANSWER_S = 8.0
"""The time that an answer waits for checks; those that take longer go on, and the next answer tells what they found."""
_WORD = re.compile("|".join(LostReason))


@attrs.frozen(kw_only=True)
class CameraState:
    """A camera, and whether it can be reached."""

    source: str
    """What a job names it by: ``camera:NAME`` or ``webcam:NUMBER``."""
    reachable: bool | None
    """None if that is not known yet."""
    reason: LostReason | None
    """Why it cannot be reached; None if it can, or if the reason is another."""
    message: str
    checked_at: str | None
    """When that was found out, as ISO 8601 in UTC; None if nobody has looked yet."""
    in_use_by: str | None
    """The id of a job that watches it; None if none does."""


@attrs.frozen
class _Found:
    reachable: bool | None
    reason: LostReason | None
    message: str
    checked_at: str | None = attrs.field(factory=utc_now)
    at: float = attrs.field(factory=trio.current_time)

    @property
    def is_fresh(self) -> bool:
        return trio.current_time() < self.at + KEPT_S


@attrs.frozen(eq=False)
class _Running:
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)
    gone: trio.Event = attrs.field(factory=trio.Event)
    """Set once the camera is let go."""


class CameraChecks:
    """Checks cameras, each at most once at a time. A job that opens a camera comes first: its check ends then."""

    def __init__(self, fork_server: ForkServer, cameras: Cameras, limits: SourceLimits) -> None:
        self.watching: Callable[[], Mapping[str, JobState]] = dict
        """Source → a job that has begun and watches it."""
        self._fork_server = fork_server
        self._cameras = cameras
        self._limits = limits
        self._places = trio.CapacityLimiter(CHECKS_AT_ONCE)
        self._found: dict[str, _Found] = {}
        self._running: dict[str, _Running] = {}
        self._nursery: trio.Nursery | None = None
        cameras.give_way = self._give_way

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Check cameras for those who ask, until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    async def states(self) -> list[CameraState]:
        """All cameras in the order of the settings, each checked anew if nothing fresh is known."""
        running = [check for source in self._cameras.sources if (check := self._checking(source)) is not None]
        with trio.move_on_after(ANSWER_S):
            for check in running:
                await check.gone.wait()
        await trio.lowlevel.checkpoint()
        watching = self.watching()
        return [self._state(source, watching.get(source)) for source in self._cameras.sources]

    def _checking(self, source: str) -> _Running | None:
        """The check of a camera, which begins if one is needed; None if none is, or none can be."""
        found, job = self._found.get(source), self.watching().get(source)
        needless = (found is not None and found.is_fresh) or self._cameras.is_taken(source) or _is_away(job)
        if needless or self._nursery is None or source in self._running:
            return self._running.get(source)
        self._running[source] = running = _Running()
        self._nursery.start_soon(self._check, source, running)
        return running

    async def _check(self, source: str, running: _Running) -> None:
        try:
            with running.scope:
                async with self._places:
                    self._found[source] = await self._look(source)
        finally:
            del self._running[source]
            running.gone.set()

    async def _look(self, source: str) -> _Found:
        opening = open_source(
            self._fork_server, "camera check", source, source, limits=self._limits, cameras=self._cameras.untaken()
        )
        try:
            with trio.move_on_after(CHECK_S):
                async with opening as opened:
                    return _Found(True, None, f"It sends pictures of {opened.info.width}x{opened.info.height}.")
        except SourceError as error:
            return _Found(False, error.reason if isinstance(error, CameraError) else None, error.message)
        except (SourceBroke, ForkServerGone) as error:
            return _Found(None, None, f"It could not be checked: {error}.")
        return _Found(False, LostReason.SILENT, f"{source} has not begun to send within {CHECK_S:.0f} s.")

    async def _give_way(self, source: str) -> None:
        """End the check of a camera that a job is about to open; many cameras let in one client."""
        if (running := self._running.get(source)) is not None:
            running.scope.cancel(reason="a job opens the camera")
            await running.gone.wait()

    def _state(self, source: str, job: JobState | None) -> CameraState:
        if job is not None and (self._cameras.is_taken(source) or _is_away(job)):
            return _told_by(job)
        unknown = "A job opens it: ask again." if self._cameras.is_taken(source) else "It is being tried: ask again."
        found = self._found.get(source) or _Found(None, None, unknown, checked_at=None)
        return CameraState(
            source=source,
            reachable=found.reachable,
            reason=found.reason,
            message=found.message,
            checked_at=found.checked_at,
            in_use_by=None,
        )


def _is_away(job: JobState | None) -> bool:
    """True if a job waits for its camera to come back."""
    return job is not None and str(job.stage) == "reconnecting"


def _told_by(job: JobState) -> CameraState:
    """What a job knows of the camera that it watches."""
    lost = [group.message for group in job.warning_groups if group.code == "SOURCE_LOST"] if _is_away(job) else []
    word = _WORD.match(lost[-1]) if lost else None
    return CameraState(
        source=job.source,
        reachable=not _is_away(job),
        reason=None if word is None else LostReason(word[0]),
        message=lost[-1] if lost else f"Job {job.job_id} watches it.",
        checked_at=utc_now(),
        in_use_by=job.job_id,
    )
