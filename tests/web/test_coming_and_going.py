"""Clients that connect and leave over both transports, with all kinds of filters, and resume after the last id seen."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import pytest
import trio
from wsproto.events import TextMessage

from kinora.actors.messages import ErrorPayload, RealtimeMessage
from kinora.actors.realtime import client_session
from kinora.actors.realtime.filters import Filters, Subject
from kinora.runtime.events.outbox import Outbox, Overflow
from kinora.serve import RunningServer
from tests.actors.realtime_kit import frame, picture, progress, warning
from tests.client_kit import events
from tests.web.test_channel_under_stress import client, manager_of, nobody_listens, uuid_of

NUMBERED = frozenset({"frame", "progress", "warning"})
THE_END = RealtimeMessage(ErrorPayload(job_id=None, error="the end", plugin=None, details={}))
"""A message that reaches all clients, with any filter."""
JOBS = (frozenset[str](), frozenset("a"), frozenset("ab"))
TYPES = (frozenset[str](), frozenset({"frame"}), frozenset({"warning", "progress"}))


def wish(number: int) -> Filters:
    """One of many combinations of filters."""
    return Filters(
        job_ids=JOBS[number % 3],
        types=TYPES[number // 3 % 3],
        max_fps=20.0 if number % 4 == 3 else None,
        images="binary" if number % 5 == 4 else "url",
    )


def number_of(event_id: str) -> int:
    """The sequence number in an id."""
    return int(event_id.partition("-")[2])


class Witness:
    """One client and all of its connections; every fifth client uses event streams."""

    def __init__(self, number: int, last_event_id: str) -> None:
        self.chance = random.Random(number)  # noqa: S311 - a test's
        self.filters = wish(number)
        self.last_event_id = last_event_id
        self.over_events = number % 5 == 0
        asked = [("session_id", uuid_of(number)), ("images", self.filters.images)]
        asked += [("job_id", job_id) for job_id in self.filters.job_ids]
        asked += [("types", name) for name in self.filters.types]
        asked += [("max_fps", str(self.filters.max_fps))] if self.filters.max_fps else []
        self.query = urlencode(asked)
        self.numbers: list[int] = []
        self.gaps: list[dict[str, Any]] = []
        self.patience = 0
        """The number of messages after which it leaves."""
        self.done = False

    async def come_and_go(self, server: RunningServer) -> None:
        """Connect for a while, again and again, until ``THE_END`` has come."""
        while not self.done:
            self.patience = self.chance.choice((3, 30, 200, 10_000))
            with suppress(trio.BrokenResourceError):
                await (self._read_events(server) if self.over_events else self._read_messages(server))

    async def _read_events(self, server: RunningServer) -> None:
        address = f"{server.url}/v1/realtime?{self.query}"
        async with events(address, last_event_id=self.last_event_id) as stream:
            async for event in stream:
                if "data" in event.fields and not self._hear(event.message):
                    return

    async def _read_messages(self, server: RunningServer) -> None:
        async with client(server, f"{self.query}&last_event_id={self.last_event_id}") as one:
            while one.close_code is None:
                while one.messages:
                    if not self._hear(one.messages.pop(0)):
                        return
                if self.chance.random() < 0.1:
                    await trio.testing.wait_all_tasks_blocked()  # let all other tasks run first
                    await one.send(TextMessage(data='{"type": "ping"}'))
                await one.receive()

    def _hear(self, message: dict[str, Any]) -> bool:
        """Record one message; return True to stay connected for more."""
        number = number_of(message["id"])
        assert number >= number_of(self.last_event_id)
        self.last_event_id = message["id"]
        if message["type"] == "gap":
            self.gaps.append(message["payload"])
        elif message["type"] in NUMBERED:
            self.numbers.append(number)
        self.done = self.done or message["payload"].get("error") == "the end"
        self.patience -= 1
        return self.patience > 0 and not self.done

    def misses(self, number: int, message: RealtimeMessage) -> bool:
        """Return True if this message is missing: asked for, not received, and explained by no gap and no pace."""
        replaceable = message.overflow is not Overflow.KEPT
        explained = replaceable and (
            self.filters.max_fps is not None
            or any(number_of(gap["from"]) <= number <= number_of(gap["to"]) for gap in self.gaps)
        )
        return self.filters.wants(Subject.of(message)) and number not in self.numbers and not explained


async def test_whoever_comes_and_goes_hears_everything_once(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With any filter, each message comes once and in order; only replaceable ones are lost, and a gap reports them."""
    monkeypatch.setattr(client_session, "Outbox", lambda: Outbox(max_messages=60, max_bytes=200_000))
    manager = manager_of(server)
    witnesses = [Witness(number, manager.last_id) for number in range(20)]
    published: dict[int, RealtimeMessage] = {}
    chance = random.Random(7)  # noqa: S311 - a test's
    async with trio.open_nursery() as nursery:
        for witness in witnesses:
            nursery.start_soon(witness.come_and_go, server)
        for index in range(600):
            job_id = chance.choice("abc")
            size = chance.choice((0, 100, 4_000))
            for message in (frame(index, job_id, size=size), progress(index % 100, job_id), warning("w", job_id)):
                published[number_of(manager.broadcast(message))] = message
            manager.show(picture(index, job_id, size=5_000))
            if chance.random() < 0.03:
                await trio.testing.wait_all_tasks_blocked()
        manager.broadcast(THE_END)
    for witness in witnesses:
        assert witness.numbers == sorted(set(witness.numbers))
        assert all(witness.filters.wants(Subject.of(published[number])) for number in witness.numbers)
        assert not [number for number, message in published.items() if witness.misses(number, message)]
    assert any(gap["reason"] == "slow" for witness in witnesses for gap in witness.gaps)
    await nobody_listens(manager)
