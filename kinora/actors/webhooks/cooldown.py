"""Leaves out messages for a while after one of the same kind."""

from __future__ import annotations

from kinora.actors.webhooks.webhook import COMPLETE, Occurrence

MAX_COOLING = 1000
"""The most kinds that one webhook leaves out at the same time. Beyond it the oldest is let through again early."""


class Cooldown:
    """The kinds of occurrences that are left out for a while after one of the kind."""

    def __init__(self, cooldown_s: float) -> None:
        self._cooldown_s = cooldown_s
        self._until: dict[tuple[str, str, str, str | None], float] = {}
        """When each is let through again, in this order: all are left out for the same time."""

    def lets_through(self, job_id: str, what: Occurrence, now: float) -> bool:
        """True unless one of its kind was let through less than ``cooldown_s`` before ``now``."""
        if not self._cooldown_s or what.type == COMPLETE:
            return True
        while self._until and now >= next(iter(self._until.values())):
            self._forget_first()
        key = (job_id, what.type, what.kind, what.plugin)
        if key in self._until:
            return False
        if len(self._until) >= MAX_COOLING:
            self._forget_first()
        self._until[key] = now + self._cooldown_s
        return True

    def _forget_first(self) -> None:
        del self._until[next(iter(self._until))]
