"""Work in a thread with an event loop of its own, which hands over one thing after the other.

So a program gets frames in a plain loop, whatever else it runs: Jupyter, asyncio, Trio or nothing of the kind.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

import attrs
import trio

from kinora.runtime.clocks.running_clock import RunningClock

T = TypeVar("T")
STOP_S = 15.0
"""The time that work has to end in order once it is to stop; then it is cancelled."""


@attrs.frozen
class _End:
    error: BaseException | None = None


class Turns(Generic[T]):
    """The turns of the things that ``work`` gives; while a thing has its turn, the work on it waits.

    At most one thing waits to be taken. ``next`` is for one thread at a time, ``close`` for any.
    """

    def __init__(self, work: Callable[[Turns[T]], Awaitable[None]]) -> None:
        self.stopping = trio.Event()
        """Set when the work is to end in order."""
        self._work = work
        self._handed: SimpleQueue[T | _End] = SimpleQueue()
        self._over = trio.Event()
        self._thread = threading.Thread(target=self._run, name="kinora-run", daemon=True)
        self._lock = threading.Lock()
        self._begun = self._closed = False
        self._token: trio.lowlevel.TrioToken | None = None
        self._has_token = threading.Event()
        self._end: _End | None = None

    # In the thread of the program

    def next(self) -> T | None:
        """End the last thing's turn, and wait for the next one; None once there is none.

        Raises:
            Exception: the work raised it.
        """
        if self._end is None and self._go_on():
            thing = self._handed.get()
            if not isinstance(thing, _End):
                return thing
            self._end = thing
            self._finish()
        if self._end is not None and self._end.error is not None:
            raise self._end.error
        return None

    def close(self) -> None:
        """End the work, and return once all of it is gone; nothing is raised. Does nothing if it has ended.

        In the thread of the work itself it does not wait for the end.
        """
        with self._lock:
            self._closed = True
        if self._begun:
            self._soon(self.stopping.set)
            self._finish()

    def _finish(self) -> None:
        if threading.current_thread() is not self._thread:  # Python may find garbage in any thread, a run among it
            self._thread.join()
        atexit.unregister(self.close)

    def _go_on(self) -> bool:
        """Start the thread, or end the turn; return False if there will be no thing."""
        with self._lock:
            if self._begun:
                self._soon(self._end_turn)
            elif not self._closed:
                self._begun = True
                atexit.register(self.close)  # now, so that it runs before what the work itself leaves to the exit
                self._thread.start()
        return self._begun

    def _soon(self, function: Callable[[], object]) -> None:
        self._has_token.wait()
        with suppress(trio.RunFinishedError):
            if self._token is not None:
                self._token.run_sync_soon(function)

    # In the thread of the work

    async def give(self, thing: T) -> None:
        """Hand a thing over, and wait until its turn has ended."""
        self._over = trio.Event()
        self._handed.put(thing)
        await self._over.wait()

    def _end_turn(self) -> None:
        self._over.set()

    def _run(self) -> None:
        end = _End()
        try:
            trio.run(self._main, clock=RunningClock())
        except BaseException as error:  # noqa: ASYNC103, BLE001 - it is raised in the thread of the program
            end = _End(error)
        finally:
            self._has_token.set()
            self._handed.put(end)

    async def _main(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        self._has_token.set()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._cancel_late, nursery.cancel_scope)
            await self._work(self)
            nursery.cancel_scope.cancel()

    async def _cancel_late(self, scope: trio.CancelScope) -> None:
        await self.stopping.wait()
        await trio.sleep(STOP_S)
        scope.cancel(reason="the run did not stop in time")
