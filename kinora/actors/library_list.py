"""Asks worker processes what the libraries that plugins compute with can use."""

from __future__ import annotations

import trio

from kinora.actors.one_shot import OneShotFailed, one_shot
from kinora.plugins.libraries import EXAMINER, EXAMINERS, Examine, Library
from kinora.runtime.workers import ForkServer

TIMEOUT_S = 60.0
"""Importing torch from a cold disk takes long."""


class LibraryList:
    """The libraries as they were found the first time that somebody asked."""

    def __init__(self, fork_server: ForkServer) -> None:
        self._fork_server = fork_server
        self._found: tuple[Library, ...] | None = None
        self._looking = trio.Lock()

    async def get(self) -> tuple[Library, ...]:
        """All of them, those that are not installed included. The first time takes as long as importing them.

        Raises:
            ForkServerGone: there is no process to import them in.
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
