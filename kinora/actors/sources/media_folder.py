"""Looks into the media folder without waiting for ever: a network share whose server is gone does not answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from kinora.actors.errors import Unavailable

T = TypeVar("T")


async def look(into: Path, what: Callable[[], T], threads: trio.CapacityLimiter, timeout_s: float) -> T:
    """Return ``what()``, which blocks on the file system of the folder ``into``, called in one of the ``threads``.

    A thread that the file system holds is left to itself. It keeps its place among the ``threads`` until it ends, so
    that their number is bounded. The time counts the wait for a place.

    Raises:
        Unavailable: it takes longer than ``timeout_s``.
    """
    with trio.move_on_after(timeout_s):
        return await trio.to_thread.run_sync(what, abandon_on_cancel=True, limiter=threads)
    raise Unavailable(
        f"The media folder does not answer: see that the disk or network share of {into} works, then try again."
    )
