"""Reads stored jobs, running ones included: their records, frames, logs, pictures and videos."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import BinaryIO

import attrs
import msgspec

from kinora.actors.errors import InvalidRequest, NotFound
from kinora.actors.job_request import JobRequest
from kinora.actors.models import ENDED, JobState
from kinora.actors.source_finder import SourceFinder
from kinora.actors.stills import Stills
from kinora.actors.store import JobRecord, Store
from kinora.actors.videos import Videos

FRAMES_AT_ONCE = 1000
"""The frames in a page of :meth:`JobArchive.frame_pages`."""


class JobArchive:
    """Answers questions from the store. Its methods raise NotFound for an unknown job."""

    def __init__(self, store: Store, sources: SourceFinder, stills: Stills, videos: Videos) -> None:
        self._store = store
        self._sources = sources
        self._stills = stills
        self._videos = videos

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

    async def frames(self, job_id: str, after: int | None = None, limit: int | None = None) -> list[tuple[int, bytes]]:
        """Return the frames above the index ``after`` in index order: each index with its FrameData as JSON text."""
        await self.record(job_id)
        return await self._store.frames(job_id, after=after, limit=limit)

    async def frame_pages(  # noqa: ASYNC900 - it holds nothing that must be closed
        self, job_id: str, after: int | None = None
    ) -> AsyncIterator[list[tuple[int, bytes]]]:
        """Yield all frames above the index ``after``, a page at a time.

        Raises:
            NotFound: there is no such job, or it was deleted meanwhile.
        """
        while page := await self.frames(job_id, after, FRAMES_AT_ONCE):
            yield page
            after = page[-1][0]

    async def still(self, job_id: str, index: int, *, overlay: bool, begun: bool) -> bytes:
        """Return a frame as JPEG; with ``overlay``, its results are drawn on it.

        ``begun`` says that the frame is in the pipeline: its picture without overlay can be made before it is done.

        Raises:
            NotFound: there is no such job or frame, or its source is gone.
        """
        record = await self.record(job_id)
        frame = await self._store.frame(job_id, index)
        if frame is None and (overlay or not begun):
            raise NotFound(f"Job {job_id} has no frame {index} (yet).")
        return await self._stills.make(await self._location(record), index, frame if overlay else None)

    async def video(self, job_id: str) -> BinaryIO:
        """Return an MP4 of the frames that are done, with their results drawn on them, open for reading.

        Raises:
            NotFound: there is no such job, no frame of it is done, or its source is gone.
        """
        record = await self.record(job_id)
        return await self._videos.annotated(await self._location(record), self.frame_pages(job_id))

    async def _location(self, record: JobRecord) -> str:
        if record.upload is not None:
            return record.upload
        try:
            return await self._sources.locate(stored_request(record).source)
        except InvalidRequest as error:
            raise NotFound(f"The source of job {record.job_id} is gone: {error}") from error


def stored_state(record: JobRecord) -> JobState:
    """Return the state in a record; one that has not ended is changed to interrupted, for no server runs the job."""
    state = msgspec.json.decode(record.state, type=JobState)
    return state if state.status in ENDED else attrs.evolve(state, status="interrupted")


def stored_request(record: JobRecord) -> JobRequest:
    """Return the request in a record."""
    return msgspec.json.decode(record.request, type=JobRequest)
