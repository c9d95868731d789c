"""A client gets each message once and in order, by any transport, and is told the reason if it is disconnected."""

from __future__ import annotations

import math
from collections.abc import Callable
from time import perf_counter

import attrs
import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from kinora.actors.messages import RealtimeMessage
from kinora.actors.realtime import client_session
from kinora.actors.realtime.client_session import BATCH_BYTES, CLOSE_GRACE_S, ClientSession, in_batches
from kinora.actors.realtime.connection_manager import WRITERS_AT_ONCE, CloseCode, ConnectionManager
from kinora.actors.realtime.filters import Filters
from kinora.runtime.clocks.running_clock import RunningClock
from kinora.runtime.events.broadcast import Broadcast
from kinora.runtime.events.replay_log import ReplayLog
from tests.actors.realtime_kit import (
    SESSION_ID,
    Client,
    connect,
    frame,
    manager_of,
    picture,
    progress,
    running,
    settle,
    status,
    warning,
)

PUBLISHED = ("frame", "progress", "warning")


class StoppingTime:
    """The time of a system that can seem to have stopped this process."""

    def __init__(self) -> None:
        self._stopped_s = 0.0

    def __call__(self) -> float:
        """The time."""
        return perf_counter() + self._stopped_s

    def stop(self, seconds: float) -> None:
        """Pass over this time, in which the process did not run."""
        self._stopped_s += seconds


@pytest.fixture
def stopping() -> StoppingTime:
    """The time of the system below the clock of a test."""
    return StoppingTime()


@pytest.fixture
def running_clock(stopping: StoppingTime) -> RunningClock:
    """The clock that a server runs on; pytest-trio runs the test on it."""
    return RunningClock(stopping)


def number(message_id: str) -> int:
    """The second part of an id."""
    return int(message_id.partition("-")[2])


def ids(client: Client) -> list[int]:
    """The numbers of everything the client got."""
    return [number(message["id"]) for message in client.received]


def indices(client: Client) -> list[int]:
    """The frames the client got."""
    return [message["payload"]["index"] for message in client.of_type("frame")]


def close_code(client: Client) -> int | None:
    """The code that the client was closed with; None if it was not closed."""
    return None if client.closed is None else client.closed[0]


async def test_a_new_client_is_told_how_things_stand(autojump_clock: MockClock) -> None:
    """First the metadata of each plugin, then the state of the active jobs, then what is published."""
    manager = manager_of("motion", "faces", active=[progress(40), status("running")])
    manager.broadcast(progress(40))
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        manager.broadcast(frame(7))
        await settle()
    assert client.types() == ["metadata", "metadata", "progress", "plugin_status", "frame"]
    assert [message["payload"]["plugin"] for message in client.of_type("metadata")] == ["motion", "faces"]
    assert ids(client) == [1, 1, 1, 1, 2]


async def test_what_was_missed_comes_once(autojump_clock: MockClock) -> None:
    """With the last id it saw, a client gets what came after that, then live messages, and no state."""
    manager = manager_of("motion", active=[progress(40)])
    seen = manager.broadcast(frame(0))
    manager.broadcast(frame(1))
    async with running(manager) as nursery:
        manager.broadcast(frame(2))
        client = await connect(nursery, manager, last_event_id=seen)
        manager.broadcast(frame(3))
        await settle()
    assert client.types() == ["metadata", "frame", "frame", "frame"]
    assert indices(client) == [1, 2, 3]
    assert ids(client) == [1, 2, 3, 4]


async def test_the_id_of_a_submission_loses_nothing(autojump_clock: MockClock) -> None:
    """A client that takes last_id before anything was published, and connects with it, gets everything."""
    manager = manager_of()
    start = manager.last_id
    manager.broadcast(progress(0))
    async with running(manager) as nursery:
        client = await connect(nursery, manager, last_event_id=start)
    assert client.types() == ["progress"]


async def test_after_a_restart_there_is_one_gap_and_the_state(autojump_clock: MockClock) -> None:
    """An id of another epoch gives a gap up to now and the state; the ids after that lead to no second gap."""
    manager = manager_of("motion", active=[progress(40)])
    manager.broadcast(frame(0))
    async with running(manager) as nursery:
        client = await connect(nursery, manager, last_event_id="before-7")
        assert client.types() == ["metadata", "gap", "progress"]
        gap = client.received[1]["payload"]
        assert gap == {"from": "before-8", "to": manager.last_id, "reason": "restarted"}
        again = await connect(nursery, manager, last_event_id=client.received[-1]["id"])
        assert again.types() == ["metadata"]


