"""Single frames as JPEG, decoded on demand in a process of their own."""

from __future__ import annotations

from collections.abc import Callable, Hashable

import msgspec

from kinora.actors.fair_turns import FairTurns
from kinora.actors.pictures.still_decoding import decode_still
from kinora.media.messages import MakeStill, Skeletons
from kinora.media.source_types import SourceLimits
from kinora.runtime.forking.workers import ForkServer

AT_ONCE = 2
"""The most stills that are made at the same time; further requests wait for their turn."""
MAX_WAITING, MAX_PER_CLIENT = 256, 32
"""The most requests at a time, of all clients and of one; further ones are refused with 503."""
CACHE_BYTES = 16 * 2**20
"""The size of the pictures that are kept; the least recently used go first."""


class Stills:
    """Makes stills."""

    def __init__(self, fork_server: ForkServer, limits: SourceLimits, skeletons: Callable[[], Skeletons]) -> None:
        self._fork_server = fork_server
        self._limits = limits
        self._skeletons = skeletons
        self._turns = FairTurns[bytes](
            at_once=AT_ONCE,
            max_waiting=MAX_WAITING,
            max_per_client=MAX_PER_CLIENT,
            cache_bytes=CACHE_BYTES,
            size_of=len,
        )

    async def make(self, client: Hashable, location: str, job_id: str, index: int, frame: bytes | None) -> bytes:
        """Return the frame of this index as JPEG, with the results in ``frame`` drawn on it, a FrameData as JSON.

        Raises:
            NotFound: the source is gone or has no such frame.
            Unavailable: making it took too long, or failed for a reason that is not the source's.
            Busy: too many requests wait.
        """
        key = (job_id, index, frame is not None)
        return await self._turns.get(client, key, lambda: self._make(location, index, frame))

    def forget(self, job_id: str) -> None:
        """Drop the pictures of a deleted job."""
        self._turns.forget(lambda key: isinstance(key, tuple) and key[0] == job_id)

    async def _make(self, location: str, index: int, frame: bytes | None) -> bytes:
        results = msgspec.json.decode(frame)["results"] if frame is not None else None
        request = MakeStill(
            location=location, index=index, limits=self._limits, results=results, skeletons=self._skeletons()
        )
        return await decode_still(self._fork_server, request, name="still", what="frame")
