"""The frame ring of a job, with waits for its slots."""

from __future__ import annotations

import trio

from kinora.runtime.frames import FrameRing


class JobRing(FrameRing):
    """A frame ring whose users can wait until slots become free."""

    def __init__(self, slots: int, frame_bytes: int) -> None:
        super().__init__(slots, frame_bytes)
        self._released = trio.lowlevel.ParkingLot()

    async def lease_next(self) -> int:
        """Take a free slot, once there is one. A checkpoint only if it has to wait."""
        while (slot := self.lease()) is None:
            await self._released.park()
        return slot

    async def wait_unused(self) -> None:
        """Wait until all slots are free. A checkpoint only if some are in use."""
        while self.free < self.slots:
            await self._released.park()

    def release(self, slot: int) -> None:
        """Remove a user from a slot; see :meth:`FrameRing.release`."""
        super().release(slot)
        self._released.unpark_all()
