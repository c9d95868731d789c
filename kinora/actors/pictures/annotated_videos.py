"""Copies of jobs' videos with the results drawn on them, made in a process of their own and kept for a while."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

import attrs
import trio

from kinora.actors.errors import NotFound, Unavailable
from kinora.actors.fair_turns import FairTurns
from kinora.actors.one_shot import OneShotBroke, OneShotDiskFailed, OneShotFailed, OneShotTimedOut, one_shot
from kinora.actors.store.disk_floor import DiskFloor
from kinora.media.messages import ANNOTATOR, Annotate, Skeletons, Working, Written
from kinora.media.source_types import SourceLimits
from kinora.runtime.files.private_files import FILE_MODE, private_opener
from kinora.runtime.forking.workers import ForkServer

FRAMES_FILE, VIDEO_FILE = "frames.ndjson", "annotated.mp4"
FILES = re.compile(rf"{re.escape(FRAMES_FILE)}|{re.escape(VIDEO_FILE)}|\.{re.escape(VIDEO_FILE)}(\.[0-9a-f]+)?\.part")
"""The names of the files in a folder in which a video is made; the last one is what its writer has written so far."""
AT_ONCE = 1
"""The most videos that are made at the same time; further requests wait for their turn."""
MAX_WAITING, MAX_PER_CLIENT = 32, 4
"""The most requests at a time that wait for videos, of all clients and of one; further ones are refused with 503."""
KEPT_VIDEOS, KEPT_BYTES = 4, 2 * 2**30
"""The most videos that are kept, and the most bytes of all of them; the least recently used go first.

