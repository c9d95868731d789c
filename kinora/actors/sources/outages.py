"""The outages of a job's live source, as its state keeps them."""

from __future__ import annotations

from datetime import datetime

import attrs

from kinora.actors.models import Outage, frame_id
from kinora.actors.sources.reconnecting import Lost
from kinora.actors.times import time_before, time_text

MAX_OUTAGES = 20
"""The newest outages of a job that are kept; older ones are forgotten, and count among its warnings only."""


@attrs.define
class OutageLog:
    """Notes when a source is lost and when it is back. Times are given, in UTC."""

    outages: tuple[Outage, ...] = ()
    """Oldest first, at most ``MAX_OUTAGES``."""

    def lose(self, lost: Lost, now: datetime) -> None:
        """Note a loss, unless the outage goes on: another reason in it makes no second one."""
        if not self._is_away:
            outage = Outage(reason=lost.reason, message=lost.sentence, lost_at=time_text(now))
            self.outages = newest(self.outages, (outage,))

    def come_back(self, seconds: float, index: int, now: datetime) -> None:
        """Note the first frame after an outage of this length."""
        if self._is_away:
            over = attrs.evolve(
                self.outages[-1],
                lost_at=time_before(now, seconds),
                back_at=time_text(now),
                seconds=round(seconds, 1),
                frame_id=frame_id(index),
            )
            self.outages = (*self.outages[:-1], over)

    @property
    def _is_away(self) -> bool:
        return bool(self.outages) and self.outages[-1].back_at is None


def newest(earlier: tuple[Outage, ...], later: tuple[Outage, ...]) -> tuple[Outage, ...]:
    """Return those of both that are kept."""
    return (*earlier, *later)[-MAX_OUTAGES:]
