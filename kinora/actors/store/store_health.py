"""Why the store cannot write now, if so: what its callers, the clients and the operator are told."""

from __future__ import annotations

import structlog
import trio

log = structlog.get_logger()


class StoreHealth:
    """Up to three reasons at a time. A change of the one that counts wakes those who wait; each is logged once."""

    def __init__(self) -> None:
        self._damage: str | None = None
        self._fault: str | None = None
        self._short: str | None = None
        self._logged: set[str] = set()
        """The reasons that were logged since writing worked for the last time; two may alternate for hours."""
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def failing(self) -> str | None:
        """The reason, a sentence for the operator; None while writing works."""
        return self._damage or self._fault or self._short

    @property
    def damage(self) -> str | None:
        """What is damaged; nothing is written until the store is opened again."""
        return self._damage

    @property
    def fault(self) -> str | None:
        """The reason why the last write failed; the next one may work."""
        return self._damage or self._fault

    def note_damage(self, damage: str) -> None:
        """Note that the database is damaged; the first damage counts."""
        before, self._damage = self.failing, self._damage or damage
        self._tell(before)

    def note_fault(self, fault: str | None) -> None:
        """Note how the last write went: None if it worked."""
        before, self._fault = self.failing, fault
        self._tell(before)

    def note_short(self, short: str | None) -> None:
        """Note why frames wait for room; None if they do not."""
        before, self._short = self.failing, short
        self._tell(before)

    def begin(self) -> None:
        """Forget all: the database is opened anew."""
        self._damage = self._fault = self._short = None

    def wake(self) -> None:
        """Wake those who wait for a change, to look again."""
        self._changed.unpark_all()

    async def wait_changed(self) -> None:
        """Wait until there may be another reason, or none."""
        await self._changed.park()

    def _tell(self, before: str | None) -> None:
        if self.failing == before:
            return
        if self.failing is None:
            log.info("jobs are stored again")
            self._logged.clear()
        elif self.failing not in self._logged:
            log.error("jobs cannot be stored", reason=self.failing)
            self._logged.add(self.failing)
        self.wake()
