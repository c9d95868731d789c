"""Bell: wakes the one task that waits for work."""

from __future__ import annotations

import trio


class Bell:
    """It may be rung at any time; however often, the next wait ends at once and those after it do not."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Wake the task that waits, or that will."""
        self._rung.set()

    async def wait(self) -> None:
        """Wait until it is rung."""
        await self._rung.wait()
        self._rung = trio.Event()
