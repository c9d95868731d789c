"""Calls beside an event loop that the program may have: blocking ones of an async program, async ones of any."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

import trio

T = TypeVar("T")


async def in_thread(function: Callable[[], T]) -> T:
    """Call a function in a thread. If this is cancelled, the call goes on, and its outcome is lost."""
    if trio.lowlevel.in_trio_run():
        return await trio.to_thread.run_sync(function, abandon_on_cancel=True)
    return await asyncio.to_thread(function)


async def finish_in_thread(function: Callable[[], object], limit_s: float) -> None:
    """Call a function in a thread, also in a task that is cancelled, and wait for it that many seconds at most."""
    if trio.lowlevel.in_trio_run():
        with trio.move_on_after(limit_s, shield=True):
            await trio.to_thread.run_sync(function, abandon_on_cancel=True)
    else:
        await asyncio.wait([asyncio.ensure_future(asyncio.to_thread(function))], timeout=limit_s)


def in_own_loop(work: Callable[[], Awaitable[T]]) -> T:
    """Run async work under Trio in a thread of its own, and wait for its outcome. Raises what the work raises."""
    outcome: Future[T] = Future()

    async def main() -> T:
        return await work()

    def run() -> None:
        try:
            outcome.set_result(trio.run(main))
        except BaseException as error:  # noqa: ASYNC103, BLE001 - it is raised in the caller's thread
            outcome.set_exception(error)

    Thread(target=run, name="kinora-call", daemon=True).start()
    return outcome.result()
