"""Single frames as JPEG, decoded on demand in a process of their own."""

from __future__ import annotations

import attrs
import msgspec
import trio

from kinora.actors.errand import ErrandFailed, run_errand
from kinora.actors.errors import NotFound
from kinora.media.source_types import SourceLimits
from kinora.runtime.workers import ForkServer

TARGET = "kinora.media.programs.still:main"
AT_ONCE = 2
"""Pictures being made at the same time; further requests wait."""
TIMEOUT_S = 30.0
QUALITY = 85


class Pictures:
    """Makes pictures of single frames."""

    def __init__(self, fork_server: ForkServer, limits: SourceLimits) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._places = trio.CapacityLimiter(AT_ONCE)

    async def picture(self, location: str, index: int, frame: bytes | None) -> bytes:
        """The frame of this index as JPEG; with the results in ``frame``, a FrameData as JSON, drawn on it if given.

        Raises:
            NotFound: the source is gone or does not give this frame.
        """
        order = {
            "op": "picture",
            "location": location,
            "index": index,
            "limits": attrs.asdict(self._limits),
            "results": msgspec.json.decode(frame)["results"] if frame is not None else None,
            "quality": QUALITY,
        }
        try:
            async with self._places:
                answer = await run_errand(self._fork_server, TARGET, "picture", order, patience_s=TIMEOUT_S)
        except ErrandFailed as error:
            raise NotFound(f"The frame could not be decoded: {error}") from error
        return bytes(answer["jpeg"])
