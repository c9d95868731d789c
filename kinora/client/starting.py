"""Waits for a server that is about to start, as in a script that has just told it to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import trio

from kinora.client.errors import ClientError, Unreachable
from kinora.client.http import fetch

START_WAIT_S = 5.0
"""How long to wait until somebody listens; beyond it the next call says that nobody does."""
ANSWER_S = 10.0
"""How long a server that listens may take to start; beyond it the next call is made all the same."""
NOTICE_S = 1.0
"""The time after which the user is told of the wait."""
AGAIN_S = 0.1
"""The time between two attempts."""


async def wait_for_start(url: str, ca_file: str | Path | None, tell: Callable[[str], object]) -> None:
    """Wait until a server answers at this address, for ``START_WAIT_S`` at most if nobody listens there.

    ``tell`` gets a sentence if that takes more than ``NOTICE_S``. No error is raised: the next call meets the same one.
    """
    give_up = trio.current_time() + START_WAIT_S
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_late, url, tell)
        while await _is_refused(url, ca_file) and trio.current_time() < give_up:  # noqa: ASYNC110 - a port has no event
            await trio.sleep(AGAIN_S)
        nursery.cancel_scope.cancel(reason="the wait is over")


async def _is_refused(url: str, ca_file: str | Path | None) -> bool:
    """True if nobody listens."""
    try:
        with trio.move_on_after(ANSWER_S):
            await fetch(url, "HEAD", "/", ca_file=ca_file)  # answered to everybody, once the server has started
    except Unreachable as error:
        attempts = error.__cause__.__cause__ if error.__cause__ is not None else None
        return isinstance(attempts, ExceptionGroup) and attempts.subgroup(ConnectionRefusedError) is not None
    except ClientError:
        return False
    return False


async def _tell_late(url: str, tell: Callable[[str], object]) -> None:
    await trio.sleep(NOTICE_S)
    tell(f"No Kinora server answers at {url} yet: waiting for one that starts")
