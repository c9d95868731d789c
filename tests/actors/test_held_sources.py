"""A live source between its check and its job, on the virtual clock."""

from __future__ import annotations

from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import trio
import trio.testing

from kinora.actors.sources.held_sources import HeldSource, HeldSources

CLOSING_S = 1.5


class Closing:
    """A decoder that takes its time to end."""

    def __init__(self) -> None:
        self.closed_at: float | None = None
        worker = SimpleNamespace(name="probe")
        self.source: Any = SimpleNamespace(decoder=SimpleNamespace(worker=worker))
        self.resources = AsyncExitStack()
        self.resources.push_async_callback(self._close)

    async def _close(self) -> None:
        await trio.sleep(CLOSING_S)
        self.closed_at = trio.current_time()


async def held_in(nursery: trio.Nursery, closing: Closing) -> HeldSource:
    """Hold it."""
    sources = HeldSources()
    await nursery.start(sources.run)
    held = sources.hold(closing.source, closing.resources)
    assert held is not None
    return held


async def test_a_source_that_is_let_go_is_closed_before_it_is_opened_elsewhere(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Many cameras allow one client; a second time has no effect, and nobody can take it any more."""
    async with trio.open_nursery() as nursery:
        held = await held_in(nursery, closing := Closing())
        began = trio.current_time()
        await held.let_go()
        assert closing.closed_at == trio.current_time() == began + CLOSING_S
        await held.let_go()
        assert await held.take("job/decoder") is None
        nursery.cancel_scope.cancel()


async def test_a_source_that_its_job_has_is_not_let_go(autojump_clock: trio.testing.MockClock) -> None:
    """It is the job's own then."""
    async with trio.open_nursery() as nursery:
        held = await held_in(nursery, closing := Closing())
        taken = await held.take("job/decoder")
        await held.let_go()
        assert taken == (closing.source, closing.resources)
        assert closing.closed_at is None
        nursery.cancel_scope.cancel()
