"""The places in which jobs run: a limited number, given out in the order in which they are asked for."""

from __future__ import annotations

import trio


class Place:
    """One of the places. Its holder must give it back; a second time has no effect."""

    def __init__(self, limiter: trio.CapacityLimiter) -> None:
        self._limiter = limiter

    def give_back(self) -> None:
        """Let the next one have it."""
        if self in self._limiter.statistics().borrowers:
            self._limiter.release_on_behalf_of(self)


class Places:
    """``number`` places. Those who ask while all are taken wait without bound, first come, first served."""

    def __init__(self, number: int) -> None:
        self._limiter = trio.CapacityLimiter(number)

    async def take(self) -> Place:
        """Wait for a place. If cancelled, none was taken."""
        place = Place(self._limiter)
        await self._limiter.acquire_on_behalf_of(place)
        return place

    def take_nowait(self) -> Place | None:
        """Return a place; None if all are taken."""
        place = Place(self._limiter)
        try:
            self._limiter.acquire_on_behalf_of_nowait(place)
        except trio.WouldBlock:
            return None
        return place