async def test_an_idle_restarted_server_announces_the_gap_once(autojump_clock: MockClock) -> None:
    """A client that has seen the gap does not see it again, even if there are no jobs."""
    manager = manager_of("motion")
    async with running(manager) as nursery:
        client = await connect(nursery, manager, last_event_id="before-7")
        assert client.types() == ["metadata", "gap"]
        again = await connect(nursery, manager, last_event_id=client.received[-1]["id"])
        assert again.types() == ["metadata"]


async def test_a_client_cut_off_before_the_gap_still_sees_it(autojump_clock: MockClock) -> None:
    """The ids before the gap do not claim that the client has received later messages."""
    manager = manager_of("motion", active=[progress(40), status("running")])
    async with running(manager) as nursery:
        for cut_after in (1, 2, 3):
            client = await connect(nursery, manager, Client(cut_after=cut_after), last_event_id="before-7")
            assert len(client.received) == cut_after
            again = await connect(nursery, manager, last_event_id=client.received[-1]["id"])
            assert again.types() == ["metadata", "gap", "progress", "plugin_status"]


async def test_what_is_gone_is_announced_then_what_is_left_then_the_state(autojump_clock: MockClock) -> None:
    """Messages that the log no longer holds become one gap before the rest, and the state comes last."""
    feed = Broadcast(log=ReplayLog("e", max_messages=2))
    manager = ConnectionManager(feed=feed)
    for index in range(5):
        manager.broadcast(frame(index))
    async with running(manager) as nursery:
        client = await connect(nursery, manager, last_event_id="e-1")
    assert client.types() == ["gap", "frame", "frame"]
    assert client.received[0]["payload"] == {"from": "e-2", "to": "e-3", "reason": "expired"}
    assert ids(client) == [1, 4, 5]


async def test_a_deleted_job_is_a_gap_for_those_who_watched_it(autojump_clock: MockClock) -> None:
    """Clients of that job or of all jobs are told, clients of another job are not."""
    manager = manager_of()
    start = manager.last_id
    manager.broadcast(frame(0, job_id="gone"))
    manager.broadcast(frame(0, job_id="here"))
    manager.forget("gone")
    async with running(manager) as nursery:
        both = await connect(nursery, manager, last_event_id=start)
        other = await connect(
            nursery, manager, filters=Filters(job_ids=frozenset({"here"})), last_event_id=start, session_id="2"
        )
    assert both.types() == ["gap", "frame"]
    assert both.received[0]["payload"]["reason"] == "deleted"
    assert other.types() == ["frame"]


async def test_an_empty_id_counts_as_none(autojump_clock: MockClock) -> None:
    """A client without an id is a new one."""
    manager = manager_of("motion", active=[progress(40)])
    async with running(manager) as nursery:
        client = await connect(nursery, manager, last_event_id="")
    assert client.types() == ["metadata", "progress"]
    assert {message["id"] for message in client.received} == {manager.last_id}


@pytest.mark.parametrize("last_event_id", ["rubbish", "a-b-c", "\n", "{epoch}-99", "E-1", "unknown-0"])
async def test_an_id_that_was_never_given_is_a_gap(autojump_clock: MockClock, last_event_id: str) -> None:
    """The client is told that it may have missed something, also if it is cut off before; the id is not echoed."""
    manager = manager_of("motion", active=[progress(40)])
    manager.broadcast(frame(0))
    given = last_event_id.format(epoch=manager.feed.epoch)
    async with running(manager) as nursery:
        early = await connect(nursery, manager, Client(cut_after=1), last_event_id=given)
        client = await connect(nursery, manager, last_event_id=early.received[-1]["id"])
        assert client.types() == ["metadata", "gap", "progress"]
        gap = client.received[1]["payload"]
        assert gap == {"from": "unknown-1", "to": manager.last_id, "reason": "restarted"}
        assert {message["id"] for message in early.received + client.received} == {"unknown-0", manager.last_id}
        again = await connect(nursery, manager, last_event_id=client.received[-1]["id"])
        assert again.types() == ["metadata"]


