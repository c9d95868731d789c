"""What a server uses, and what it will delete by itself: the figures for ``/v1/health?details=1``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import trio

from kinora.actors.retention.retention import Kept
from kinora.actors.store.disk_floor import free_bytes
from kinora.actors.store.store import Store
from kinora.actors.store.stored_room import EndedJob
from kinora.actors.store.used_room import RoomMeter, UsedRoom
from kinora.actors.times import time_text, utc_now

USAGE_AGE_S = 5.0
"""The figures are found anew if they are older than this; all who ask meanwhile get the same."""


@attrs.frozen(kw_only=True)
class Usage:
    """The figures at one moment. Sizes are in bytes."""

    measured_at: str
    jobs: Mapping[str, int]
    """Status → the jobs that are stored with it; statuses without a job are left out."""
    room: UsedRoom
    videos: int
    """The annotated videos that are kept for a while, in files without a name."""
    disk_free: int | None
    """The free space of the disk; None if it cannot be asked."""
    oldest_end: EndedJob | None
    """The job that ended first; None if none has ended."""
    next_at: str | None
    """The time at which that job goes for its age; None if none ever does."""


class UsageMeter:
    """Finds the figures when they are asked for, in threads."""

    def __init__(self, store: Store, room: RoomMeter, kept: Kept, folder: Path, videos: Callable[[], int]) -> None:
        self._store = store
        self._room = room
        self._kept = kept
        self._folder = folder
        self._videos = videos
        self._finding = trio.Lock()
        self._found: tuple[float, Usage] | None = None

    async def get(self) -> Usage:
        """Return the figures, which are at most ``USAGE_AGE_S`` old.

        Raises:
            StoreFailing, ActorGone: as the store's reads.
        """
        async with self._finding:
            now = trio.current_time()
            if self._found is None or now - self._found[0] > USAGE_AGE_S:
                self._found = (now, await self._find())
            return self._found[1]

    async def _find(self) -> Usage:
        stored = await self._store.counted()
        oldest = stored.oldest_end
        return Usage(
            measured_at=utc_now(),
            jobs=stored.by_status,
            room=await self._room.measure(),
            videos=self._videos(),
            disk_free=await trio.to_thread.run_sync(free_bytes, self._folder),
            oldest_end=oldest,
            next_at=due_at(oldest.ended_at, self._kept.days) if oldest else None,
        )


def due_at(ended_at: str, keep_days: float) -> str | None:
    """Return the time at which a job that ended then goes for its age; None for never."""
    with suppress(OverflowError):
        return time_text(datetime.fromisoformat(ended_at) + timedelta(days=keep_days)) if keep_days else None
    return None
