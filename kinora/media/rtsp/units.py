"""Puts access units, which are coded pictures, together from RTP's packets: H.264 and H.265."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import attrs

from kinora.media.arrival import clock_s
from kinora.media.rtsp.rtp import Order, RtpPacket, Unwrapped

MAX_UNIT = 16 * 2**20
"""The bytes of an access unit; a larger one is left out, with all up to the next key frame."""
MAX_SETS = 64 * 1024
"""The bytes of the parameter sets of a kind that are kept; more of them are passed on, and not kept."""
_START = b"\0\0\0\1"


@attrs.frozen
class Unit:
    """A coded picture, whole, with what is needed to enter the stream at it if it is a key frame."""

    data: bytes
    timestamp: int
    """In ticks of the track's clock, which does not wrap."""
    is_key: bool
    after_gap: bool
    """True if pictures before it are missing."""
    received_s: float = attrs.field(factory=clock_s, eq=False)
    """When its last packet came, by :func:`~kinora.media.arrival.clock_s`."""


class Malformed(Exception):
    """A packet's payload breaks the rules of its format."""


@attrs.frozen
class Piece:
    """A NAL unit, or a part of one."""

    data: bytes
    starts: bool = True
    ends: bool = True


@attrs.frozen(kw_only=True)
class Format:
    """The rules of a codec in RTP."""

    take_apart: Callable[[bytes], Iterable[Piece]]
    """The NAL units in a payload; raises Malformed."""
    kind: Callable[[bytes], int]
    """The type of a NAL unit that begins so."""
    sets: Sequence[int]
    """The types of parameter sets, in the order in which a decoder needs them."""
    is_picture: Callable[[int], bool]
    """True for the types that hold a part of a picture."""
    is_key: Callable[[bytes], bool]
    """True for a NAL unit, or its beginning, that makes its picture one to enter the stream at."""
    head: int
    """The bytes of a NAL unit's head. Behind it, the first bit of a picture's first part is 1."""


class Depacketizer(Protocol):
    """Makes access units of packets."""

    @property
    def lost(self) -> bool:
        """True once packets were missing, or could not be used."""

    def add(self, packet: RtpPacket) -> Iterator[Unit]:
        """Take the next packet; give what is whole by it."""


class NalDepacketizer:
    """Makes access units of NAL units.

    Nothing is given before the parameter sets and a key frame have come, nor between a loss and the next key frame. A
    fragment without its start is never used. A picture ends with the marker, or where another time begins.
    """

    def __init__(self, rules: Format, known: Sequence[bytes] = ()) -> None:
        """``known`` are parameter sets that were told before."""
        self.lost = False
        self._format = rules
        self._order = Order()
        self._clock = Unwrapped()
        self._known: dict[int, list[bytes]] = {kind: [] for kind in rules.sets}
        for one in known:
            self._known.get(rules.kind(one), []).append(one)
        self._waits = True
        """True until a key frame has come."""
        self._trusts_marker = True
        """False once the marker was seen in the middle of a picture."""
        self._given: int | None = None
        """The time of the picture that was given last."""
        self._timestamp = 0
        self._unsure = True
        """True if the next NAL unit may not be the first of its picture."""
        self._clear()

    def add(self, packet: RtpPacket) -> Iterator[Unit]:
        """Take the next packet; give what is whole by it."""
        follows = self._order.judge(packet)
        if follows is None:
            return
        if not follows:
            self._lose()
        if (timestamp := self._clock.read(packet.timestamp)) != self._timestamp:
            yield from self._finish()
            self._timestamp = timestamp
            self._whole = True
        try:
            for piece in self._format.take_apart(packet.payload):
                yield from self._take(piece)
        except Malformed:
            self._lose()
        if packet.marker and self._trusts_marker:
            yield from self._finish()

    def _clear(self) -> None:
        self._data = bytearray()
        self._whole = True
        self._is_open = False
        """True if the last NAL unit lacks its end."""
        self._nal_at = 0
        self._has_picture = self._is_key = False
        self._own: dict[int, list[bytes]] = {}
        """Parameter sets in this unit."""

    def _lose(self) -> None:
        """Give up this picture, and all up to a key frame."""
        self.lost |= not self._waits
        self._clear()
        self._whole = False
        self._waits = self._unsure = True

    def _take(self, piece: Piece) -> Iterator[Unit]:
        if piece.starts == self._is_open:  # a fragment without its start, or a start within another
            self._lose()
            if not piece.starts:
                return
        if piece.starts:
            yield from self._begin(piece.data)
        self._data += piece.data
        self._is_open = not piece.ends
        if piece.ends:
            self._end()
        if len(self._data) > MAX_UNIT:
            self._lose()

    def _begin(self, nal: bytes) -> Iterator[Unit]:
        kind = self._format.kind(nal)
        is_picture = self._format.is_picture(kind)
        is_first = not is_picture or nal[self._format.head : self._format.head + 1] >= b"\x80"
        if self._has_picture and is_picture and is_first:
            yield from self._finish()
        if self._unsure:
            self._whole &= is_first
            self._unsure = False
        if is_picture and not is_first and not self._has_picture and self._given == self._timestamp:
            self._trusts_marker = False
            self._lose()
        self._has_picture |= is_picture
        self._is_key |= self._format.is_key(nal)
        self._data += _START
        self._nal_at = len(self._data)

    def _end(self) -> None:
        kind = self._format.kind(bytes(self._data[self._nal_at : self._nal_at + 2]))
        if kind in self._known:
            self._own.setdefault(kind, []).append(bytes(self._data[self._nal_at :]))

    def _finish(self) -> Iterator[Unit]:
        """Give the picture if it is whole; parameter sets alone wait for the picture that they belong to."""
        if self._is_open:
            self._lose()
        if not self._has_picture:
            return
        self._known |= {kind: sets for kind, sets in self._own.items() if sum(map(len, sets)) <= MAX_SETS}
        missing = [kind for kind in self._format.sets if kind not in self._own]
        if not self._whole:
            self.lost |= not self._waits
            self._waits = True
        elif (self._is_key and all(self._known[kind] for kind in missing)) or not self._waits:
            before = [_START + one for kind in missing for one in self._known[kind]] if self._is_key else []
            self._given = self._timestamp
            yield Unit(b"".join((*before, self._data)), self._timestamp, self._is_key, self._waits)
            self._waits = False
        self._clear()