@attrs.frozen
class Life:
    """One connection: what is published while it lasts, whether messages go directly, and when it breaks."""

    published: list[int]
    direct: bool
    cut_after: int


lives = st.lists(
    st.builds(
        Life,
        published=st.lists(st.integers(0, 4), max_size=4),
        direct=st.booleans(),
        cut_after=st.integers(0, 9),
    ),
    min_size=1,
    max_size=6,
)


async def survive(story: list[Life]) -> None:
    """Live through connections that break anywhere, each going on from the last id; then compare with what was sent."""
    manager = manager_of("motion", "faces")
    last_id = manager.last_id
    seen: list[int] = []
    sent = 0
    async with running(manager) as nursery:
        for life in [*story, Life([1], direct=True, cut_after=10**9)]:
            client = Client(direct=life.direct, cut_after=life.cut_after)
            manager.broadcast(warning("published in the pass before"))
            await connect(nursery, manager, client, last_event_id=last_id)
            for count in life.published:
                for _ in range(count):
                    manager.broadcast(warning("published together"))
                await client.say({"type": "ping"})
            sent += 1 + sum(life.published)
            assert ids(client) == sorted(ids(client))
            seen += [number(message["id"]) for message in client.of_type(*PUBLISHED)]
            last_id = client.received[-1]["id"] if client.received else last_id
            assert not client.of_type("gap")
            await client.say(None)
    assert seen == list(range(1, sent + 1))


@settings(deadline=None)
@given(lives)
def test_cuts_anywhere_lose_and_double_nothing(story: list[Life]) -> None:
    """A client that always comes back with the last id it saw gets each message exactly once, in order."""
    trio.run(survive, story, clock=MockClock(autojump_threshold=0))


async def test_a_slow_client_misses_frames_and_is_told(autojump_clock: MockClock) -> None:
    """Beyond a thousand waiting messages the oldest frames go; one gap says which, and nothing else is missing."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        client.stop_reading()
        manager.broadcast(frame(0))
        await settle()
        for index in range(1, 1_501):
            manager.broadcast(frame(index))
            if index % 100 == 0:
                manager.broadcast(warning(str(index)))
        await settle()
        client.read_on()
        await settle()
        (gap,) = client.of_type("gap")
        dropped = gap["payload"]["dropped"]
        assert gap["payload"]["reason"] == "slow"
        assert len(client.of_type("warning")) == 15
        assert indices(client) == [0, *range(dropped + 1, 1_501)]
        assert dropped == 515
        assert number(gap["payload"]["from"]) == 2
        assert ids(client) == sorted(ids(client))
        manager.broadcast(frame(2_000))
        await settle()
        assert indices(client)[-1] == 2_000


async def test_clients_that_are_behind_take_turns(autojump_clock: MockClock) -> None:
    """However many get batches of their own, other tasks have their turn after a few of them."""
    manager = manager_of()
    async with running(manager) as nursery:
        clients = [await connect(nursery, manager, Client(direct=False), session_id=str(n)) for n in range(40)]
        manager.broadcast(frame(0))
        sent = most = 0
        while sent < len(clients):
            await trio.lowlevel.checkpoint()
            before, sent = sent, sum(client.batches for client in clients)
            most = max(most, sent - before)
    assert most <= 2 * WRITERS_AT_ONCE  # the test may run first in one pass, and last in the next


async def test_a_frame_larger_than_the_outbox_is_dropped_and_told(autojump_clock: MockClock) -> None:
    """A message that fits in no outbox does not end the session; the next one comes with the gap."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, Client(direct=False))
        manager.broadcast(frame(0, size=9 * 2**20))
        await settle()
        assert client.received == []
        manager.broadcast(frame(1))
        await settle()
        assert client.types() == ["gap", "frame"]
        assert client.received[0]["payload"]["dropped"] == 1


