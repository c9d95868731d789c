"""Lease: until when a process may work that another one has let work. The caller has the clock, see ``boot_clock``."""

from __future__ import annotations

import attrs


@attrs.define
class Lease:
    """The end of a lease that is renewed again and again. Without a grant it is over."""

    length_s: float
    """Counted from the time at which a renewal was asked for, so that an answer that comes late extends nothing."""
    end: float = float("-inf")

    def grant(self, asked_at: float) -> bool:
        """Note that a renewal was granted; return False if the lease lasts as long already."""
        end = asked_at + self.length_s
        if end <= self.end:
            return False
        self.end = end
        return True

    def left_s(self, now: float) -> float:
        """The time that is left; 0 or less if the lease is over."""
        return self.end - now
