"""The clock of leases: never set, the same in all processes of the machine, and going on while that is suspended."""

from __future__ import annotations

import time


def boot_s() -> float:
    """Seconds since the machine was booted, by CLOCK_BOOTTIME."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