async def test_nothing_is_missing_up_to_a_thousand(autojump_clock: MockClock) -> None:
    """A client that is behind by a thousand messages catches up without a gap."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        client.stop_reading()
        for index in range(1_000):
            manager.broadcast(frame(index))
        await settle()
        client.read_on()
        await settle()
    assert indices(client) == list(range(1_000))
    assert client.of_type("gap") == []


async def test_a_client_whose_outbox_is_full_is_closed(autojump_clock: MockClock) -> None:
    """With more warnings waiting than it holds, a session ends with 1013; with its last id the client gets them all."""
    manager = manager_of()
    start = manager.last_id
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        client.stop_reading()
        for count in range(2_000):
            manager.broadcast(warning(str(count)))
        await settle()
        assert close_code(client) == CloseCode.TOO_SLOW
        assert not manager.is_connected(SESSION_ID)
        again = await connect(nursery, manager, last_event_id=start)
        assert len(again.of_type("warning")) == 2_000


async def test_a_client_that_takes_nothing_for_a_minute_is_closed(autojump_clock: MockClock) -> None:
    """It is closed with 1013 after 60 s, though it could still be heard."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        client.stop_reading()
        manager.broadcast(warning("waits"))
        await trio.sleep(50)
        await client.say({"type": "pong"})
        assert close_code(client) is None
        await trio.sleep(11)
        assert close_code(client) == CloseCode.TOO_SLOW


async def test_only_what_was_asked_for_comes(autojump_clock: MockClock) -> None:
    """Filters hold for the state, for what was missed, and for live messages."""
    manager = manager_of("motion", active=[progress(1), progress(2, job_id="other"), status("running")])
    start = manager.last_id
    filters = Filters(job_ids=frozenset({"job"}), types=frozenset({"progress"}))
    for message in (progress(1), progress(2, job_id="other"), frame(0)):
        manager.broadcast(message)
    async with running(manager) as nursery:
        new = await connect(nursery, manager, filters=filters)
        back = await connect(nursery, manager, filters=filters, last_event_id=start, session_id="back")
        for message in (frame(1), progress(3), progress(4, job_id="other")):
            manager.broadcast(message)
        await settle()
    assert [message["payload"]["progress"] for message in new.of_type("progress")] == [1, 3]
    assert [message["payload"]["progress"] for message in back.of_type("progress")] == [1, 3]
    assert set(new.types()) == set(back.types()) == {"metadata", "progress"}


async def test_a_client_may_change_what_it_sees(autojump_clock: MockClock) -> None:
    """Subscribe replaces the filters from that moment on; what was published before is chosen by the old ones."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, filters=Filters(types=frozenset({"warning"})))
        manager.broadcast(warning("seen"))
        manager.broadcast(frame(0))
        await client.say({"type": "subscribe", "payload": {"types": ["frame"]}})
        manager.broadcast(warning("not seen"))
        manager.broadcast(frame(1))
        await settle()
    assert client.types() == ["warning", "frame"]
    assert indices(client) == [1]
    assert manager.statistics().broadcast.subscribers == 0


async def test_a_client_that_is_behind_may_change_what_it_sees(autojump_clock: MockClock) -> None:
    """Waiting messages still come, then those of the new filters; the ids never go down."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, filters=Filters(types=frozenset({"warning"})))
        client.stop_reading()
        for count in range(100):
            manager.broadcast(warning(str(count)))
            manager.broadcast(frame(count))
        await client.say({"type": "subscribe", "payload": {"types": ["frame"], "max_fps": 1}})
        for count in range(100, 200):
            manager.broadcast(warning(str(count)))
            manager.broadcast(frame(count))
        await settle()
        client.read_on()
        await settle()
    assert client.types() == ["warning"] * 100 + ["frame"]
    assert indices(client) == [100]
    assert ids(client) == sorted(ids(client))


