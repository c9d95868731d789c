"""Runs a command's work under Trio: signals stop it in order, and errors become sentences."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import trio

from kinora.cli.errors import Interrupted, for_user
from kinora.runtime.running_clock import RunningClock

T = TypeVar("T")


def run_to_end(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` under Trio and return its result; expected errors are raised as sentences for the user."""

    async def main() -> T:
        return await work()

    try:
        return trio.run(main, clock=RunningClock())
    except Exception as error:
        if (sentence := for_user(error)) is not None:
            raise sentence from error
        raise


def run_interruptible(work: Callable[[], Awaitable[T]]) -> T:
    """Like :func:`run_to_end`, but SIGINT or SIGTERM cancels ``work``, and then ``Interrupted`` is raised."""
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
    """Call ``stop`` at the first signal; end the process, and with it its workers, at the second."""
    await anext(signals)
    stop()
    os._exit(128 + await anext(signals))
