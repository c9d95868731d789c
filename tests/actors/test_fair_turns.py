"""Turns at costly work: fair between clients, shared, bounded, and stopped when nobody waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from kinora.actors.errors import Busy, NotFound
from kinora.actors.fair_turns import FairTurns


def turns(at_once: int = 1, cache_bytes: int = 0, cache_results: int | None = None) -> FairTurns[bytes]:
    """Turns at making bytes."""
    return FairTurns(
        at_once=at_once,
        max_waiting=20,
        max_per_client=10,
        cache_bytes=cache_bytes,
        cache_results=cache_results,
        size_of=len,
    )


class Maker:
    """Makes results when a test says so, and notes the order."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.stopped: list[str] = []
        self.go = trio.Event()

    def of(self, key: str) -> Callable[[], Awaitable[bytes]]:
        """The work of making the result for ``key``."""
        return partial(self._make, key)

    async def _make(self, key: str) -> bytes:
        self.begun.append(key)
        try:
            await self.go.wait()
            await trio.lowlevel.checkpoint()
        except trio.Cancelled:
            self.stopped.append(key)
            raise
        return key.encode()


async def test_clients_take_turns() -> None:
    """A client that asks once waits for one result of another client, not for all that this has asked for."""
    fair, maker = turns(), Maker()
    async with trio.open_nursery() as nursery:
        for number in range(9):
            nursery.start_soon(fair.get, "much", f"much {number}", maker.of(f"much {number}"))
            await wait_all_tasks_blocked()
        nursery.start_soon(fair.get, "once", "once", maker.of("once"))
        await wait_all_tasks_blocked()
        maker.go.set()
    assert maker.begun[:3] == ["much 0", "much 1", "once"]
    assert maker.begun[3:] == [f"much {number}" for number in range(2, 9)]


async def test_equal_requests_share_one_result() -> None:
    """Those that wait get the result or the error of the one that makes it; a place is taken once."""
    fair, maker = turns(at_once=2), Maker()
    got: list[bytes] = []

    async def ask(client: str) -> None:
        got.append(await fair.get(client, "a", maker.of("a")))

    async def fail() -> bytes:
        await maker.go.wait()
        raise NotFound("There is none.")

    async def ask_for_none(client: str) -> None:
        with pytest.raises(NotFound):
            await fair.get(client, "none", fail)

    async with trio.open_nursery() as nursery:
        for client in ("one", "two", "three"):
            nursery.start_soon(ask, client)
            nursery.start_soon(ask_for_none, client)
        await wait_all_tasks_blocked()
        maker.go.set()
    assert (got, maker.begun) == ([b"a"] * 3, ["a"])


async def test_work_goes_on_for_those_who_stay_and_stops_for_nobody() -> None:
    """When the client that makes a result goes, another takes over; when all have gone, the work stops at once."""
    fair, maker = turns(), Maker()
    async with trio.open_nursery() as staying:
        async with trio.open_nursery() as going:
            going.start_soon(fair.get, "gone", "a", maker.of("a"))
            await wait_all_tasks_blocked()
            going.start_soon(fair.get, "waits", "b", maker.of("b"))
            staying.start_soon(fair.get, "stays", "a", maker.of("a"))
            await wait_all_tasks_blocked()
            going.cancel_scope.cancel()
        await wait_all_tasks_blocked()
        assert (maker.begun, maker.stopped) == (["a", "a"], ["a"])
        staying.cancel_scope.cancel()
    assert maker.stopped == ["a", "a"]
    maker.go.set()
    assert await fair.get("later", "b", maker.of("b")) == b"b"


async def test_too_many_requests_are_refused() -> None:
    """A client is refused beyond its own limit, and all beyond that of all; what is refused leaves nothing."""
    fair, maker = turns(), Maker()
    async with trio.open_nursery() as nursery:
        for client in ("one", "two"):
            for number in range(10):
                nursery.start_soon(fair.get, client, f"{client} {number}", maker.of(f"{client} {number}"))
            await wait_all_tasks_blocked()
            with pytest.raises(Busy) as refused:
                await fair.get(client, "more", maker.of("more"))
        assert refused.value.retry_after_s > 0
        with pytest.raises(Busy):
            await fair.get("three", "more", maker.of("more"))
        maker.go.set()
    assert await fair.get("three", "more", maker.of("more")) == b"more"
    assert len(maker.begun) == 21


async def test_results_are_kept_up_to_a_size() -> None:
    """A kept result is not made again; the least recently used goes first, and what is forgotten is made again."""
    fair, maker = turns(cache_bytes=2), Maker()
    maker.go.set()
    for key in ("a", "b", "a", "c", "a", "b", "too large", "a"):
        assert await fair.get("one", key, maker.of(key)) == key.encode()
    assert maker.begun == ["a", "b", "c", "b", "too large", "a"]
    fair.forget(lambda key: key == "a")
    await fair.get("one", "a", maker.of("a"))
    assert maker.begun[-2:] == ["a", "a"]


async def test_results_are_kept_up_to_a_number() -> None:
    """Beyond it the least recently used goes; what is forgotten in the making is not kept."""
    fair, maker = turns(cache_bytes=100, cache_results=2), Maker()
    maker.go.set()
    for key in ("a", "b", "a", "c"):
        await fair.get("one", key, maker.of(key))
    assert [fair.kept(key) for key in ("a", "b", "c")] == [b"a", None, b"c"]
    maker.go = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(fair.get, "one", "d", maker.of("d"))
        await wait_all_tasks_blocked()
        fair.forget(lambda key: key == "d")
        maker.go.set()
    assert fair.kept("d") is None
