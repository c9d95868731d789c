"""The first pictures of sources that have no job yet, to draw on."""

from __future__ import annotations

from collections.abc import Hashable

from kinora.actors.errors import Conflict, FieldError, InvalidRequest, NotFound
from kinora.actors.fair_turns import FairTurns
from kinora.actors.pictures.still_decoding import decode_still
from kinora.actors.sources.source_finder import SourceFinder
from kinora.media.messages import MakeStill, Open
from kinora.media.source_names import PUSH
from kinora.media.source_types import SourceError
from kinora.runtime.forking.workers import ForkServer

AT_ONCE = 2
"""The most sources that are opened at the same time; further requests wait for their turn."""
MAX_WAITING, MAX_PER_CLIENT = 32, 4
"""The most requests at a time, of all clients and of one; further ones are refused with 503."""


class SourcePictures:
    """Makes the first picture of a source. None is kept: a file may be replaced, and a camera moves."""

    def __init__(self, fork_server: ForkServer, sources: SourceFinder) -> None:
        self._fork_server = fork_server
        self._sources = sources
        self._turns = FairTurns[bytes](
            at_once=AT_ONCE, max_waiting=MAX_WAITING, max_per_client=MAX_PER_CLIENT, cache_bytes=0, size_of=len
        )

    async def make(self, client: Hashable, source: str) -> bytes:
        """Return the first picture of a source, of a live one the next, as JPEG.

        Raises:
            InvalidRequest: the source is not where sources may be, or its pictures are pushed.
            NotFound: it cannot be read.
            Conflict: it is a camera that a job watches, and many let in one client.
            Unavailable: making it took too long, or failed for a reason that is not the source's.
            Busy: too many requests wait.
        """
        if source == PUSH:
            message = f"{PUSH} has no picture before one is pushed"
            raise InvalidRequest("This source has no picture yet.", [FieldError("source", message)])
        location = await self._sources.locate(source)
        return await self._turns.get(client, location, lambda: self._make(location, source))

    async def _make(self, location: str, source: str) -> bytes:
        cameras = self._sources.cameras
        if cameras.is_taken(location):
            raise Conflict(f"A job watches {source} now: end it, or draw on a picture of its own.")
        try:
            async with cameras.taken(location):
                return await self._decode(await cameras.request(location, source, self._sources.limits))
        except SourceError as error:
            raise NotFound(error.message) from error

    async def _decode(self, opening: Open) -> bytes:
        request = MakeStill(location=opening.location, index=0, limits=opening.limits, opening=opening)
        return await decode_still(self._fork_server, request, name="picture", what="picture")
