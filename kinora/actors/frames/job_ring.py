"""The frame ring of a job, with waits for its slots."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from kinora.runtime.shared_memory.frames import FrameRing


class JobRing(FrameRing):
    """A frame ring whose users can wait until slots become free.

    A slot can be lent to somebody at the side, for whom nobody waits: the ring counts as unused meanwhile, and closing
    it takes effect once the slot is given back.
    """

    def __init__(self, slots: int, frame_bytes: int, batch: int = 1) -> None:
        super().__init__(slots, frame_bytes)
        self.batch = batch
        """The most frames that a stage may take at once: with more, others would wait for a slot."""
        self._released = trio.lowlevel.ParkingLot()
        self._lent = [0] * slots
        """Slot → the users at the side."""
        self._keepers = 0
        self._is_closing = False

    @property
    def is_open(self) -> bool:
        """True while processes can be given the ring."""
        return self.fd >= 0

    async def lease_next(self) -> int:
        """Take a free slot, once there is one. A checkpoint only if it has to wait."""
        while (slot := self.lease()) is None:
            await self._released.park()
        return slot

    async def wait_unused(self) -> None:
        """Wait until all slots are free or lent. A checkpoint only if some are not."""
        while any(users > lent for users, lent in zip(self._users, self._lent, strict=True)):
            await self._released.park()

    def release(self, slot: int) -> None:
        """Remove a user from a slot; see :meth:`FrameRing.release`."""
        super().release(slot)
        if self._released:
            self._released.unpark_all()

    def lend(self, slot: int) -> None:
        """Add a user at the side, who must give the slot back."""
        self.share(slot)
        self._lent[slot] += 1
        self._keepers += 1

    def give_back(self, slot: int) -> None:
        """Remove a user at the side."""
        self._lent[slot] -= 1
        self.release(slot)
        self._let_go()

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """Keep the descriptor open in the block, even if the ring is closed meanwhile."""
        self._keepers += 1
        try:
            yield
        finally:
            self._let_go()

    def close(self) -> None:
        """Close the descriptor, once nobody at the side needs it; see :meth:`FrameRing.close`."""
        self._is_closing = True
        if not self._keepers:
            super().close()

    def _let_go(self) -> None:
        self._keepers -= 1
        if self._is_closing:
            self.close()
