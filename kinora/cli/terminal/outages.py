"""Says when a camera goes away and comes back, as it happens: a run on one may take days."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from kinora.actors.messages import Code
from kinora.actors.models import JobState

TOLD = frozenset({Code.SOURCE_LOST, Code.SOURCE_BACK})


class Outages:
    """Compares a job's states, and says a line for each loss and each return between them."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._said: Counter[tuple[str, str]] = Counter()
        """Code and message → how often it was said."""

    def look_at(self, state: JobState) -> None:
        """Say what has happened since the last state; what has happened several times meanwhile is said once."""
        for group in state.warning_groups:
            known = (group.code, group.message)
            if group.code in TOLD and group.count > self._said[known]:
                self._said[known] = group.count
                self._say(f"warning: source: {group.message}")
