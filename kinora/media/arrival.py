"""The clock by which pictures of live sources are said to have come. Light to import: both ends of a decoder use it."""

from __future__ import annotations

from kinora.runtime.boot_clock import boot_s


def clock_s() -> float:
    """Seconds of a clock that all processes of the machine share; it is never set, and goes on in a suspended one."""
    return boot_s()
