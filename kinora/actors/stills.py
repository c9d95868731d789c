"""Single frames as JPEG, decoded on demand in a process of their own."""

from __future__ import annotations

import msgspec
import trio

from kinora.actors.errors import NotFound
from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.media.messages import STILL, Jpeg, MakeStill
from kinora.media.source_types import SourceLimits
from kinora.runtime.workers import ForkServer

AT_ONCE = 2
"""The most stills that are made at the same time; further requests wait."""
TIMEOUT_S = 30.0


class Stills:
    """Makes stills."""

    def __init__(self, fork_server: ForkServer, limits: SourceLimits) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._places = trio.CapacityLimiter(AT_ONCE)

    async def make(self, location: str, index: int, frame: bytes | None) -> bytes:
        """Return the frame of this index as JPEG, with the results in ``frame`` drawn on it, a FrameData as JSON.

        Raises:
            NotFound: the source is gone or has no such frame.
        """
        results = msgspec.json.decode(frame)["results"] if frame is not None else None
        request = MakeStill(location=location, index=index, limits=self._limits, results=results)
        try:
            async with self._places:
                made = await one_shot(self._fork_server, STILL, "still", request, Jpeg, timeout_s=TIMEOUT_S)
        except OneShotFailed as error:
            raise NotFound(f"The frame could not be decoded: {error}") from error
        return made.data
