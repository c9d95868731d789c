"""Says which repeats of the same thing are worth a message: fewer and fewer, however often it happens."""

from __future__ import annotations

POWER_OF = 10


def is_told(count: int) -> bool:
    """True for the 1st, 10th, 100th, 1,000th … time, counted from 1."""
    while count % POWER_OF == 0:
        count //= POWER_OF
    return count == 1
