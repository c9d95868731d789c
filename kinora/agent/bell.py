"""Bell: wakes the one task that waits for work, which then does at once what has come together."""

from __future__ import annotations

import trio

PAUSE_S = 0.002
"""The least time between the ends of two waits. What comes meanwhile goes together: the server takes one message at a
time, so a renewal of the lease would wait behind many small ones."""


class Bell:
    """It may be rung at any time; however often, the next wait ends soon and those after it do not."""

    def __init__(self) -> None:
        self._rung = trio.Event()
        self._next = 0.0

    def ring(self) -> None:
        """Wake the task that waits, or that will."""
        self._rung.set()

    async def wait(self) -> None:
        """Wait until it is rung, and until ``PAUSE_S`` have passed since the end of the last wait."""
        await self._rung.wait()
        await trio.sleep_until(self._next)
        self._rung = trio.Event()
        self._next = trio.current_time() + PAUSE_S
