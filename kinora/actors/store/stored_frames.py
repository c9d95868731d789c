"""The marked states of a job's plugins and the results since, read from the store."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import structlog

from kinora.actors.store.earlier_frames import Mark
from kinora.actors.store.store import Store, StoreFailing

PAGE_FRAMES = 64
"""The stored frames that are held at a time."""
log = structlog.get_logger()


class _Results(msgspec.Struct):
    """The part of a FrameData that plugins see."""

    results: dict[str, msgspec.Raw] = {}


_decode_results = msgspec.json.Decoder(_Results).decode


class StoredFrames:
    """The :class:`~kinora.actors.store.earlier_frames.EarlierFrames` of a job in the store."""

    def __init__(self, store: Store, job_id: str) -> None:
        self._store = store
        self._job_id = job_id
        self._page: dict[int, bytes] = {}

    async def mark(self) -> Mark | None:
        """As that class says; so do the methods below."""
        try:
            found = await self._store.states(self._job_id)
        except StoreFailing as error:
            log.warning("the states of a job cannot be read", job_id=self._job_id, reason=str(error))
            return None
        return None if found is None else Mark(*found)

    async def results(self, index: int) -> Mapping[str, bytes] | None:
        """Read a page of frames if need be."""
        if index not in self._page:
            self._page = dict(await self._store.frames(self._job_id, after=index - 1, limit=PAGE_FRAMES))
        data = self._page.pop(index, None)
        return None if data is None else {name: bytes(raw) for name, raw in _decode_results(data).results.items()}

    async def count_before(self, index: int) -> int:
        """Ask the store."""
        return await self._store.frame_count(self._job_id, before=index)
