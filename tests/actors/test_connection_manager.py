"""The manager tracks the connected clients, numbers its messages, and never waits for a client."""

from __future__ import annotations

import msgspec
import pytest
import trio
from trio.testing import MockClock

from kinora.actors.messages import ProgressPayload
from kinora.actors.realtime.connection_manager import GREETING_S, CloseCode, ConnectionManager, ServerFull
from kinora.runtime.events.broadcast import Broadcast
from kinora.runtime.events.outbox import Event
from kinora.runtime.events.replay_log import Lost
from tests.actors.realtime_kit import SESSION_ID, Client, connect, frame, manager_of, progress, running, settle, warning


class Visitor:
    """A session that only notes how it was ended."""

    def __init__(self) -> None:
        self.codes: list[CloseCode] = []

    def stop(self, code: CloseCode, reason: str) -> None:
        """Note the code and the reason."""
        self.codes.append(code)


def clockless() -> ConnectionManager:
    """A manager that can broadcast outside of Trio."""
    return ConnectionManager(feed=Broadcast(clock=lambda: 0.0))


def test_sessions_are_counted_in_and_out() -> None:
    """A session is connected from add to remove; removing ends it, and removing an unknown one does nothing."""
    manager = ConnectionManager()
    visitor = Visitor()
    manager.add_connection("one", visitor)
    assert manager.is_connected("one")
    assert manager.active_connections == {"one": visitor}
    assert manager.statistics().connections == 1
    manager.remove_connection("one")
    manager.remove_connection("one")
    assert not manager.is_connected("one")
    assert visitor.codes == [CloseCode.NORMAL]


def test_the_newer_session_takes_over() -> None:
    """An older socket of the same id is closed with 4002."""
    manager = ConnectionManager(max_connections=1)
    older, newer = Visitor(), Visitor()
    manager.add_connection("one", older)
    manager.add_connection("one", newer)
    assert older.codes == [4002]
    assert manager.active_connections == {"one": newer}


def test_a_full_server_says_so() -> None:
    """Beyond the limit new sessions are refused, and the others stay."""
    manager = ConnectionManager(max_connections=1)
    visitor = Visitor()
    manager.add_connection("one", visitor)
    with pytest.raises(ServerFull, match="try again"):
        manager.add_connection("two", Visitor())
    assert visitor.codes == []
    assert not manager.is_connected("two")


def test_ids_grow_by_one() -> None:
    """Each message gets the next id, and last_id is that of the newest."""
    manager = clockless()
    epoch, _, number = manager.last_id.partition("-")
    assert number == "0"
    assert [manager.broadcast(warning(str(n))) for n in range(3)] == [f"{epoch}-{n}" for n in (1, 2, 3)]
    assert manager.last_id == f"{epoch}-3"


async def test_every_client_gets_the_same_message(autojump_clock: MockClock) -> None:
    """All clients get what was broadcast, with the id that broadcast gave back."""
    manager = ConnectionManager()
    async with running(manager) as nursery:
        clients = [await connect(nursery, manager, session_id=str(n)) for n in range(3)]
        message_id = manager.broadcast(progress(25))
        await settle()
        assert [client.received for client in clients] == [clients[0].received] * 3
        (message,) = clients[0].received
        assert message["id"] == message_id
        assert set(message) == {"type", "payload", "timestamp", "id"}
        assert message["payload"]["progress"] == 25


async def test_a_client_that_does_not_read_delays_nobody(autojump_clock: MockClock) -> None:
    """With one client that takes nothing, another gets everything at once."""
    manager = ConnectionManager()
    async with running(manager) as nursery:
        slow = await connect(nursery, manager, session_id="slow")
        quick = await connect(nursery, manager, session_id="quick")
        slow.stop_reading()
        before = trio.current_time()
        for index in range(3_000):
            manager.broadcast(frame(index))
        await settle()
        assert trio.current_time() == before
        assert [message["payload"]["index"] for message in quick.received] == list(range(3_000))
        assert slow.received == []


async def test_messages_of_one_moment_come_in_one_write(autojump_clock: MockClock) -> None:
    """A frame's result, status and progress published together are one batch for each client."""
    manager = ConnectionManager()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        for message in (frame(1), progress(1), warning("w")):
            manager.broadcast(message)
        await settle()
        assert client.types() == ["frame", "progress", "warning"]
        assert client.batches == 1


def test_a_deleted_job_is_not_replayed() -> None:
    """Its messages become one lost range, others stay."""
    manager = clockless()
    start = manager.last_id
    first = manager.broadcast(frame(1, job_id="gone"))
    manager.broadcast(frame(1, job_id="here"))
    last = manager.broadcast(frame(2, job_id="gone"))
    manager.forget("gone")
    missed = manager.feed.replay(start)
    assert missed is not None
    assert missed[0] == Lost(first, last, "deleted", "gone")
    assert [item.topic for item in missed if isinstance(item, Event)] == ["here"]


async def test_sessions_outlast_a_crash_of_the_manager(autojump_clock: MockClock) -> None:
    """Messages published while the manager does not run reach the clients when it runs again."""
    manager = ConnectionManager()
    async with trio.open_nursery() as sessions:
        async with running(manager):
            client = await connect(sessions, manager)
        manager.broadcast(progress(1))
        await settle()
        assert client.received == []
        async with running(manager):
            await settle()
            assert client.types() == ["progress"]
        sessions.cancel_scope.cancel()


async def test_nobody_is_left_when_sessions_have_ended(autojump_clock: MockClock) -> None:
    """A session that ends is removed, and its subscription too."""
    manager = ConnectionManager()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, Client())
        assert manager.is_connected(SESSION_ID)
        await client.say(None)
        assert not manager.is_connected(SESSION_ID)
        assert manager.statistics().broadcast.subscribers == 0


async def test_clients_that_come_together_get_the_same_greeting(autojump_clock: MockClock) -> None:
    """The plugins' metadata is encoded anew only after a message, a change of the plugins, or a second."""
    manager = manager_of("motion", "faces")
    plugins = manager.plugins()
    manager.plugins = lambda: plugins
    first = manager.greeting(manager.last_id)
    assert [msgspec.json.decode(message)["payload"]["plugin"] for message in first] == ["motion", "faces"]
    assert manager.greeting(manager.last_id) is first
    manager.publish(ProgressPayload(job_id="job", progress=1, stage="running"))
    second = manager.greeting(manager.last_id)
    assert {msgspec.json.decode(message)["id"] for message in second} == {manager.last_id}
    plugins = plugins[:1]
    third = manager.greeting(manager.last_id)
    assert len(third) == 1
    await trio.sleep(GREETING_S)
    (late,) = manager.greeting(manager.last_id)
    assert late is not third[0]
