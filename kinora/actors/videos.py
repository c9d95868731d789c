"""Copies of jobs' videos with what was found drawn into them, made in a process of their own."""

from __future__ import annotations

from collections.abc import AsyncIterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import attrs
import trio

from kinora.actors.errand import ErrandFailed, run_errand
from kinora.actors.errors import NotFound
from kinora.media.source_types import SourceLimits
from kinora.runtime.workers import ForkServer

TARGET = "kinora.media.programs.annotator:main"
AT_ONCE = 1
"""Videos being made at the same time; further requests wait."""
PATIENCE_S = 60.0
"""With a source that gives no picture for so long, there will be no video."""


class Videos:
    """Makes annotated videos, in a folder where nothing of them stays."""

    def __init__(self, fork_server: ForkServer, limits: SourceLimits, folder: Path) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._folder = folder
        self._places = trio.CapacityLimiter(AT_ONCE)

    async def annotated(self, location: str, pages: AsyncIterable[list[bytes]]) -> BinaryIO:
        """An MP4 of the source's pictures that have a FrameData in ``pages``, open for reading; gone once it is closed.

        Raises:
            NotFound: the source is gone, or there is no picture to be had.
        """
        async with self._places:
            with TemporaryDirectory(prefix="video-", dir=self._folder) as name:
                folder = trio.Path(name)
                frames, out = folder / "frames.ndjson", folder / "annotated.mp4"
                async with await frames.open("wb") as lines:
                    async for page in pages:
                        await lines.write(b"".join(frame + b"\n" for frame in page))
                await self._order(location, str(frames), str(out))
                return (await out.open("rb")).wrapped

    async def _order(self, location: str, frames: str, out: str) -> None:
        limits = attrs.asdict(self._limits)
        order = {"op": "annotate", "location": location, "frames": frames, "out": out, "limits": limits}
        try:
            answer = await run_errand(self._fork_server, TARGET, "video", order, patience_s=PATIENCE_S)
        except ErrandFailed as error:
            raise NotFound(f"The video could not be made: {error}") from error
        if answer["pictures"] == 0:
            raise NotFound("There is no video: the job has no frames (yet).")
