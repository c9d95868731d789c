"""A state that one process keeps for another, so that it outlives a kill at any moment.

The memory is one ``memfd``, which the keeper writes and the owner reads; neither maps it, so that it takes no address
space, no page has to be mapped, and no truncation can hurt. A state is a list of parts. Two tables at the beginning
say where the parts of the two newest states are, each with a checksum. A new state overwrites neither the parts of
these nor the newer table: a keeper that dies meanwhile leaves both of them, or the newer one, whole. A part that was
in the newest state already is not written again.
"""

from __future__ import annotations

import os
import struct
import zlib
from bisect import bisect_left, insort
from collections.abc import Sequence
from typing import NamedTuple

import attrs

from kinora.runtime.shared_memory.sized_memory import sized_memory

MAX_STATE_BYTES = 64 * 2**20
"""The size of the largest state. A larger one is refused, and the one before stays."""
MAX_PARTS = 256
"""The most parts of a state; more are refused in the same way."""
_HEAD = struct.Struct("<QqII")  # number, frame, parts, checksum of all else
_PLACE = struct.Struct("<QQ")  # offset and size
_TABLE_BYTES = 8192
_PARTS_AT = 2 * _TABLE_BYTES
_MEMORY_BYTES = (
    _PARTS_AT + 5 * MAX_STATE_BYTES
)  # two states, and a gap for a third however they lie; unused, it is free

Place = tuple[int, int]
"""The offset and the size of a part."""


class StateTooLarge(ValueError):
    """The state exceeds a limit; the text is a sentence."""


@attrs.frozen(kw_only=True)
class KeptState:
    """One of the states in a memory."""

    number: int
    """Grows by one with each state."""
    index: int
    """The frame after which it was saved."""
    places: tuple[Place, ...]

    @property
    def size(self) -> int:
        """Its bytes."""
        return sum(size for _, size in self.places)


class _Part(NamedTuple):
    """A part of the newest state."""

    data: bytes
    place: Place
    packed: bytes
    """The place, as tables have it."""


class StateMemory:
    """The owner's side. What is read is the keeper's, and is not trusted but for its limits."""

    def __init__(self) -> None:
        self.fd = sized_memory("kinora-state", _MEMORY_BYTES, final=True)

    def newest(self, last: int) -> KeptState | None:
        """Return the newest state that was saved after frame ``last`` or an earlier one; None if there is none."""
        tables = os.pread(self.fd, _PARTS_AT, 0)
        states = (_read_table(tables[:_TABLE_BYTES]), _read_table(tables[_TABLE_BYTES:]))
        fitting = [state for state in states if state is not None and state.index <= last]
        return max(fitting, key=lambda state: state.number, default=None)

    def close(self) -> None:
        """Close the descriptor; the memory is freed once the keeper has none either."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class StateKeeper:
    """The keeper's side. It takes over the descriptor."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._number = 0
        self._newest: dict[int, _Part] = {}
        """By the identity of its bytes, which it holds."""
        self._used: list[Place] = []
        """Those of the two newest states, in order."""
        self._dropped: list[Place] = []
        """Those of them that only the older one has."""

    def save(self, index: int, parts: Sequence[bytes]) -> None:
        """Save the state after a frame.

        Raises:
            StateTooLarge: it is; the two newest states stay.
            OSError: there is no memory for it; the newest state stays.
        """
        size = sum(map(len, parts))
        if size > MAX_STATE_BYTES:
            raise StateTooLarge(f"the state has {size} bytes; at most {MAX_STATE_BYTES} are kept")
        if len(parts) > MAX_PARTS:
            raise StateTooLarge(f"the state has {len(parts)} parts; at most {MAX_PARTS} are kept")
        placed = self._write_parts(parts)
        table = _table(self._number + 1, index, [part.packed for part in placed])
        self._put(table, (self._number + 1) % 2 * _TABLE_BYTES)
        self._number += 1
        self._note_saved({id(part.data): part for part in placed})

    def _write_parts(self, parts: Sequence[bytes]) -> list[_Part]:
        """Write the parts that are new into gaps, and return all with their places."""
        fresh: dict[int, _Part] = {}
        placed = []
        for data in parts:
            part = self._newest.get(id(data)) or fresh.get(id(data))
            if part is None:
                place = _gap(sorted([*self._used, *(part.place for part in fresh.values())]), len(data))
                self._put(data, place[0])
                part = fresh[id(data)] = _Part(data, place, _PLACE.pack(*place))
            placed.append(part)
        return placed

    def _note_saved(self, newest: dict[int, _Part]) -> None:
        """Note that the state before the last is not needed any more."""
        before, self._newest = self._newest, newest
        for place in self._dropped:
            del self._used[bisect_left(self._used, place)]
        for key in newest.keys() - before.keys():
            insort(self._used, newest[key].place)
        self._dropped = [before[key].place for key in before.keys() - newest.keys()]

    def _put(self, data: bytes, at: int) -> None:
        _write_all(self._fd, data, at)


def read_state(fd: int, places: Sequence[Place]) -> bytes:
    """Read the parts of a state. Blocks for some milliseconds if they are large.

    Raises:
        EOFError: the memory ends before.
    """
    parts = [os.pread(fd, size, offset) for offset, size in places]
    state = b"".join(parts)
    if len(state) != sum(size for _, size in places):
        raise EOFError("the memory ends before the state does")
    return state


def hold_state(data: bytes) -> int:
    """Write a state into a memory of its own, in one part at its beginning, and return its descriptor. Blocks."""
    fd = os.memfd_create("kinora-state", os.MFD_CLOEXEC)
    try:
        _write_all(fd, data, 0)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _gap(used: Sequence[Place], size: int) -> Place:
    start = _PARTS_AT
    for offset, taken in used:
        if offset - start >= size:
            break
        start = max(start, offset + taken)
    if start + size > _MEMORY_BYTES:
        raise StateTooLarge("its parts leave no gap for this one: join them")
    return start, size


def _table(number: int, index: int, places: Sequence[bytes]) -> bytes:
    rest = b"".join(places)
    return _HEAD.pack(number, index, len(places), _checksum(number, index, rest)) + rest


def _checksum(number: int, index: int, rest: bytes) -> int:
    return zlib.crc32(rest, zlib.crc32(struct.pack("<Qq", number, index)))


def _read_table(table: bytes) -> KeptState | None:
    """The state of a table; None if there is none, or it was not written to its end, or it exceeds a limit."""
    number, index, count, checksum = _HEAD.unpack_from(table)
    rest = table[_HEAD.size : _HEAD.size + count * _PLACE.size]
    if not number or count > MAX_PARTS or checksum != _checksum(number, index, rest):
        return None
    state = KeptState(number=number, index=index, places=tuple(_PLACE.iter_unpack(rest)))
    return state if state.size <= MAX_STATE_BYTES else None


def _write_all(fd: int, data: bytes, offset: int) -> None:
    written = 0
    view = memoryview(data)
    while written < len(data):
        written += os.pwrite(fd, view[written:], offset + written)
