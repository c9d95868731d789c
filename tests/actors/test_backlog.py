"""Clients that read nothing share what waits for them, and get it as if each had kept it alone."""

from __future__ import annotations

import random
import uuid
from typing import Any

import pytest
import trio
from trio.testing import MockClock

from kinora.actors.messages import RealtimeMessage
from kinora.actors.realtime.client_session import ClientSession
from kinora.actors.realtime.connection_manager import CloseCode, ConnectionManager
from kinora.actors.realtime.filters import Filters
from kinora.runtime.events.backlog import JOIN_AT, SPACING
from kinora.runtime.events.outbox import MAX_MESSAGES
from tests.actors.realtime_kit import Client, connect, frame, manager_of, progress, running, settle, status, warning

PUBLISHED = frozenset({"frame", "progress", "plugin_status", "warning"})


def number_of(event_id: str) -> int:
    """The sequence number in an id."""
    return int(event_id.partition("-")[2])


def numbers(client: Client) -> list[int]:
    """The numbers of the published messages that came."""
    return [number_of(message["id"]) for message in client.of_type(*PUBLISHED)]


def gaps(client: Client) -> list[dict[str, Any]]:
    """The gaps that were told."""
    return [message["payload"] for message in client.of_type("gap")]


def sessions(manager: ConnectionManager) -> list[ClientSession]:
    """All sessions."""
    found = list(manager.active_connections.values())
    assert all(isinstance(session, ClientSession) for session in found)
    return [session for session in found if isinstance(session, ClientSession)]


def check(client: Client, wanted: dict[int, RealtimeMessage]) -> None:
    """Each message came once and in order, or is in a gap that counts it; only replaceable ones are missing."""
    came = numbers(client)
    assert came == sorted(set(came))
    missing = set(wanted) - set(came)
    told = [range(number_of(gap["from"]), number_of(gap["to"]) + 1) for gap in gaps(client)]
    assert all(any(number in lost for lost in told) for number in missing)
    assert sum(gap["dropped"] for gap in gaps(client)) == len(missing)
    assert not any(wanted[number].overflow.value == "kept" for number in missing)
    ids = [number_of(message["id"]) for message in client.received]
    assert ids == sorted(ids)


async def crowd(nursery: trio.Nursery, manager: ConnectionManager, count: int) -> list[Client]:
    """Clients without filters."""
    return [await connect(nursery, manager, session_id=str(uuid.UUID(int=number))) for number in range(count)]


