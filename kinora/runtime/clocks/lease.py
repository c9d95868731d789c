"""Lease: until when a process may work that another one has let work. The caller has the clock, see ``boot_clock``."""

from __future__ import annotations

import attrs


@attrs.define
class Lease:
    """The end of a lease that is renewed again and again. Once it was over, it stays so."""

    length_s: float
    """Counted from the time at which a renewal was asked for, so that an answer that comes late extends nothing."""
    end: float | None = None
    """None before the first grant."""

    def grant(self, asked_at: float, now: float) -> bool:
        """Note that a renewal was granted; return False if the lease ends no later by that, or is over.

        A process that was stopped until after the end may be granted a renewal that it asks for then: what it had
        started is gone all the same.
        """
        end = asked_at + self.length_s
        if self.is_over(now) or (self.end is not None and end <= self.end):
            return False
        self.end = end
        return True

    def is_over(self, now: float) -> bool:
        """True from the end on."""
        return self.end is not None and now >= self.end
