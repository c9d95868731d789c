"""Live sources between their check and their job: each stays open, since many cameras allow one client only."""

from __future__ import annotations

from contextlib import AsyncExitStack

import trio

from kinora.actors.sources.source_reader import OpenSource

HOLD_S = 5.0
"""The time for which an opened source waits for its job to begin; after it the job opens the source anew."""
MAX_HELD = 8
"""The most sources that wait, each with a process; any further one is closed at once, and opened anew by its job."""


class HeldSource:
    """An opened source that waits to be taken."""

    def __init__(self, source: OpenSource, resources: AsyncExitStack) -> None:
        self._source = source
        self._resources = resources
        self._taken = trio.Event()
        self._expired = False
        self._closed = trio.Event()
        self._holding = trio.CancelScope()

    async def take(self, name: str) -> tuple[OpenSource, AsyncExitStack] | None:
        """Take the source and what closes it; its decoder is called ``name`` now. None once it was closed or taken."""
        if self._expired:
            await self._closed.wait()
        if self._expired or self._taken.is_set():
            return None
        self._taken.set()
        self._source.decoder.worker.name = name
        return self._source, self._resources

    async def let_go(self) -> None:
        """Close it now, unless it was taken, and return once it is closed: its job opens it elsewhere."""
        self._holding.cancel(reason="its job opens it elsewhere")
        if not self._taken.is_set():
            await self._closed.wait()

    async def wait(self) -> None:
        """Wait until it is taken; close it after ``HOLD_S``, or if cancelled."""
        try:
            self._holding.deadline = trio.current_time() + HOLD_S
            with self._holding:
                await self._taken.wait()
        finally:
            if not self._taken.is_set():
                self._expired = True
                await self._resources.aclose()  # noqa: ASYNC102 - a worker's stop shields itself and bounds each wait
                self._closed.set()


class HeldSources:
    """Owns the sources that wait."""

    def __init__(self) -> None:
        self._nursery: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold sources until cancelled; then those that wait are closed."""
        try:
            async with trio.open_nursery() as self._nursery:
                task_status.started()
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def hold(self, source: OpenSource, resources: AsyncExitStack) -> HeldSource | None:
        """Hold a source, which this owns then. None if it cannot: it stays the caller's."""
        if self._nursery is None or len(self._nursery.child_tasks) >= MAX_HELD:
            return None
        held = HeldSource(source, resources)
        self._nursery.start_soon(held.wait)
        return held
