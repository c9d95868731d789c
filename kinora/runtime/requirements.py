"""What Kinora needs of Linux, tried at the start: without it jobs could not run, or workers could not be stopped."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable
from pathlib import Path

from kinora.runtime.linux.processes import become_subreaper
from kinora.runtime.linux.syscalls import prctl
from kinora.runtime.shared_memory.frames import FrameRing

_PR_SET_CHILD_SUBREAPER, _PR_GET_CHILD_SUBREAPER = 36, 37


def unmet_requirements() -> list[str]:
    """What is missing on this machine, a sentence each; empty if Kinora can work."""
    return [
        f"Kinora cannot work here without {need} ({fault}): use Linux 5.3 or later, and a container or sandbox that "
        "allows it."
        for need, fault in try_requirements().items()
        if fault is not None
    ]


def try_requirements() -> dict[str, str | None]:
    """Each need, with the reason why it is not met; None if it is."""
    return {need: _fault(attempt) for need, attempt in _NEEDS.items()}


def _fault(attempt: Callable[[], None]) -> str | None:
    try:
        attempt()
    except (OSError, AttributeError) as error:  # a Python built for an older system lacks the functions
        return getattr(error, "strerror", None) or str(error)
    return None


def _seal_frames() -> None:
    ring = FrameRing(1, 1)
    try:
        ring.seal()
    finally:
        ring.close()


def _adopt_orphans() -> None:
    """Become a subreaper, and be again what this process was before."""
    before = ctypes.c_int()
    prctl(_PR_GET_CHILD_SUBREAPER, ctypes.addressof(before))
    become_subreaper()
    prctl(_PR_SET_CHILD_SUBREAPER, before.value)


def _see_processes() -> None:
    seen = Path("/proc/self").readlink().name
    if seen != str(os.getpid()):
        raise OSError(f"it shows this process as {seen}")


def _hold_a_process() -> None:
    held = os.pidfd_open(os.getpid())
    try:
        signal.pidfd_send_signal(held, 0)
    finally:
        os.close(held)


_NEEDS: dict[str, Callable[[], None]] = {
    "shared memory that can be sealed against writing (memfd_create, F_ADD_SEALS, F_SEAL_FUTURE_WRITE)": _seal_frames,
    "subreapers, which find what plugins leave behind (PR_SET_CHILD_SUBREAPER)": _adopt_orphans,
    "/proc with its own processes": _see_processes,
    "descriptors of processes (pidfd_open, pidfd_send_signal)": _hold_a_process,
}
"""What is needed → a function that raises OSError if it is missing."""
