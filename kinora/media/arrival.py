"""The clock by which pictures of live sources are said to have come. Light to import: both ends of a decoder use it."""

from __future__ import annotations

import time


def clock_s() -> float:
    """Seconds of a clock that all processes of the machine share; it is never set, and goes on in a suspended one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
