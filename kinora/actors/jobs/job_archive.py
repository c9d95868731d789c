"""Reads stored jobs, running ones included: their records, frames, logs, pictures and videos."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Hashable
from contextlib import aclosing
from typing import BinaryIO

import attrs
import msgspec
import structlog
import trio

from kinora.actors.clips.clip_table import Clip
from kinora.actors.clips.clips import Clips
from kinora.actors.errors import InvalidRequest, NotFound
from kinora.actors.models import ENDED, JobState, when_ended
from kinora.actors.pictures.annotated_videos import Material, Video, Videos
from kinora.actors.pictures.stills import Stills
from kinora.actors.pipeline.job_spec import asked_again
from kinora.actors.requests.job_request import JobRequest
from kinora.actors.sources.source_finder import SourceFinder
from kinora.actors.store.event_table import EventPage
from kinora.actors.store.recent_reads import RecentReads
from kinora.actors.store.store import JobRecord, Store
from kinora.media.source_types import SourceInfo

log = structlog.get_logger()


@attrs.frozen(kw_only=True)
class FrameCut:
    """A part of a job's frames as they were at one moment: later frames do not come into it."""

    job_id: str
    after: int
    """Frames have an index above this one."""
    limit: int | None
    """The most frames; None for no limit."""
    newest: int
    """The newest index that the job had; ``after`` if it had none above that."""
    first_page: list[tuple[int, bytes]]
    """The first frames, each with its index; all of them if they fit into a page of the store."""

    @property
    def whole(self) -> bool:
        """True if the first page has all frames."""
        return self.last == self.newest or len(self.first_page) == self.limit

    @property
    def key(self) -> tuple[int, ...]:
        """Equal for two cuts of one job only if they have the same frames."""
        return (self.after, self.last) if self.whole else (self.after, self.newest, self.limit or 0)

    @property
    def last(self) -> int:
        """The index of the first page's last frame; ``after`` if there is none."""
        return self.first_page[-1][0] if self.first_page else self.after


