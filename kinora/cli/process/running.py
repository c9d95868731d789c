"""Runs a command's work under Trio: signals stop it in order, and errors become sentences."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractContextManager, suppress
from typing import TypeVar

import trio

from kinora.cli.exits import Interrupted
from kinora.cli.process.errors import for_user
from kinora.log import flush_log
from kinora.runtime.clocks.running_clock import RunningClock
from kinora.runtime.linux.processes import descendants

T = TypeVar("T")


def run_to_end(work: Callable[[], Awaitable[T]]) -> T:
    """Run ``work`` under Trio and return its result; expected errors are raised as sentences for the user."""

    async def main() -> T:
        return await work()

    try:
        return trio.run(main, clock=RunningClock())
    except Exception as error:
        flush_log()
        if (sentence := for_user(error)) is not None:
            raise sentence from error
        raise


def run_interruptible(work: Callable[[], Awaitable[T]]) -> T:
    """Like :func:`run_to_end`, but the first of ``stop_signals`` cancels ``work``; then ``Interrupted`` is raised."""
    return run_to_end(lambda: _interruptible(work))


async def _interruptible(work: Callable[[], Awaitable[T]]) -> T:
    with stop_signals() as signals:
        async with trio.open_nursery() as nursery:
            working = trio.CancelScope()
            nursery.start_soon(stop_on_signal, signals, working.cancel)
            with working:
                result = await work()
            nursery.cancel_scope.cancel()
        if working.cancelled_caught:
            raise Interrupted("interrupted")
        return result


def stop_signals(*, hangup: bool = True) -> AbstractContextManager[AsyncIterator[int]]:
    """Receive SIGINT, SIGTERM and, with ``hangup``, SIGHUP; the last one not if it is ignored, as under nohup."""
    ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    hangups = [signal.SIGHUP] if hangup and not ignored else []
    return trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, *hangups)


async def stop_on_signal(signals: AsyncIterator[int], stop: Callable[[], None]) -> None:
    """Call ``stop`` at the first signal; end the process, and with it its workers, at the second.

    SIGHUP is never the second: a terminal that is closed may send several, and systemd sends one behind each SIGTERM.
    """
    await anext(signals)
    stop()
    async for number in signals:
        if number != signal.SIGHUP:
            end_now(128 + number)


def end_now(status: int) -> None:
    """End this process and all that it has started, also those that hang."""
    for pid in descendants(os.getpid()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    os._exit(status)
