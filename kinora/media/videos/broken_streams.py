"""What streams lack that were cut out of longer ones, or joined of several."""

from __future__ import annotations

from fractions import Fraction

from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

MAX_BEGINNING = 10_000
"""The most packets before the first frame that are looked at for what is left out; further ones do not count."""
JOIN_S = 10.0
"""A step in time by more than this, or back, is where two recordings were joined, and nothing is lost there. FFmpeg
takes such steps for the same."""
GAP_S = 0.2
"""A step in time by at most this is no gap."""
BREAK_WITHIN = 4
"""The most packets from a marked one to the break that it was marked for."""


class Beginning:
    """The packets before the first frame that can be decoded."""

    def __init__(self) -> None:
        self.at_key = True
        """True unless the first packet refers to pictures before the beginning."""
        self._times: list[int | None] = []
        self._keys: list[bool] = []

    def add(self, packet: Packet[VideoStream]) -> None:
        """Note a packet."""
        if packet.size and not packet.is_discard and len(self._times) < MAX_BEGINNING:
            self._times.append(packet.pts)
            self._keys.append(packet.is_keyframe)
            self.at_key = self._keys[0]

    def left_out(self, first: VideoFrame) -> int:
        """The number of pictures before the first frame, which never come."""
        if first.pts is None or None in self._times:
            return self._keys.index(True) if True in self._keys else 0
        return sum(time < first.pts for time in self._times if time is not None)


class JoinedPieces:
    """Tells a stream that lost packets from one that was joined of several: both break off the packets' numbering.

    FFmpeg marks one of the last packets before such a break, which is whole where streams were joined.
    """

    def __init__(self, stream: VideoStream) -> None:
        tick = stream.time_base or Fraction(1)
        self._join_ticks, self._gap_ticks = JOIN_S / tick, GAP_S / tick
        self._last_dts: int | None = None
        self._lost = False
        self._undecided = 0
        """The packets within which a break must turn out to be a join, or else packets were lost."""

    @property
    def lost(self) -> bool:
        """True if packets were lost, as far as the stream was read."""
        return self._lost or self._undecided > 0

    def add(self, packet: Packet[VideoStream]) -> None:
        """Note a packet, in the order of the stream."""
        if packet.is_corrupt:
            self._undecided = BREAK_WITHIN
        if packet.dts is None:
            return
        if self._undecided and self._last_dts is not None:
            joined = self._is_join(packet.dts - self._last_dts, packet.is_keyframe)
            self._lost |= self._undecided == 1 and not joined
            self._undecided = 0 if joined else self._undecided - 1
        self._last_dts = packet.dts

    def _is_join(self, step: int, at_key: bool) -> bool:
        """True if a recording begins here: its clock is another one, or it goes on without a gap at a key frame."""
        return not 0 <= step <= self._join_ticks or (at_key and step <= self._gap_ticks)


class HeldBack:
    """Counts the packets whose pictures a decoder holds back: at the end it gives them all, unless one is damaged.

    PyAV stops there at the first damaged one, and leaves the others in the decoder without a word.
    """

    def __init__(self) -> None:
        self._held = 0
        self._usual: int | None = None
        """What it held back when the first picture came."""
        self._missing = 0

    def add(self, packet: Packet[VideoStream], pictures: int) -> None:
        """Note what came for a packet, which is empty at the end."""
        if not packet.size:
            self._missing = self._held - pictures if self._held == self._usual else 0
        self._held += bool(packet.size) and not packet.is_discard
        self._held -= pictures
        if pictures and self._usual is None:
            self._usual = self._held

    def lost(self, left_out: int) -> bool:
        """True if pictures were left in the decoder; ``left_out`` never came from it."""
        return self._missing > left_out