class JobArchive:
    """Answers questions from the store. Its methods raise NotFound for an unknown job."""

    def __init__(self, store: Store, sources: SourceFinder, stills: Stills, videos: Videos, clips: Clips) -> None:
        self._store = store
        self._sources = sources
        self._stills = stills
        self._videos = videos
        self._clips = clips
        self._reads = RecentReads()

    def is_read(self, job_id: str) -> bool:
        """Return whether somebody reads the job's frames now, or did a moment ago; see :class:`RecentReads`."""
        return job_id in self._reads

    def note_read(self, job_id: str) -> None:
        """Note that somebody reads the job's frames, from a copy that was made before."""
        self._reads.note(job_id)

    async def record(self, job_id: str) -> JobRecord:
        """Return the stored record of a job."""
        record = await self._store.job(job_id)
        if record is None:
            raise NotFound(f"There is no job {job_id[:80]}.")
        return record

    async def state(self, job_id: str) -> JobState:
        """Return the stored state of a job; one that has not ended is reported as interrupted."""
        return stored_state(await self.record(job_id))

    async def logs(self, job_id: str) -> dict[str, str]:
        """Return plugin → the end of its output in an ended job, in the order of the pipeline."""
        state = await self.state(job_id)
        stored = msgspec.json.decode(await self._store.log(job_id) or b"{}", type=dict[str, str])
        return dict.fromkeys(state.plugins, "") | stored

    async def cut(self, job_id: str, after: int | None = None, limit: int | None = None) -> FrameCut:
        """Return what there is now of the job's first ``limit`` frames above the index ``after``.

        The job must exist; an unknown one has no frames.
        """
        start = -1 if after is None else after
        if limit == 0:
            return FrameCut(job_id=job_id, after=start, limit=limit, newest=start, first_page=[])
        self._reads.note(job_id)
        newest, first_page = await self._store.newest_and_page(job_id, after=start, limit=limit)
        return FrameCut(job_id=job_id, after=start, limit=limit, newest=newest, first_page=first_page)

    async def cut_pages(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, cut: FrameCut
    ) -> AsyncGenerator[list[tuple[int, bytes]], None]:
        """Yield all frames of a cut, a page of bounded size at a time.

        Raises:
            NotFound: the job was deleted meanwhile.
        """
        index, count = cut.after, 0
        pages = self._store.pages(cut.job_id, after=cut.after, last=cut.newest, limit=cut.limit)
        async with aclosing(pages):
            async for page in pages:
                index, count = page[-1][0], count + len(page)
                self._reads.note(cut.job_id)
                yield page  # noqa: ASYNC119 - the answer's end closes it
        if index != cut.newest and count != cut.limit:
            raise NotFound(f"Job {cut.job_id} was deleted while its frames were read.")

    async def frame_pages(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, job_id: str, after: int | None = None
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Yield all frames above the index ``after`` that there are now, a page of bounded size at a time.

        Each index comes with its FrameData as JSON text, in index order.

        Raises:
            NotFound: there is no such job, or it was deleted meanwhile.
        """
        await self.record(job_id)
        async for page in self.cut_pages(await self.cut(job_id, after)):
            yield page

    async def events(
        self, job_id: str, *, after: int, limit: int | None, kind: str | None, plugin: str | None
    ) -> EventPage:
        """Return a page of the job's events, as :meth:`Store.events` does; an unknown job has none."""
        return await self._store.events(job_id, after=after, limit=limit, kind=kind, plugin=plugin)

    async def still(self, client: Hashable, job_id: str, index: int, *, overlay: bool, begun: bool) -> bytes:
        """Return a frame as JPEG; with ``overlay``, its results are drawn on it.

        ``begun`` says that the frame is in the pipeline: its picture without overlay can be made before it is done.

        Raises:
            NotFound: there is no such job or frame, or its source is gone.
            Unavailable, Busy: see :meth:`Stills.make`.
        """
        record = await self.record(job_id)
        frame = await self._store.frame(job_id, index)
        if frame is None and (overlay or not begun):
            raise NotFound(f"Job {job_id} has no frame {index} (yet).")
        return await self._stills.make(client, await self._location(record), job_id, index, frame if overlay else None)

    async def forget(self, job_id: str, upload: str | None) -> None:
        """Remove what there is of a deleted job beside its row: its uploaded file, clips, pictures and videos.

        A file that cannot be removed is logged; the next start tries again.
        """
        if upload is not None:
            try:
                await trio.Path(self._sources.upload(upload)).unlink(missing_ok=True)
            except OSError as error:
                log.warning("an upload could not be removed", job_id=job_id, upload=upload, reason=str(error))
        await self._clips.forget(job_id)
        self._stills.forget(job_id)
        self._videos.forget(job_id)
        self._reads.forget(job_id)

    def close(self) -> None:
        """Close the files that are kept open."""
        self._videos.forget_all()

    async def video(self, client: Hashable, job_id: str) -> Video:
        """Return an MP4 of the frames that are done, with their results drawn on them.

        Raises:
            NotFound: there is no such job, no frame of it is done, or its source is gone.
            Unavailable, Busy: see :meth:`Videos.get`.
        """
        newest = await self._newest(job_id)
        return await self._videos.get(client, job_id, newest, lambda: self._material(job_id, newest))

    async def kept_video(self, job_id: str) -> Video | None:
        """Return what :meth:`video` would, if there is one already.

        Raises:
            NotFound: there is no such job, or no frame of it is done.
        """
        return self._videos.kept(job_id, await self._newest(job_id))

    def video_progress(self, job_id: str) -> int | None:
        """See :meth:`Videos.progress`."""
        return self._videos.progress(job_id)

    async def _newest(self, job_id: str) -> int:
        await self.record(job_id)
        newest = await self._store.last_index(job_id)
        if newest is None:
            raise NotFound("There is no video: the job has no frames (yet).")
        return newest

    async def _material(self, job_id: str, newest: int) -> Material:
        record = await self.record(job_id)  # it may have been deleted meanwhile
        cut = FrameCut(job_id=job_id, after=-1, limit=None, newest=newest, first_page=[])
        return Material(await self._location(record), self.cut_pages(cut))

    async def clips(self, job_id: str) -> list[Clip]:
        """Return the clips of the job's events, in their order."""
        await self.record(job_id)
        return await self._clips.of_job(job_id)

    async def open_clip(self, job_id: str, event: int) -> BinaryIO:
        """Open the clip of an event, an MP4.

        Raises:
            NotFound: there is no such job, or no clip of this event.
        """
        await self.record(job_id)
        try:
            return await trio.to_thread.run_sync(self._clips.path(job_id, event).open, "rb")
        except OSError as error:
            raise NotFound(f"There is no clip of event {event} of job {job_id}: GET …/clips lists them.") from error

    async def film(self, job_id: str) -> str:
        """Return the location of a job's video, to cut clips out of it.

        Raises:
            NotFound: it is gone, or live, or its source is no video.
        """
        record = await self.record(job_id)
        kind = msgspec.json.decode(record.source, type=SourceInfo).kind if record.source else None
        if kind == "stream":
            raise NotFound("its pictures are gone: the server keeps those of a live source in memory, an agent none")
        if kind in {"image", "folder"}:
            raise NotFound("clips are cut out of videos, and its source is no video")
        return await self._location(record)

    async def _location(self, record: JobRecord) -> str:
        if record.upload is not None:
            return str(self._sources.upload(record.upload))
        try:
            return await self._sources.locate(stored_request(record).source)
        except InvalidRequest as error:
            raise NotFound(f"The source of job {record.job_id} is gone: {error}") from error


def stored_state(record: JobRecord) -> JobState:
    """Return the state in a record; one that has not ended is changed to interrupted, for no server runs the job."""
    state = msgspec.json.decode(record.state, type=JobState)
    if not state.request:  # stored by an earlier version
        state = attrs.evolve(state, request=asked_again(stored_request(record), uploaded=state.uploaded))
    status = state.status if state.status in ENDED else "interrupted"
    return attrs.evolve(state, status=status, stage="finalizing", agent=None, plugins=when_ended(state.plugins))


def stored_request(record: JobRecord) -> JobRequest:
    """Return the request in a record."""
    return msgspec.json.decode(record.request, type=JobRequest)
