"""Waits for a server that is about to start, as in a script that has just told it to."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import trio

from kinora.client.errors import ClientError, Unreachable
from kinora.client.http import fetch

START_WAIT_S = 5.0
"""How long to wait until somebody listens; beyond it the next call says that nobody does."""
ANSWER_S = 20.0
"""How long a server that listens may take to start. Beyond it, another program has the port or the server hangs."""
NOTICE_S = 1.0
"""The time after which the user is told of the wait."""
AGAIN_S = 0.1
"""The time between two attempts."""


async def wait_for_start(url: str, ca_file: str | Path | None, tell: Callable[[str], object]) -> None:
    """Wait until a server answers at this address, for ``START_WAIT_S`` at most if nobody listens there.

    ``tell`` gets a sentence if that takes more than ``NOTICE_S``.

    Raises:
        ClientError: somebody listens, and has not answered within ``ANSWER_S``. Any other error is left to the next
            call, which meets the same one.
    """
    give_up = trio.current_time() + START_WAIT_S
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_tell_late, url, tell)
        while (found := await _look(url, ca_file)) == "refused" and trio.current_time() < give_up:  # noqa: ASYNC110 - a port has no event
            await trio.sleep(AGAIN_S)
        nursery.cancel_scope.cancel(reason="the wait is over")
    if found == "silent":
        raise ClientError(
            f"Nothing at {url} has answered for {ANSWER_S:g} s: if a Kinora server runs there, look into its log; "
            "else give the server's address"
        )


async def _look(url: str, ca_file: str | Path | None) -> Literal["refused", "silent", "there"]:
    """Tell what is there: nobody who listens, nobody who answers, or anything else."""
    try:
        with trio.fail_after(ANSWER_S):
            await fetch(url, "HEAD", "/", ca_file=ca_file)  # answered to everybody, once the server has started
    except trio.TooSlowError:
        return "silent"
    except Unreachable as error:
        attempts = error.__cause__.__cause__ if error.__cause__ is not None else None
        refused = isinstance(attempts, ExceptionGroup) and attempts.subgroup(ConnectionRefusedError) is not None
        return "refused" if refused else "there"
    except ClientError:
        pass  # the next call tells of it
    return "there"


async def _tell_late(url: str, tell: Callable[[str], object]) -> None:
    await trio.sleep(NOTICE_S)
    tell(f"No Kinora server answers at {url} yet: waiting for one that starts")
