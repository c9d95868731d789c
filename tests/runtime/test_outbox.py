"""The outbox keeps its limits, drops the events that are missed least, and never those that must not be dropped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.runtime.events.outbox import Dropped, Event, Outbox, OutboxFull, Overflow

MAX_MESSAGES = 6
MAX_BYTES = 40

kinds = st.tuples(st.sampled_from(Overflow), st.sampled_from("ab"), st.integers(1, 15))
takes = st.integers(1, 60)


def event(seq: int, overflow: Overflow = Overflow.KEPT, key: str = "a", size: int = 1) -> Event:
    """One event of this size in bytes."""
    return Event(seq=seq, data=b"x" * size, overflow=overflow, key=key)


def seqs(outbox: Outbox) -> list[int]:
    """Take everything; the numbers."""
    return [taken.seq for taken in outbox.take(10**9).events]


def least_missed(waiting: list[Event]) -> Event | None:
    """The event that the rules drop first, looked for in the plainest way."""

    def outdated(event: Event) -> bool:
        same = [e for e in waiting if (e.overflow, e.key) == (event.overflow, event.key)]
        return same[-1] is not event

    for overflow in (Overflow.REPLACED, Overflow.LATEST):
        for event in waiting:
            if event.overflow is overflow and outdated(event):
                return event
    return next((event for event in waiting if event.overflow is Overflow.REPLACED), None)


def too_much(waiting: list[Event]) -> bool:
    """True if a limit is passed."""
    return len(waiting) > MAX_MESSAGES or sum(len(event.data) for event in waiting) > MAX_BYTES


@given(st.lists(st.one_of(kinds, takes), max_size=80))
def test_outbox_does_what_the_plain_rules_say(steps: list[tuple[Overflow, str, int] | int]) -> None:
    """For all puts and takes, contents, drops and refusals are those of a list worked through by the rules."""
    outbox = Outbox(MAX_MESSAGES, MAX_BYTES)
    waiting: list[Event] = []
    dropped: list[Event] = []
    for seq, step in enumerate(steps):
        if isinstance(step, int):
            taken = outbox.take(step)
            assert list(taken.events) == waiting[: len(taken.events)]
            assert bool(taken.events) == bool(waiting)
            assert len(taken.events) <= 1 or sum(len(e.data) for e in taken.events) <= step
            numbers = [e.seq for e in dropped]
            assert taken.dropped == (Dropped(min(numbers), max(numbers), len(numbers)) if numbers else None)
            del waiting[: len(taken.events)]
            dropped.clear()
            continue
        new = event(seq, *step)
        waiting.append(new)
        full = False
        while too_much(waiting) and not full:
            victim = least_missed(waiting)
            full = victim is None
            if victim is not None:
                dropped.append(victim)
            waiting.remove(victim or new)
        if full:
            with pytest.raises(OutboxFull):
                outbox.put(new)
        else:
            outbox.put(new)
        assert len(outbox) == len(waiting)
        assert outbox.bytes == sum(len(e.data) for e in waiting)
    assert seqs(outbox) == [e.seq for e in waiting]


def test_nothing_is_dropped_up_to_the_limit() -> None:
    """A thousand messages wait before the first one goes."""
    outbox = Outbox()
    for seq in range(1_000):
        outbox.put(event(seq, Overflow.REPLACED))
    taken = outbox.take(10**9)
    assert len(taken.events) == 1_000
    assert taken.dropped is None


def test_eight_megabytes_are_a_limit_too() -> None:
    """Few but large messages are dropped by their size."""
    outbox = Outbox()
    for seq in range(10):
        outbox.put(event(seq, Overflow.REPLACED, size=2**20))
    assert outbox.take(1).dropped == Dropped(0, 1, 2)
    assert outbox.bytes == 7 * 2**20


def test_replaced_goes_before_latest() -> None:
    """A frame that a newer one replaces goes before an outdated progress, though the progress is older."""
    outbox = Outbox(max_messages=4)
    outbox.put(event(1, Overflow.LATEST, "progress"))
    outbox.put(event(2, Overflow.LATEST, "progress"))
    outbox.put(event(3, Overflow.REPLACED, "frame"))
    outbox.put(event(4, Overflow.REPLACED, "frame"))
    outbox.put(event(5))
    outbox.put(event(6))
    assert seqs(outbox) == [2, 4, 5, 6]


def test_the_latest_of_a_key_stays() -> None:
    """The last progress of a job is still there after any number of messages."""
    outbox = Outbox(max_messages=3)
    outbox.put(event(1, Overflow.LATEST, "progress of job 1"))
    for seq in range(2, 50):
        outbox.put(event(seq, Overflow.REPLACED, "frame"))
    assert seqs(outbox) == [1, 48, 49]


def test_full_of_what_must_stay_refuses_more() -> None:
    """Beyond the limit in undroppable messages there is OutboxFull, and those that wait are still there."""
    outbox = Outbox(max_messages=2)
    outbox.put(event(1))
    outbox.put(event(2, Overflow.LATEST))
    with pytest.raises(OutboxFull):
        outbox.put(event(3))
    assert seqs(outbox) == [1, 2]


def test_a_newcomer_may_be_the_one_that_goes() -> None:
    """A frame that finds the outbox full of warnings is itself dropped, and that is reported."""
    outbox = Outbox(max_messages=1)
    outbox.put(event(1))
    outbox.put(event(2, Overflow.REPLACED))
    taken = outbox.take(100)
    assert [e.seq for e in taken.events] == [1]
    assert taken.dropped == Dropped(2, 2, 1)


def test_a_client_that_keeps_being_behind_costs_no_more_memory() -> None:
    """The outbox's notes on outdated messages go with them, also if it is never empty."""
    outbox = Outbox(max_messages=10)
    for seq in range(1_000):
        outbox.put(event(seq, Overflow.LATEST))
        if seq > 5:
            outbox.take(1)
    assert sum(map(len, outbox._outdated.values())) <= len(outbox)


def test_what_has_no_number_goes_without_a_word() -> None:
    """A picture that is dropped leaves no gap behind; a frame dropped beside it does, for itself alone."""
    outbox = Outbox(max_messages=2)
    outbox.put(Event(seq=1, data=b"p", overflow=Overflow.REPLACED, key="picture", numbered=False))
    outbox.put(Event(seq=1, data=b"p", overflow=Overflow.REPLACED, key="picture", numbered=False))
    outbox.put(Event(seq=2, data=b"w"))
    assert outbox.take(100).dropped is None
    for seq in (3, 4, 5):
        outbox.put(Event(seq=seq, data=b"f", overflow=Overflow.REPLACED, key="frame"))
        outbox.put(Event(seq=seq, data=b"p", overflow=Overflow.REPLACED, key="picture", numbered=False))
    assert outbox.take(100).dropped == Dropped(3, 4, 2)