async def publish(manager: ConnectionManager, count: int, *, warn_every: int = 100) -> dict[int, RealtimeMessage]:
    """Publish frames with progress and status, in many scheduler passes; return all by number."""
    published: dict[int, RealtimeMessage] = {}
    for index in range(count):
        news = [frame(index), status("running"), progress(index * 100 // count)]
        news += [warning(str(index))] if index % warn_every == 0 else []
        for message in news:
            published[number_of(manager.broadcast(message))] = message
        if index % 7 == 0:
            await settle()
    await settle()
    return published


async def test_what_waits_for_many_is_kept_once(autojump_clock: MockClock) -> None:
    """Each keeps only the messages from before it joined the others, and hears what it would hear alone."""
    manager = manager_of()
    async with running(manager) as nursery:
        clients = await crowd(nursery, manager, 50)
        for client in clients:
            client.stop_reading()
        published = await publish(manager, 1_500)
        assert len(manager.backlogs) == 1
        assert all(len(session._outbox) <= JOIN_AT + SPACING for session in sessions(manager))
        assert all(session.statistics().waiting >= MAX_MESSAGES for session in sessions(manager))
        for client in clients:
            client.read_on()
        await settle()
        for client in clients:
            check(client, published)
            assert max(numbers(client)) == max(published)
        assert len(manager.backlogs) == 0
        assert {tuple(numbers(client)) for client in clients} == {tuple(numbers(clients[0]))}


async def test_nothing_is_lost_before_a_thousand_wait(autojump_clock: MockClock) -> None:
    """So it is for a client in a backlog too."""
    manager = manager_of()
    async with running(manager) as nursery:
        (client,) = await crowd(nursery, manager, 1)
        client.stop_reading()
        published = await publish(manager, MAX_MESSAGES // 3 - 10)
        assert len(manager.backlogs) == 1
        client.read_on()
        await settle()
        assert numbers(client) == sorted(published)
        assert not gaps(client)


async def test_undroppable_messages_fill_a_backlog_like_an_outbox(autojump_clock: MockClock) -> None:
    """The client is closed with 1013 when they are too many, and not before."""
    manager = manager_of()
    async with running(manager) as nursery:
        (client,) = await crowd(nursery, manager, 1)
        client.stop_reading()
        sent = 0
        while client.closed is None:
            manager.broadcast(warning(str(sent)))
            await settle()
            sent += 1
        assert client.closed[0] == CloseCode.TOO_SLOW
        assert sent == MAX_MESSAGES + 2  # one is on its way to the client
        assert len(manager.backlogs) == 0


async def test_a_client_that_goes_leaves_its_backlog(autojump_clock: MockClock) -> None:
    """The backlog ends with the last of them."""
    manager = manager_of()
    async with running(manager) as nursery:
        first, second = await crowd(nursery, manager, 2)
        first.stop_reading()
        second.stop_reading()
        await publish(manager, 300)
        assert len(manager.backlogs) == 1
        await first.say(None)
        assert len(manager.backlogs) == 1
        await second.say(None)
        assert len(manager.backlogs) == 0
        assert manager.feed.statistics().subscribers == 0


async def test_there_are_few_backlogs(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Clients that fall behind one after the other share some; the others keep their messages themselves."""
    monkeypatch.setattr("kinora.runtime.events.backlog.MAX_BACKLOGS", 4)
    manager = manager_of()
    async with running(manager) as nursery:
        clients = await crowd(nursery, manager, 10)
        published: dict[int, RealtimeMessage] = {}
        for client in clients:
            client.stop_reading()
            published |= await publish(manager, SPACING // 3 + 1)
        assert len(manager.backlogs) == 4
        for client in clients:
            client.read_on()
        await settle()
        for client in clients:
            check(client, published)


async def test_messages_for_one_client_alone_keep_their_place(autojump_clock: MockClock) -> None:
    """A pong comes between the messages from before and after the ping, also out of a backlog."""
    manager = manager_of()
    async with running(manager) as nursery:
        (client,) = await crowd(nursery, manager, 1)
        client.stop_reading()
        before = await publish(manager, 100)
        await client.say({"type": "ping", "payload": {"timestamp": "then"}})
        after = await publish(manager, 100)
        assert len(manager.backlogs) == 1
        client.read_on()
        await settle()
        pong = client.types().index("pong")
        came = [number_of(message["id"]) for message in client.received]
        assert came[:pong] == sorted(before)
        assert came[pong] == max(before)
        assert came[pong + 1 :] == sorted(after)


@pytest.mark.parametrize("seed", range(5))
async def test_clients_with_any_habits_hear_everything_once(autojump_clock: MockClock, seed: int) -> None:
    """They stall, read on, ask for pongs and change their filters at any time."""
    chance = random.Random(seed)  # noqa: S311 - a test's
    manager = manager_of()
    async with running(manager) as nursery:
        clients = await crowd(nursery, manager, 12)
        published: dict[int, RealtimeMessage] = {}
        for _ in range(60):
            client = chance.choice(clients)
            match chance.randrange(4):
                case 0:
                    client.read_on()
                case 1 | 2:
                    client.stop_reading()
                case _:
                    await client.say({"type": chance.choice(["ping", "nonsense"])})
                    filters = {"job_id": ["job"]} if chance.random() < 0.5 else {}
                    await client.say({"type": "subscribe", "payload": filters})
            published |= await publish(manager, chance.choice([1, 30, 150]))
        for client in clients:
            client.read_on()
        await settle()
        for client in clients:
            check(client, published)
        assert len(manager.backlogs) == 0


async def test_a_client_with_other_filters_has_its_own(autojump_clock: MockClock) -> None:
    """A backlog holds what one filter accepts, and nothing else."""
    manager = manager_of()
    async with running(manager) as nursery:
        (client,) = await crowd(nursery, manager, 1)
        choosy = await connect(nursery, manager, filters=Filters(types=frozenset({"frame"})))
        client.stop_reading()
        choosy.stop_reading()
        published = await publish(manager, 300)
        assert len(manager.backlogs) == 2
        client.read_on()
        choosy.read_on()
        await settle()
        assert numbers(client) == sorted(published)
        assert numbers(choosy) == [number for number, message in published.items() if message.type == "frame"]
