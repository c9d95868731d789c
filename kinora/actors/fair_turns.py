"""Turns at costly work, given to clients in rotation; its results are shared and kept for a while."""

from __future__ import annotations

import sys
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Generic, TypeVar

import attrs
import trio

from kinora.actors.errors import Busy

RETRY_AFTER_S = 2
"""The time after which a refused client should try again."""

_Result = TypeVar("_Result")


@attrs.define(eq=False)
class _Work(Generic[_Result]):
    """A result in the making."""

    settled: trio.Event = attrs.field(factory=trio.Event)
    outcome: Callable[[], _Result] | None = None
    """Returns the result or raises the error; None if its maker has gone before there was either."""
    forgotten: bool = False
    """True if the result is not to be kept."""


class FairTurns(Generic[_Result]):
    """Makes results, a few at a time. A client that asks for much waits for itself, not others for it.

    Requests with one key share a result. If the client whose request makes it goes, the work stops, and the next one
    that waits for it begins anew; without one, nothing is left of it.

    Args:
        at_once: the most results in the making.
        max_waiting: the most requests at a time; more are refused with Busy.
        max_per_client: the same for each client.
        cache_bytes: the most bytes of results that are kept; the least recently used go first.
        cache_results: the most results that are kept; None for no limit but their bytes.
        size_of: gives a result's bytes.
    """

    def __init__(
        self,
        *,
        at_once: int,
        max_waiting: int,
        max_per_client: int,
        cache_bytes: int,
        cache_results: int | None = None,
        size_of: Callable[[_Result], int],
    ) -> None:
        self._free = at_once
        self._max_waiting = max_waiting
        self._max_per_client = max_per_client
        self._cache_bytes = cache_bytes
        self._cache_results = sys.maxsize if cache_results is None else cache_results
        self._size_of = size_of
        self._kept: OrderedDict[Hashable, _Result] = OrderedDict()
        """The least recently used comes first."""
        self._kept_bytes = 0
        self._works: dict[Hashable, _Work[_Result]] = {}
        self._asking: dict[Hashable, int] = {}
        """Client → the number of its requests."""
        self._queues: dict[Hashable, deque[trio.Event]] = {}
        """Client → its waiting turns; the first client is the next."""

    async def get(self, client: Hashable, key: Hashable, make: Callable[[], Awaitable[_Result]]) -> _Result:
        """Return the result for ``key``, made by ``make`` unless there is one. A checkpoint.

        Raises:
            Busy: too many requests wait.
        """
        await trio.lowlevel.checkpoint()
        if (kept := self.kept(key)) is not None:
            return kept
        with self._counted(client):
            while (work := self._works.get(key)) is not None:
                await work.settled.wait()
                if work.outcome is not None:
                    return work.outcome()
            return await self._make(client, key, make)

    def kept(self, key: Hashable) -> _Result | None:
        """Return the result for ``key`` if it is kept."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    @property
    def kept_bytes(self) -> int:
        """The bytes of all results that are kept."""
        return self._kept_bytes

    def forget(self, belongs: Callable[[Hashable], bool]) -> None:
        """Drop the kept results whose keys ``belongs`` picks; those in the making are made, but not kept."""
        for key in [key for key in self._kept if belongs(key)]:
            self._drop(key)
        for key, work in self._works.items():
            work.forgotten = work.forgotten or belongs(key)

    async def _make(self, client: Hashable, key: Hashable, make: Callable[[], Awaitable[_Result]]) -> _Result:
        work = self._works[key] = _Work[_Result]()
        try:
            async with self._turn(client):
                result = await make()
        except Exception as error:
            failure = error

            def fail() -> _Result:
                raise failure

            work.outcome = fail
            raise
        else:
            work.outcome = lambda: result
            if not work.forgotten:
                self._keep(key, result)
            return result
        finally:
            del self._works[key]
            work.settled.set()

    @contextmanager
    def _counted(self, client: Hashable) -> Iterator[None]:
        asking = self._asking.get(client, 0)
        if asking >= self._max_per_client or sum(self._asking.values()) >= self._max_waiting:
            raise Busy("Too many such requests wait: try again in a moment.", RETRY_AFTER_S)
        self._asking[client] = asking + 1
        try:
            yield
        finally:
            self._asking[client] -= 1
            if not self._asking[client]:
                del self._asking[client]

    @asynccontextmanager
    async def _turn(self, client: Hashable) -> AsyncIterator[None]:
        if self._free:
            self._free -= 1
        else:
            await self._wait_for_turn(client)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait_for_turn(self, client: Hashable) -> None:
        turn = trio.Event()
        self._queues.setdefault(client, deque()).append(turn)
        try:
            await turn.wait()
        except BaseException:
            if turn.is_set():
                self._pass_on()
            else:
                self._withdraw(client, turn)
            raise

    def _withdraw(self, client: Hashable, turn: trio.Event) -> None:
        self._queues[client].remove(turn)
        if not self._queues[client]:
            del self._queues[client]

    def _pass_on(self) -> None:
        """Give the turn to the next client, which then is the last in the rotation."""
        if not self._queues:
            self._free += 1
            return
        client = next(iter(self._queues))
        queue = self._queues.pop(client)
        queue.popleft().set()
        if queue:
            self._queues[client] = queue

    def _keep(self, key: Hashable, result: _Result) -> None:
        self._kept[key] = result
        self._kept_bytes += self._size_of(result)
        while self._kept_bytes > self._cache_bytes or len(self._kept) > self._cache_results:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        self._kept_bytes -= self._size_of(self._kept.pop(key))
