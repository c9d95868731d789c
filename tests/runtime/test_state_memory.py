"""The memory of states: what the owner finds in it after the keeper was killed at any moment."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kinora.runtime.shared_memory.state_memory import (
    MAX_PARTS,
    MAX_STATE_BYTES,
    StateKeeper,
    StateMemory,
    StateTooLarge,
    hold_state,
    read_state,
)


@pytest.fixture
def memory() -> Iterator[StateMemory]:
    """An empty memory."""
    memory = StateMemory()
    yield memory
    memory.close()


def keeper_of(memory: StateMemory) -> StateKeeper:
    """Its keeper."""
    return StateKeeper(os.dup(memory.fd))


def read(memory: StateMemory, last: int = 2**40) -> tuple[int, bytes] | None:
    """The newest state up to a frame, and that frame."""
    found = memory.newest(last)
    return None if found is None else (found.index, read_state(memory.fd, found.places))


def test_an_empty_memory_has_no_state(memory: StateMemory) -> None:
    """Not even an empty one."""
    assert read(memory) is None


@given(states=st.lists(st.lists(st.binary(max_size=50), max_size=5), min_size=1, max_size=12))
def test_the_two_newest_states_are_there(states: list[list[bytes]]) -> None:
    """With parts of any sizes; parts of the state before may come again."""
    memory = StateMemory()
    keeper = keeper_of(memory)
    kept: list[bytes] = []
    for index, fresh in enumerate(states):
        before = b"".join(kept)
        kept = [*kept[::2], *fresh]
        keeper.save(index, kept)
        assert read(memory) == (index, b"".join(kept))
        assert read(memory, index - 1) == ((index - 1, before) if index else None)
    memory.close()


def test_a_part_that_was_there_is_not_written_again(memory: StateMemory, monkeypatch: pytest.MonkeyPatch) -> None:
    """So a large part costs its copy once."""
    keeper, written = keeper_of(memory), list[int]()
    large = bytes(100_000)
    put = StateKeeper._put

    def counted(self: StateKeeper, data: bytes, at: int) -> None:
        written.append(len(data))
        put(self, data, at)

    monkeypatch.setattr(StateKeeper, "_put", counted)
    for index in range(3):
        keeper.save(index, [large, b"%d" % index])
    assert sorted(written)[-2:] == [struct.calcsize("<QqIIQQQQ"), 100_000]


class Killed(BaseException):
    """The keeper is killed."""


@settings(max_examples=20)
@given(writes=st.integers(0, 8), share=st.floats(0, 1))
def test_a_kill_in_the_middle_of_a_save_leaves_the_state_before(writes: int, share: float) -> None:
    """Wherever it comes: before, between or within the writes."""
    memory = StateMemory()
    keeper, left = keeper_of(memory), writes
    put = StateKeeper._put

    def die(self: StateKeeper, data: bytes, at: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            put(self, data[: int(share * len(data))], at)
            raise Killed
        put(self, data, at)

    saved = -1
    with pytest.MonkeyPatch.context() as patch, suppress(Killed):
        patch.setattr(StateKeeper, "_put", die)
        for index in range(10):
            keeper.save(index, [b"%d" % index * 40, b"b" * index])
            saved = index
    whole = (saved + 1, b"%d" % (saved + 1) * 40 + b"b" * (saved + 1))  # all of its last table had been written
    before = None if saved < 0 else (saved, b"%d" % saved * 40 + b"b" * saved)
    assert read(memory) in {before, whole}
    memory.close()


def test_a_state_beyond_the_limits_is_refused(memory: StateMemory) -> None:
    """The one before stays."""
    keeper = keeper_of(memory)
    keeper.save(3, [b"state"])
    with pytest.raises(StateTooLarge, match="bytes; at most"):
        keeper.save(4, [bytes(MAX_STATE_BYTES + 1)])
    with pytest.raises(StateTooLarge, match="parts; at most"):
        keeper.save(4, [b"x"] * (MAX_PARTS + 1))
    assert read(memory) == (3, b"state")


def test_largest_states_follow_each_other(memory: StateMemory) -> None:
    """There is room for the two newest and the next."""
    keeper = keeper_of(memory)
    for index in range(4):
        keeper.save(index, [bytes(MAX_STATE_BYTES - 3 * index), b"abc"[: min(index, 3)]])
        found = memory.newest(index)
        assert found is not None
        assert found.index == index


@given(scribble=st.binary(min_size=1, max_size=64), at=st.integers(0, 200))
def test_a_keeper_that_scribbles_harms_no_one(scribble: bytes, at: int) -> None:
    """A forged table gives a state within the limits, or none; one that points beyond the memory cannot be read."""
    memory = StateMemory()
    keeper_of(memory).save(0, [b"state"])
    os.pwrite(memory.fd, scribble, 8192 + at)
    found = memory.newest(2**40)
    assert found is None or found.size <= MAX_STATE_BYTES
    memory.close()
    fd = hold_state(b"state")
    with pytest.raises(EOFError):
        read_state(fd, [(0, 6)])
    os.close(fd)


def test_a_state_from_the_store_is_held_in_one_part() -> None:
    """As the next worker reads it."""
    fd = hold_state(b"state")
    assert read_state(fd, [(0, 5)]) == b"state"
    os.close(fd)
