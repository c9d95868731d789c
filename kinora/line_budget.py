"""A bound on log lines of the same kind, so that no flood of requests or failures can fill a disk."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

import attrs

LINES_PER_S = 5.0
"""Lines of one kind that are written in the long run: some 100 MB a day at most. Further ones are left out and counted;
the next line of that kind says how many, in its field ``left_out``."""
LINES_AT_ONCE = 500
"""Lines of one kind that are written before that holds, and again after a quiet time."""
MAX_KINDS = 500
"""The kinds that are told apart, by their event; all further ones are one kind."""
_FURTHER = "further"


@attrs.define
class _Kind:
    room: float
    """The lines that may be written now."""
    seen: float
    left_out: int = 0


class LineBudget(logging.Filter):
    """Lets a handler write as many lines of each kind as its budget has."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        super().__init__()
        self.left_out = 0
        """The lines left out so far, of all kinds."""
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether to write a line; one that follows lines that were left out says how many."""
        kind, now = self._kind_of(record), self._clock()
        kind.room = min(LINES_AT_ONCE, kind.room + (now - kind.seen) * LINES_PER_S)
        kind.seen = now
        if kind.room < 1:
            kind.left_out += 1
            self.left_out += 1
            return False
        kind.room -= 1
        if kind.left_out:
            _say(record, kind.left_out)
            kind.left_out = 0
        return True

    def _kind_of(self, record: logging.LogRecord) -> _Kind:
        event = str(record.msg.get("event") if isinstance(record.msg, dict) else record.msg)
        if event not in self._kinds and len(self._kinds) >= MAX_KINDS:
            event = _FURTHER
        return self._kinds.setdefault(event, _Kind(LINES_AT_ONCE, self._clock()))


def _say(record: logging.LogRecord, left_out: int) -> None:
    if isinstance(record.msg, dict):
        record.msg = {**record.msg, "left_out": left_out}
    else:
        record.msg = f"{record.getMessage()} ({left_out} such lines were left out before it)"
        record.args = ()