async def test_what_was_published_just_before_a_change_is_not_lost(autojump_clock: MockClock) -> None:
    """Published and subscribed in one scheduler pass: the old filters decide, once."""
    manager = manager_of()
    async with trio.open_nursery() as nursery:
        client = await connect(nursery, manager, filters=Filters(types=frozenset({"warning"})))
        manager.broadcast(warning("on its way"))
        await client.say({"type": "subscribe", "payload": {}})
        assert client.types() == ["warning"]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("{", "MSG_INVALID_JSON"),
        (b"\xff", "MSG_INVALID_JSON"),
        ({"payload": {}}, "MSG_MISSING_FIELD"),
        ({"type": "subscribe", "payload": {"types": ["x"]}}, "MSG_MISSING_FIELD"),
        ({"type": "shout"}, "MSG_UNKNOWN_TYPE"),
    ],
)
async def test_a_mistake_is_answered_and_forgiven(autojump_clock: MockClock, said: object, code: str) -> None:
    """One error says what is wrong, even to a client that chose other types, and the connection stays."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, filters=Filters(types=frozenset({"frame"})))
        await client.say(said)
        assert [message["payload"]["details"]["error_code"] for message in client.received] == [code]
        manager.broadcast(frame(0))
        await settle()
        assert client.types() == ["error", "frame"]


async def test_a_ping_is_answered_with_its_timestamp(autojump_clock: MockClock) -> None:
    """The pong carries the newest id, behind everything published before."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        manager.broadcast(progress(1))
        await client.say({"type": "ping", "payload": {"timestamp": "now"}})
    assert client.types() == ["progress", "pong"]
    assert client.received[1]["payload"] == {"timestamp": "now"}
    assert ids(client) == [1, 1]


async def test_a_client_that_answers_is_pinged_every_half_minute(autojump_clock: MockClock) -> None:
    """Pings come every 30 s, and as long as there are answers the connection stays."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        for count in range(1, 11):
            await trio.sleep(30.5 if count == 1 else 30)
            assert len(client.of_type("ping")) == count
            await client.say({"type": "pong"})
        assert client.received[0]["payload"] == {"interval_seconds": 30}
        assert close_code(client) is None


async def test_a_silent_client_is_closed_after_a_minute(autojump_clock: MockClock) -> None:
    """Without any sign of life the session ends 60 s after the last one."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        await trio.sleep(20)
        await client.say({"type": "pong"})
        await trio.sleep(59)
        assert close_code(client) is None
        await trio.sleep(2)
        assert close_code(client) == CloseCode.TOO_SLOW


async def test_a_client_is_not_missed_while_the_server_stood_still(
    monkeypatch: pytest.MonkeyPatch, stopping: StoppingTime, running_clock: RunningClock
) -> None:
    """After a jump of the clock a silent client has the full time again: it gets a ping, and can answer it."""
    monkeypatch.setattr(client_session, "SILENCE_S", 1.0)
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        await trio.sleep(0.8)
        stopping.stop(3_600)
        await trio.sleep(0.8)
        assert close_code(client) is None
        await trio.sleep(0.4)
        assert close_code(client) == CloseCode.TOO_SLOW


async def test_a_client_that_cannot_speak_is_not_missed(autojump_clock: MockClock) -> None:
    """A stream of events goes on for hours without a sign of life, with pings."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, Client(hears=False, direct=False))
        await trio.sleep(3_601)
        assert close_code(client) is None
        assert len(client.of_type("ping")) == 120


async def test_a_client_that_hangs_up_ends_its_session(autojump_clock: MockClock) -> None:
    """The session ends at once and closes its transport normally."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        await client.say(None)
        assert client.closed == (CloseCode.NORMAL, "")


