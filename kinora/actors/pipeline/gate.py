"""A gate that frames pass while it is open."""

from __future__ import annotations

import trio


class Gate:
    """A gate, open at first."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()

    @property
    def is_open(self) -> bool:
        """True while frames pass."""
        return self._opened.is_set()

    def open(self) -> None:
        """Let frames pass from now on."""
        self._opened.set()

    def close(self) -> None:
        """Hold frames back until :meth:`open`."""
        if self._opened.is_set():
            self._opened = trio.Event()

    async def wait_open(self) -> None:
        """Wait until the gate is open. Always a checkpoint."""
        await self._opened.wait()
        while not self._opened.is_set():  # it was closed before this task had its turn
            await self._opened.wait()
