"""A gate that frames pass while it is open."""

from __future__ import annotations

import trio


class Gate:
    """Open at first."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()

    def open(self) -> None:
        """Let everything pass from now on."""
        self._opened.set()

    def close(self) -> None:
        """Let nothing pass until :meth:`open`."""
        if self._opened.is_set():
            self._opened = trio.Event()

    async def wait_open(self) -> None:
        """Wait until the gate is open. A checkpoint in any case."""
        await self._opened.wait()
