"""How many frames are inside a pipeline."""

from __future__ import annotations

import trio


class FramesInside:
    """Counts the frames that have been let in and have not left."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = trio.lowlevel.ParkingLot()

    def enter(self) -> None:
        """Note that a frame is let in."""
        self._count += 1

    def leave(self) -> None:
        """Note that a frame has left, or is dropped."""
        self._count -= 1
        self._changed.unpark_all()

    async def wait_none(self) -> None:
        """Wait until there are none. Not a checkpoint if that is so."""
        while self._count:
            await self._changed.park()
