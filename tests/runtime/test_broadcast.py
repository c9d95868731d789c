"""Every subscriber gets every event once and in order; those that come back get the events that they missed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import attrs
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from kinora.runtime.events.broadcast import MAX_PENDING, Batch, Broadcast, Subscription
from kinora.runtime.events.outbox import Event
from kinora.runtime.events.replay_log import Lost, ReplayLog


@attrs.frozen
class Topics:
    """A filter: these topics, none for all."""

    topics: frozenset[str] = frozenset()

    def accepts(self, event: Event) -> bool:
        """True if it is of one of the topics."""
        return not self.topics or event.topic in self.topics


def text(message_id: str) -> bytes:
    """The encoding that tests use: the id itself."""
    return message_id.encode()


def collector(batches: list[Batch]) -> Callable[[Batch], None]:
    """A subscriber that keeps all that it is offered."""
    return batches.append


def numbers(batches: list[Batch]) -> list[int]:
    """The numbers of all events that were offered."""
    return [event.seq for batch in batches for event in batch.events]


def new_broadcast() -> Broadcast:
    """A broadcast that needs no Trio clock."""
    return Broadcast(clock=lambda: 0.0, log=ReplayLog("e"))


def filled(count: int, max_messages: int = 100, max_bytes: int = 10_000) -> ReplayLog:
    """A log to which events 1 to ``count`` were appended, of topics a and b in turn."""
    log = ReplayLog("e", max_messages, max_bytes)
    for seq in range(1, count + 1):
        log.append(Event(seq=seq, data=b"x" * 10, topic="ab"[seq % 2]))
    return log


def shown(log: ReplayLog, event_id: str) -> list[int | Lost]:
    """The replay, with events as their numbers."""
    found = log.since(event_id)
    return [item.seq if isinstance(item, Event) else item for item in found]


async def test_events_published_together_are_offered_together(autojump_clock: MockClock) -> None:
    """Events published in one scheduler pass reach a subscriber as one batch, in order."""
    broadcast = Broadcast()
    batches: list[Batch] = []
    broadcast.subscribe(collector(batches), Topics())
    async with trio.open_nursery() as nursery:
        await nursery.start(broadcast.run)
        for _ in range(3):
            broadcast.publish(text)
        assert not batches
        await wait_all_tasks_blocked()
        broadcast.publish(text)
        await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert [[event.seq for event in batch.events] for batch in batches] == [[1, 2, 3], [4]]
    assert batches[0].data == tuple(f"{broadcast.epoch}-{seq}".encode() for seq in (1, 2, 3))


def test_equal_filters_share_a_batch() -> None:
    """Subscribers with equal filters get the same object, so it is framed once; others get their own choice."""
    broadcast = new_broadcast()
    first: list[Batch] = []
    second: list[Batch] = []
    other: list[Batch] = []
    broadcast.subscribe(collector(first), Topics(frozenset("a")))
    broadcast.subscribe(collector(second), Topics(frozenset("a")))
    broadcast.subscribe(collector(other), Topics(frozenset("b")))
    broadcast.publish(text, topic="a")
    broadcast.publish(text, topic="b")
    broadcast.publish(text, topic="a")
    broadcast.deliver()
    assert numbers(first) == [1, 3]
    assert first[0] is second[0]
    assert numbers(other) == [2]


def test_subscribing_splits_what_is_in_the_log_from_what_is_offered() -> None:
    """An event that is still on its way when somebody subscribes is in the log for him and offered to others only."""
    broadcast = new_broadcast()
    before: list[Batch] = []
    after: list[Batch] = []
    broadcast.subscribe(collector(before), Topics())
    broadcast.publish(text)
    broadcast.subscribe(collector(after), Topics())
    missed = broadcast.replay("e-0")
    broadcast.publish(text)
    broadcast.deliver()
    assert numbers(before) == [1, 2]
    assert [item.seq for item in missed if isinstance(item, Event)] == [1]
    assert numbers(after) == [2]


def test_unsubscribing_ends_the_offers() -> None:
    """After its end a subscription costs nothing; ending it twice does no harm."""
    broadcast = new_broadcast()
    batches: list[Batch] = []
    subscription = broadcast.subscribe(collector(batches), Topics())
    broadcast.publish(text)
    broadcast.deliver()
    broadcast.unsubscribe(subscription)
    broadcast.unsubscribe(subscription)
    broadcast.publish(text)
    broadcast.deliver()
    assert numbers(batches) == [1]
    assert broadcast.statistics().subscribers == 0


def test_a_publisher_that_never_yields_does_not_fill_memory() -> None:
    """The number of waiting events is bounded: beyond that the publisher itself delivers them."""
    broadcast = new_broadcast()
    batches: list[Batch] = []
    broadcast.subscribe(collector(batches), Topics())
    for _ in range(MAX_PENDING):
        broadcast.publish(text)
    assert numbers(batches) == list(range(1, MAX_PENDING + 1))


@attrs.define
class Member:
    """A subscriber, and all that it was offered of the events from ``began`` on."""

    began: int
    subscription: Subscription
    batches: list[Batch]

    @property
    def heard(self) -> list[bytes]:
        """All it was offered."""
        return [data for batch in self.batches for data in batch.data]


class Meeting:
    """A broadcast that changes step by step, and the events that each subscriber must have had."""

    def __init__(self) -> None:
        self.broadcast = new_broadcast()
        self.said: list[bytes] = []
        self.members: list[Member] = []
        self.gone: list[tuple[Member, list[bytes]]] = []
        self.under_way: list[Iterator[None]] = []

    def say(self, _: str = "") -> bytes:
        """Something new."""
        self.said.append(b"%d" % len(self.said))
        return self.said[-1]

    def publish(self, _: int) -> None:
        """Something with a number."""
        self.broadcast.publish(self.say)

    def show(self, _: int) -> None:
        """Something without one."""
        self.broadcast.show(self.say(), key="", topic="", source=None)

    def begin(self, _: int) -> None:
        """A further handing on."""
        self.under_way.append(self.broadcast._hand_on())

    def go_on(self, number: int) -> None:
        """One step of one of them."""
        if self.under_way:
            next(self.under_way[number % len(self.under_way)], None)

    def deliver(self, _: int) -> None:
        """Everything to everybody."""
        self.broadcast.deliver()
        for member in self.members:
            assert member.heard == self.said[member.began :]

    def join(self, _: int) -> None:
        """One more."""
        batches: list[Batch] = []
        self.members.append(Member(len(self.said), self.broadcast.subscribe(batches.append, Topics()), batches))

    def catch_up(self, number: int) -> None:
        """Everything to one of them."""
        if self.members:
            member = self.members[number % len(self.members)]
            self.broadcast.catch_up(member.subscription)
            assert member.heard == self.said[member.began :]

    def leave(self, number: int) -> None:
        """One less: it hears nothing after that."""
        if self.members:
            member = self.members.pop(number % len(self.members))
            self.broadcast.unsubscribe(member.subscription)
            self.gone.append((member, member.heard))


STEPS = st.sampled_from(
    [
        Meeting.publish,
        Meeting.show,
        Meeting.begin,
        Meeting.go_on,
        Meeting.deliver,
        Meeting.join,
        Meeting.catch_up,
        Meeting.leave,
    ]
)


@given(st.lists(st.tuples(STEPS, st.integers(0, 5)), max_size=80))
def test_handing_on_may_be_interrupted_anywhere(steps: list[tuple[Callable[[Meeting, int], None], int]]) -> None:
    """Through any changes between two offers, each subscriber gets all events of its time, in order."""
    meeting = Meeting()
    for step, number in steps:
        step(meeting, number)
    meeting.deliver(0)
    for member, heard in meeting.gone:
        assert member.heard == heard == meeting.said[member.began :][: len(heard)]


async def test_others_get_their_turn_while_many_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand subscribers do not keep the event loop to themselves: a task beside them runs again and again."""
    monkeypatch.setattr("kinora.runtime.events.broadcast.HOLD_S", 0.001)
    broadcast = Broadcast()
    told = turns = 0

    def offer(_: Batch) -> None:
        nonlocal told
        told += 1
        hashlib.sha256(bytes(2_000)).digest()

    for _ in range(10_000):
        broadcast.subscribe(offer, Topics())
    async with trio.open_nursery() as nursery:
        await nursery.start(broadcast.run)
        broadcast.publish(text)
        while told < 10_000:
            await trio.lowlevel.checkpoint()
            turns += 0 < told < 10_000
        nursery.cancel_scope.cancel()
    assert turns >= 5


