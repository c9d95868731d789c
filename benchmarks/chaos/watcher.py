"""A client that follows the results of all frames, stops reading and goes away; and what it must have got."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import pairwise
from random import Random

import attrs
import trio

from benchmarks.chaos.final import Final
from kinora.client import ClientError, Message, connect

STAY_S = 20.0
"""The longest time on one connection."""
STOPPED_S = 5.0
"""The longest time for which it reads nothing."""
AWAY_S = 3.0
"""The longest time without a connection."""
STOP_EVERY = 2_000
"""It stops reading once in so many messages."""


@attrs.define
class Seen:
    """The frames of one plugin in one job that a life of the server told of, in the order in which they came."""

    indexes: array[int] = attrs.field(factory=lambda: array("q"))
    numbers: array[int] = attrs.field(factory=lambda: array("q"))
    """The number of each message in its life."""


@attrs.define
class Watcher:
    """The client of one server."""

    url: str
    random: Random
    connections: int = 0
    stops: int = 0
    seen: dict[tuple[str, str, str], Seen] = attrs.field(factory=lambda: defaultdict(Seen))
    """Life, job and plugin → its frames. The epoch of the messages' ids tells a life."""
    gaps: dict[str, list[tuple[int, int]]] = attrs.field(factory=lambda: defaultdict(list))
    """Life → the ranges of messages of which it was told that they cannot be had."""
    _last: str | None = None
    """The id of the last message."""

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            with suppress(ClientError):  # the server is away
                await self._stay()
            await trio.sleep(self.random.uniform(0, AWAY_S))

    async def _stay(self) -> None:
        """Follow from the last message on, for a while."""
        async with connect(self.url, types=("frame",), last_event_id=self._last) as feed:
            with trio.move_on_after(self.random.uniform(0, STAY_S)):
                async for message in feed:
                    self._last = message.id
                    self._note(message)
                    if self.random.randrange(STOP_EVERY) == 0:
                        self.stops += 1
                        await trio.sleep(self.random.uniform(0, STOPPED_S))
            self.connections += feed.connections

    def _note(self, message: Message) -> None:
        life, _, number = message.id.rpartition("-")
        payload = message.payload
        if message.type == "frame":
            seen = self.seen[life, str(payload["job_id"]), str(payload["plugin"])]
            seen.indexes.append(payload["index"])
            seen.numbers.append(int(number))
        elif message.type == "gap":
            gone, first = str(payload["from"]).rpartition("-"), str(payload["to"]).rpartition("-")
            if gone[0] == first[0]:
                self.gaps[gone[0]].append((int(gone[2]), int(first[2])))


def judge(watcher: Watcher, jobs: Mapping[str, Final]) -> Iterator[str]:
    """The watcher got each frame once and in order, but for those in a ``gap``."""
    for (life, job_id, plugin), seen in watcher.seen.items():
        there = jobs[job_id].results(plugin) if job_id in jobs else {}
        for (index, number), (later, next_number) in pairwise(zip(seen.indexes, seen.numbers, strict=True)):
            told = any(first <= next_number and last >= number for first, last in watcher.gaps[life])
            if later <= index:
                yield f"job {job_id}: the watcher got frame {later} of {plugin} after {index}, expected each once"
            lost = [missed for missed in range(index + 1, later) if missed in there]
            if lost and not told:
                yield f"job {job_id}: the watcher missed frames {lost[:5]} of {plugin} without a gap"