async def test_a_connection_that_breaks_while_sending_ends_the_session(autojump_clock: MockClock) -> None:
    """A broken transport is a client that has gone, not an error."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, Client(cut_after=0))
        manager.broadcast(progress(1))
        await settle()
        assert close_code(client) == CloseCode.NORMAL
        assert not manager.is_connected(SESSION_ID)


async def test_a_client_that_has_gone_is_sent_nothing_more(autojump_clock: MockClock) -> None:
    """However much waits for it, there is one attempt."""
    manager = manager_of()
    start = manager.last_id
    for index in range(10):
        manager.broadcast(frame(index, size=BATCH_BYTES))
    async with running(manager) as nursery:
        client = await connect(nursery, manager, Client(cut_after=0), last_event_id=start)
    assert client.batches == 1


async def test_an_unknown_error_of_a_transport_comes_out(autojump_clock: MockClock) -> None:
    """An error that the transport does not declare is raised, and the transport is still closed."""

    class Broken(Client):
        async def receive(self) -> str | bytes | None:
            raise KeyError("a bug")

    manager = manager_of()
    client = Broken()
    with pytest.RaisesGroup(KeyError):
        await ClientSession(manager, client, session_id=SESSION_ID).run()
    assert client.closed is not None
    assert not manager.is_connected(SESSION_ID)


async def test_the_newer_connection_of_a_session_stays(autojump_clock: MockClock) -> None:
    """The older one is closed with 4002, and its end does not count the newer one out."""
    manager = manager_of()
    async with running(manager) as nursery:
        older = await connect(nursery, manager)
        newer = await connect(nursery, manager)
        assert close_code(older) == CloseCode.TAKEN_OVER
        assert manager.is_connected(SESSION_ID)
        manager.broadcast(progress(1))
        await settle()
        assert (older.types(), newer.types()) == ([], ["progress"])


async def test_a_full_server_closes_with_its_code(autojump_clock: MockClock) -> None:
    """One client too many is closed with 4001 and told what to do."""
    manager = ConnectionManager(max_connections=1)
    async with running(manager) as nursery:
        await connect(nursery, manager)
        client = await connect(nursery, manager, session_id="another")
        assert close_code(client) == CloseCode.SERVER_FULL
        assert client.closed is not None
        assert "try again" in client.closed[1]


def by_manager(manager: ConnectionManager, scope: trio.CancelScope) -> None:
    """The server goes away politely."""
    for session in tuple(manager.active_connections.values()):
        session.stop(CloseCode.GOING_AWAY, "The server is going away.")


def by_cancelling(manager: ConnectionManager, scope: trio.CancelScope) -> None:
    """The server goes away at once."""
    scope.cancel()


@pytest.mark.parametrize("end", [by_manager, by_cancelling])
async def test_a_server_that_goes_says_so(
    autojump_clock: MockClock, end: Callable[[ConnectionManager, trio.CancelScope], None]
) -> None:
    """Asked or cancelled, sessions close with 1001, also those that are stuck, within the grace."""
    manager = manager_of()
    client, stuck = Client(), Client()
    async with running(manager) as nursery:
        await connect(nursery, manager, client)
        await connect(nursery, manager, stuck, session_id="stuck")
        stuck.stop_reading()
        stuck.hangs_at_close = True
        manager.broadcast(progress(1))
        await settle()
        before = trio.current_time()
        end(manager, nursery.cancel_scope)
    assert trio.current_time() - before <= CLOSE_GRACE_S
    for one in (client, stuck):
        assert close_code(one) == CloseCode.GOING_AWAY


async def test_a_paced_client_sees_fewer_frames_of_all_plugins(autojump_clock: MockClock) -> None:
    """With max_fps, live and missed frames come at that pace, the same for each plugin; others see them all."""
    manager = manager_of()
    start = manager.last_id
    filters = Filters(max_fps=5, types=frozenset({"frame"}))
    async with running(manager) as nursery:
        paced = await connect(nursery, manager, Client(hears=False), filters=filters, session_id="paced")
        everything = await connect(nursery, manager, Client(hears=False), session_id="all")
        for index in range(100):
            for plugin in ("motion", "faces"):
                manager.broadcast(frame(index, plugin=plugin))
            await trio.sleep(0.04)
        back = await connect(
            nursery, manager, Client(hears=False), filters=filters, last_event_id=start, session_id="back"
        )
    assert 19 <= len(set(indices(paced))) <= 21
    assert indices(paced) == [index for index in sorted(set(indices(paced))) for _ in range(2)]
    assert indices(back) == indices(paced)
    assert len(indices(everything)) == 200


async def test_much_that_was_missed_is_not_dropped_but_sent_in_pieces(autojump_clock: MockClock) -> None:
    """Missed messages may exceed an outbox: all of them come, in batches, and then those published meanwhile."""
    manager = manager_of()
    start = manager.last_id
    for index in range(3_000):
        manager.broadcast(frame(index, size=500))
    async with running(manager) as nursery:
        client = Client()
        client.stop_reading()
        await connect(nursery, manager, client, last_event_id=start)
        manager.broadcast(frame(3_000))
        await settle()
        client.read_on()
        await settle()
    assert indices(client) == list(range(3_001))
    assert client.of_type("gap") == []
    assert client.batches > 10


@given(st.lists(st.integers(0, 2 * BATCH_BYTES), max_size=20))
def test_pieces_hold_everything_in_order(sizes: list[int]) -> None:
    """Batches are never empty, never larger than the limit unless a single message is, and lose nothing."""
    messages = [bytes(size) for size in sizes]
    batches = list(in_batches(messages))
    assert [message for batch in batches for message in batch] == messages
    for batch in batches:
        assert batch
        assert len(batch) == 1 or sum(map(len, batch)) <= BATCH_BYTES


async def test_a_stopped_session_takes_nothing_more(autojump_clock: MockClock) -> None:
    """Between stop and the end of its task a session neither sends nor keeps anything; the first reason stays."""
    manager = manager_of()
    client = Client()
    session = ClientSession(manager, client, session_id=SESSION_ID)
    async with running(manager) as nursery:
        nursery.start_soon(session.run)
        await settle()
        session.stop(CloseCode.NOT_ALLOWED, "first")
        session.stop(CloseCode.NORMAL, "second")
        manager.broadcast(RealtimeMessage(progress(1).payload))
        manager.feed.deliver()
        assert session.statistics().waiting == 0
        await settle()
    assert client.received == []
    assert client.closed == (CloseCode.NOT_ALLOWED, "first")


async def test_pictures_come_live_and_are_not_replayed(autojump_clock: MockClock) -> None:
    """A client that asked for pictures gets those shown while it is connected, once, without an id; others get none."""
    manager = manager_of()
    async with running(manager) as nursery:
        watcher = await connect(nursery, manager, session_id="a", filters=Filters(images="binary"))
        other = await connect(nursery, manager, session_id="b")
        manager.broadcast(frame(0, pictured=True))
        manager.show(picture(0))
        manager.broadcast(frame(1))
        await settle()
        late = await connect(
            nursery, manager, session_id="c", filters=Filters(images="binary"), last_event_id=f"{manager.feed.epoch}-0"
        )
        nursery.cancel_scope.cancel()
    assert (watcher.pictures, other.pictures, late.pictures) == ([0], [], [])
    assert ids(watcher) == ids(late) == [1, 2]


async def test_pictures_that_a_slow_client_misses_leave_no_gap(autojump_clock: MockClock) -> None:
    """Pictures beyond the outbox's size are dropped, oldest first, without a gap, because they have no ids."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager, filters=Filters(images="binary"))
        client.stop_reading()
        for index in range(30):
            manager.show(picture(index, size=2**20))
            manager.broadcast(progress(index))
            await settle()
        client.read_on()
        await settle()
        nursery.cancel_scope.cancel()
    assert client.types() == ["progress"] * 30
    assert client.pictures[-5:] == list(range(25, 30))
    assert len(client.pictures) < 12


