"""Copies of jobs' videos with the results drawn on them, made in a process of their own."""

from __future__ import annotations

from collections.abc import AsyncIterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import trio

from kinora.actors.errors import NotFound
from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.media.messages import ANNOTATOR, Annotate, Written
from kinora.media.source_types import SourceLimits
from kinora.runtime.private_files import FILE_MODE, private_opener
from kinora.runtime.workers import ForkServer

FRAMES_FILE, VIDEO_FILE = "frames.ndjson", "annotated.mp4"
FILES = frozenset({FRAMES_FILE, VIDEO_FILE, f".{VIDEO_FILE}.part"})
"""The files in a folder in which a video is made; the last one is what its writer has written so far."""
AT_ONCE = 1
"""The most videos that are made at the same time; further requests wait."""
TIMEOUT_S = 60.0
"""The longest time between two signs of progress."""


class Videos:
    """Makes annotated videos, in temporary folders below ``folder``."""

    def __init__(self, fork_server: ForkServer, limits: SourceLimits, folder: Path) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._folder = folder
        self._places = trio.CapacityLimiter(AT_ONCE)

    async def annotated(self, location: str, pages: AsyncIterable[list[tuple[int, bytes]]]) -> BinaryIO:
        """Return an MP4 of the pictures whose FrameData are in ``pages``, open for reading; closing it deletes it.

        Raises:
            NotFound: the source is gone, or there are no such pictures.
        """
        async with self._places:
            with TemporaryDirectory(prefix="video-", dir=self._folder) as name:
                folder = trio.Path(name)
                frames, out = folder / FRAMES_FILE, folder / VIDEO_FILE
                async with await trio.open_file(frames, "wb", opener=private_opener) as lines:
                    async for page in pages:
                        await lines.write(b"".join(frame + b"\n" for _, frame in page))
                await self._write(location, str(frames), str(out))
                await out.chmod(FILE_MODE)
                return (await out.open("rb")).wrapped

    async def _write(self, location: str, frames: str, out: str) -> None:
        request = Annotate(location=location, frames=frames, out=out, limits=self._limits)
        try:
            written = await one_shot(self._fork_server, ANNOTATOR, "video", request, Written, timeout_s=TIMEOUT_S)
        except OneShotFailed as error:
            raise NotFound(f"The video could not be made: {error}") from error
        if written.pictures == 0:
            raise NotFound("There is no video: the job has no frames (yet).")