def test_forgetting_a_topic_takes_nothing_from_those_who_listen() -> None:
    """The last message of a topic still reaches subscribers, though it is not replayed any more."""
    broadcast = new_broadcast()
    batches: list[Batch] = []
    broadcast.subscribe(collector(batches), Topics())
    broadcast.publish(text, topic="job")
    broadcast.forget("job")
    broadcast.deliver()
    assert batches[0].data == (b"e-1",)
    assert broadcast.replay("e-0") == [Lost("e-1", "e-1", "deleted", "job")]


def test_ids_tell_one_start_of_the_server_from_another() -> None:
    """Two broadcasts have different epochs, and their first id is number 1."""
    one, other = Broadcast(), Broadcast()
    assert one.epoch != other.epoch
    assert one.last_id == f"{one.epoch}-0"


def test_everything_after_an_id_is_replayed() -> None:
    """The id itself is not replayed, the newest id gives nothing."""
    log = filled(5)
    assert shown(log, "e-3") == [4, 5]
    assert shown(log, "e-5") == []
    assert shown(log, "e-0") == [1, 2, 3, 4, 5]


def test_what_no_longer_fits_is_announced() -> None:
    """Beyond the limit in messages or bytes the oldest are gone, as one range in front."""
    assert shown(filled(10, max_messages=4), "e-2") == [Lost("e-3", "e-6", "expired"), 7, 8, 9, 10]
    assert shown(filled(10, max_bytes=35), "e-2") == [Lost("e-3", "e-7", "expired"), 8, 9, 10]
    assert shown(filled(10, max_bytes=5), "e-2") == [Lost("e-3", "e-10", "expired")]


