"""Running a command's work under Trio: signals stop it in order, what goes wrong becomes a sentence."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import trio

from kinora.cli.errors import Interrupted, worded

T = TypeVar("T")


def run_to_end(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` under Trio and give what it returns; expected errors come as sentences."""

    async def main() -> T:
        return await work()

    try:
        return trio.run(main)
    except Exception as error:
        if (words := worded(error)) is not None:
            raise words from error
        raise


def run_interruptible(work: Callable[[], Awaitable[T]]) -> T:
    """The same, but SIGINT or SIGTERM cancels ``work``; once it has cleaned up, the command ends as interrupted."""
    return run_to_end(lambda: _interruptible(work))


async def _interruptible(work: Callable[[], Awaitable[T]]) -> T:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with trio.open_nursery() as nursery:
            working = trio.CancelScope()
            nursery.start_soon(stop_on_signal, signals, working.cancel)
            with working:
                result = await work()
            nursery.cancel_scope.cancel()
        if working.cancelled_caught:
            raise Interrupted("interrupted")
        return result


async def stop_on_signal(signals: AsyncIterator[int], stop: Callable[[], None]) -> None:
    """With the first signal ``stop``; the second ends the process at once, and its workers with it."""
    await anext(signals)
    stop()
    os._exit(128 + await anext(signals))
