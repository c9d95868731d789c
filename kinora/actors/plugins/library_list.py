"""Finds out, in worker processes, which devices the libraries that plugins compute with can use."""

from __future__ import annotations

import trio

from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.plugins.libraries import EXAMINER, EXAMINERS, Examine, Library
from kinora.runtime.forking.workers import ForkServer

TIMEOUT_S = 60.0
"""The time for importing a library; torch takes long from a cold disk."""


class LibraryList:
    """The libraries, examined at the first request."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._found: tuple[Library, ...] | None = None
        self._looking = trio.Lock()

    async def get(self) -> tuple[Library, ...]:
        """Return all libraries, including those that are not installed. The first call takes as long as importing them.

        Raises:
            ForkServerGone: the fork server is gone, so they cannot be examined.
        """
        async with self._looking:
            if self._found is None:
                self._found = tuple([await self._examine(name) for name in EXAMINERS])
            return self._found

    async def _examine(self, name: str) -> Library:
        request = Examine(name)
        try:
            return await one_shot(self._fork_server, EXAMINER, f"examine {name}", request, Library, timeout_s=TIMEOUT_S)
        except OneShotFailed as error:
            return Library(name=name, reason=f"importing {name} failed: {error}")