def test_another_epoch_is_a_restart() -> None:
    """An id from before the server was killed gives one range up to now, and nothing else."""
    assert shown(filled(3), "older-7") == [Lost("older-8", "e-3", "restarted")]


@pytest.mark.parametrize(
    "event_id", ["", "e", "e-", "e--1", "e-4", "e-99999999999999999999", "E-1", "e-1\n", "e-\u0663"]
)
def test_an_id_that_was_never_given_is_a_restart(event_id: str) -> None:
    """Neither rubbish nor a number of the future is taken for a position: everything may be lost."""
    assert shown(filled(3), event_id) == [Lost("unknown-1", "e-3", "restarted")]


def test_a_forgotten_topic_is_one_range_where_it_begins() -> None:
    """Events of other topics in between are still replayed."""
    log = filled(6)
    log.forget("a")
    assert shown(log, "e-0") == [1, Lost("e-2", "e-6", "deleted", "a"), 3, 5]
    assert shown(log, "e-3") == [Lost("e-4", "e-6", "deleted", "a"), 5]


def test_what_a_topic_says_after_it_was_forgotten_is_replayed() -> None:
    """So is the last message about a deleted job. Once forgotten events have made room, no trace of them remains."""
    log = filled(4, max_messages=6)
    log.forget("a")
    log.append(Event(seq=5, data=b"x", topic="a"))
    assert shown(log, "e-0") == [1, Lost("e-2", "e-4", "deleted", "a"), 3, 5]
    for seq in range(6, 12):
        log.append(Event(seq=seq, data=b"x", topic="b"))
    assert not log._forgotten


@given(
    st.lists(st.one_of(st.integers(1, 30), st.sampled_from("abc"), st.just("!"), st.just("?")), max_size=60),
    st.integers(0, 60),
)
def test_replay_accounts_for_every_number(steps: list[int | str], after: int) -> None:
    """After any publishing and forgetting, each number after the asked one is replayed or in a lost range."""
    log = ReplayLog("e", max_messages=8, max_bytes=100)
    for step in steps:
        if isinstance(step, int):
            log.append(Event(seq=log.last + 1, data=b"x" * step, topic="abc"[step % 3]))
        else:
            log.forget(step)
        assert len(log) <= 8
        assert log.bytes <= 100
    found = log.since(f"e-{min(after, log.last)}")
    events = [item.seq for item in found if isinstance(item, Event)]
    assert events == sorted(set(events))
    told = set(events)
    for item in found:
        if isinstance(item, Lost):
            told |= set(range(int(item.first[2:]), int(item.last[2:]) + 1))
    assert told == set(range(min(after, log.last) + 1, log.last + 1))