async def test_demand_for_pictures_is_known(autojump_clock: MockClock) -> None:
    """For each job the highest rate of all sessions counts, until the session ends or changes its filters."""
    manager = manager_of()
    assert manager.picture_fps("job") == 0
    async with running(manager) as nursery:
        calm = Filters(images="binary", max_fps=2.0, job_ids=frozenset({"job"}))
        client = await connect(nursery, manager, session_id="a", filters=calm)
        async with trio.open_nursery() as other:
            for name in ("b", "c"):
                await connect(other, manager, session_id=name, filters=Filters(images="binary", max_fps=5.0))
            assert (manager.picture_fps("job"), manager.picture_fps("other")) == (5.0, 5.0)
            other.cancel_scope.cancel()
        assert (manager.picture_fps("job"), manager.picture_fps("other")) == (2.0, 0)
        await client.say({"type": "subscribe", "payload": {"images": "binary"}})
        assert manager.picture_fps("other") == math.inf
        await client.say({"type": "subscribe", "payload": {"images": "url"}})
        assert manager.picture_fps("job") == 0
        nursery.cancel_scope.cancel()
    assert not manager._picture_filters


async def test_the_transport_pings_beside_the_message(autojump_clock: MockClock) -> None:
    """With each ping message the transport sends a ping of its own, which any client answers."""
    manager = manager_of()
    async with running(manager) as nursery:
        client = await connect(nursery, manager)
        await trio.sleep(30)
        await settle()
        nursery.cancel_scope.cancel()
    assert (client.types(), client.pings) == (["ping"], 1)