A video that is larger by itself is made again for each request. All go if there is too little room on the disk.
"""
TIMEOUT_S = 60.0
"""The longest time between two signs of progress."""
REMOVE_S = 10.0
"""The time for removing the files that a video was made from."""


@attrs.frozen
class Material:
    """What a video is made from."""

    location: str
    pages: AsyncIterable[list[tuple[int, bytes]]]
    """The FrameData of its pictures, each with its index."""


class Video:
    """A video in a file without a name, which is gone once nothing refers to the video and no one reads it any more."""

    def __init__(self, fd: int, digest: str) -> None:
        self.digest = digest
        """Equal for two videos only if they have the same bytes."""
        self.size = os.fstat(fd).st_size
        self._fd = fd
        weakref.finalize(self, os.close, fd)

    def open(self) -> BinaryIO:
        """Return the file, opened for one reader, who closes it."""
        return Path(f"/proc/self/fd/{self._fd}").open("rb")


@attrs.frozen
class _Key:
    job_id: str
    newest: int


@attrs.define
class _Making:
    """A video that is being made."""

    pictures: int = 0
    """The number of pictures that it will have."""
    done: int = 0


class Videos:
    """Makes annotated videos, in temporary folders below ``folder``, and keeps the last ones."""

    def __init__(
        self,
        fork_server: ForkServer,
        limits: SourceLimits,
        folder: Path,
        disk: DiskFloor,
        skeletons: Callable[[], Skeletons],
    ) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._skeletons = skeletons
        self._folder = folder
        self._disk = disk
        self._making: dict[_Key, _Making] = {}
        self._turns = FairTurns[Video](
            at_once=AT_ONCE,
            max_waiting=MAX_WAITING,
            max_per_client=MAX_PER_CLIENT,
            cache_bytes=KEPT_BYTES,
            cache_results=KEPT_VIDEOS,
            size_of=lambda video: video.size,
        )
        disk.give_up_first(self.forget_all)

    def kept(self, job_id: str, newest: int) -> Video | None:
        """Return the job's video up to the index ``newest`` if there is one already."""
        return self._turns.kept(_Key(job_id, newest))

    def progress(self, job_id: str) -> int | None:
        """Return how much of a video of this job is made, in per cent; None if none is being made."""
        for key, making in self._making.items():
            if key.job_id == job_id:
                return 100 * making.done // max(1, making.pictures)
        return None

    async def get(self, client: Hashable, job_id: str, newest: int, gather: Callable[[], Awaitable[Material]]) -> Video:
        """Return the job's video up to the index ``newest``, an MP4; ``gather`` is called if it has to be made.

        Raises:
            NotFound: the source is gone, or has no such pictures.
            Unavailable: there is too little room on the disk, or making it took too long, or failed for a reason that
                is not the source's.
            Busy: too many requests wait.
        """
        key = _Key(job_id, newest)
        video = await self._turns.get(client, key, lambda: self._make(key, gather))
        self._turns.forget(lambda key: isinstance(key, _Key) and key.job_id == job_id and key.newest < newest)
        return video

    @property
    def kept_bytes(self) -> int:
        """What the videos that are kept take of the disk."""
        return self._turns.kept_bytes

    def forget(self, job_id: str) -> None:
        """Drop the videos of a deleted job."""
        self._turns.forget(lambda key: isinstance(key, _Key) and key.job_id == job_id)

    def forget_all(self) -> None:
        """Drop all videos; those that are being sent stay until then."""
        self._turns.forget(lambda _: True)

    async def _make(self, key: _Key, gather: Callable[[], Awaitable[Material]]) -> Video:
        self._disk.require()
        material = await gather()
        making = self._making[key] = _Making()
        try:
            async with temporary_folder(self._folder) as folder:
                frames, out = folder / FRAMES_FILE, folder / VIDEO_FILE
                making.pictures = await self._write_frames(frames, material.pages)
                digest = await self._draw(material.location, str(frames), str(out), making)
                await out.chmod(FILE_MODE)
                return Video(await trio.to_thread.run_sync(os.open, out, os.O_RDONLY | os.O_CLOEXEC), digest)
        except OSError as error:
            raise _unwritten(error.strerror or str(error)) from error
        finally:
            del self._making[key]

    async def _write_frames(self, path: trio.Path, pages: AsyncIterable[list[tuple[int, bytes]]]) -> int:
        """Write the frames as lines and return their number."""
        written = 0
        async with await trio.open_file(path, "wb", opener=private_opener) as lines:
            async for page in pages:
                self._disk.require(sum(len(frame) for _, frame in page))
                await lines.write(b"".join(frame + b"\n" for _, frame in page))
                written += len(page)
        return written

    async def _draw(self, location: str, frames: str, out: str, making: _Making) -> str:
        """Write the video and return its digest; the disk is looked at whenever the process reports progress."""
        request = Annotate(location=location, frames=frames, out=out, limits=self._limits, skeletons=self._skeletons())

        def note(working: Working) -> None:
            making.done = working.pictures
            self._disk.require()

        try:
            written = await one_shot(
                self._fork_server,
                ANNOTATOR,
                "video",
                request,
                Written,
                timeout_s=TIMEOUT_S,
                on_working=note,
            )
        except OneShotTimedOut as error:
            raise Unavailable(f"The video could not be made in time: {error}; try again later.") from error
        except OneShotBroke as error:
            raise Unavailable(f"The video could not be made: {error}; try again.") from error
        except OneShotDiskFailed as error:
            raise _unwritten(str(error)) from error
        except OneShotFailed as error:
            raise NotFound(f"The video could not be made: {error}") from error
        if written.pictures == 0:
            raise NotFound("There is no video: the source has none of the job's frames.")
        return written.digest


def _unwritten(reason: str) -> Unavailable:
    return Unavailable(f"The video cannot be written ({reason}): free space on the server.")


@asynccontextmanager
async def temporary_folder(parent: Path) -> AsyncIterator[trio.Path]:
    """A new private folder, which is removed with all that is in it; the next start does it for a killed server."""
    name = await trio.to_thread.run_sync(partial(tempfile.mkdtemp, prefix="video-", dir=parent))
    try:
        yield trio.Path(name)
    finally:
        with trio.move_on_after(REMOVE_S, shield=True):
            await trio.to_thread.run_sync(partial(shutil.rmtree, name, ignore_errors=True))
