"""What the jobs take of the disk: the database, uploaded files, and clips."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import attrs
import trio

from kinora.actors.store.database import LOG_KEPT_BYTES
from kinora.actors.store.store import Store

UPLOADS_AGE_S = 10.0
"""The folder of uploads is measured anew if the last measure is older than this."""
BLOCK_BYTES = 512
"""The unit in which a file system tells what a file takes."""
UNSWEPT_AT_MOST = 2
"""The frames of deleted jobs take at most so many times their size: a page that is in use is half full or more."""


@attrs.frozen(kw_only=True)
class UsedRoom:
    """What is in use, in bytes of the disk."""

    database: int
    """The files of the database, with its write-ahead log."""
    uploads: int
    """The uploaded files, those that arrive included, and the clips of events."""
    coming_free: int
    """The part of ``database``, about, that is given back to the disk: what deleted jobs have left."""
    kept: int
    """What stays in use, at least, if no job is deleted. ``keep_bytes`` is compared with this."""


class RoomMeter:
    """Measures in a thread what the database at ``path``, the files in ``uploads`` and the ``clips`` take."""

    def __init__(self, store: Store, path: Path, uploads: Path, clips: Path) -> None:
        self._store = store
        self._path = path
        self._log = Path(f"{path}-wal")
        self._uploads = uploads
        self._clips = clips
        self._limiter = trio.CapacityLimiter(1)
        self._uploads_bytes = 0
        self._measured_at = float("-inf")

    async def measure(self, *, afresh: bool = False) -> UsedRoom:
        """Return what is in use; the uploads' part is up to ``UPLOADS_AGE_S`` old unless it is done ``afresh``.

        Raises:
            StoreFailing, ActorGone: as the store's reads.
        """
        async with self._limiter:
            now = trio.current_time()
            if afresh or now - self._measured_at > UPLOADS_AGE_S:
                self._uploads_bytes = await trio.to_thread.run_sync(self._measure_files)
                self._measured_at = now
            room = await self._store.room()
            file, log = await trio.to_thread.run_sync(lambda: (size_of(self._path), size_of(self._log)))
        stays = max(0, room.used - UNSWEPT_AT_MOST * room.unswept) + min(log, LOG_KEPT_BYTES)
        return UsedRoom(
            database=file + log,
            uploads=self._uploads_bytes,
            coming_free=room.free + room.unswept,
            kept=stays + self._uploads_bytes,
        )

    def _measure_files(self) -> int:
        return folder_size(self._uploads) + sum(map(folder_size, folders_in(self._clips)))

    def upload(self, stored: str) -> int:
        """Return what an uploaded file takes, by what the store has of it. Blocks."""
        return size_of(self._uploads / Path(stored).name)


def folder_size(folder: Path) -> int:
    """Return what the files in a folder take of the disk; 0 if it cannot be read. Blocks."""
    with suppress(OSError), os.scandir(folder) as entries:
        return sum(size_of(Path(entry)) for entry in entries if entry.is_file(follow_symlinks=False))
    return 0


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder; none if it cannot be read. Blocks."""
    with suppress(OSError), os.scandir(folder) as entries:
        return [Path(entry) for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def size_of(path: Path) -> int:
    """Return what a file takes of the disk; 0 if there is none. Blocks."""
    with suppress(OSError):
        return path.lstat().st_blocks * BLOCK_BYTES
    return 0
