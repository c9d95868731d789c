"""RTP's packets (RFC 3550), their order and their clock."""

from __future__ import annotations

import struct

import attrs

JUMP_MS, BACK_MS = 10_000.0, 1000.0
"""A step of the clock by so much more than time has passed, or by so much back, is where the camera has set it anew.
Smaller steps back are those of pictures that are sent before others, and shown after them."""
_HEAD = struct.Struct(">BBHI4x")
_VERSION = 2
_WRAP = 1 << 32


@attrs.frozen
class RtpPacket:
    """One packet."""

    payload_type: int
    marker: bool
    """Set on the last packet of a picture, mostly."""
    sequence: int
    timestamp: int
    payload: bytes


def parse_rtp(data: bytes) -> RtpPacket | None:
    """Take a packet apart; None if the bytes are not one."""
    if len(data) < _HEAD.size:
        return None
    first, second, sequence, timestamp = _HEAD.unpack_from(data)
    begin, end = _HEAD.size + 4 * (first & 0x0F), len(data)
    if first & 0x10:  # an extension
        if begin + 4 > end:
            return None
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if first & 0x20:  # padding, which says its own length
        end -= data[-1] or end
    if first >> 6 != _VERSION or begin > end:
        return None
    return RtpPacket(second & 0x7F, bool(second & 0x80), sequence, timestamp, data[begin:end])


class Order:
    """Finds out which packets are missing: over TCP none comes late."""

    def __init__(self) -> None:
        self._last: int | None = None

    def judge(self, packet: RtpPacket) -> bool | None:
        """True if the packet follows the one before, or is the first; False if others are missing; None for a copy."""
        last, self._last = self._last, packet.sequence
        if last == packet.sequence:
            return None
        return last is None or packet.sequence == (last + 1) % 2**16


class Unwrapped:
    """A clock of 32 bits that goes on where that begins anew."""

    def __init__(self) -> None:
        self._last: int | None = None

    def read(self, timestamp: int) -> int:
        """The timestamp, as near to the one before as can be."""
        if self._last is None:
            self._last = timestamp
        step = (timestamp - self._last) % _WRAP
        self._last += step - _WRAP if step >= _WRAP // 2 else step
        return self._last


class PictureClock:
    """Turns a camera's timestamps into milliseconds since its first picture; they never decrease."""

    def __init__(self, ticks_per_s: int) -> None:
        self._ms_per_tick = 1000 / ticks_per_s
        self._last: tuple[int, float] | None = None
        """The timestamp of the picture before, and when it was read."""
        self._at_ms = 0.0
        self._shown_ms = 0.0

    def read(self, timestamp: int | None, now_s: float) -> float:
        """The next picture's time, which is read at ``now_s`` by a clock of this machine's.

        That one goes on where the picture has no timestamp, or the camera's clock was set anew.
        """
        ticks, read_s = self._last or (timestamp or 0, now_s)
        passed_ms = (now_s - read_s) * 1000
        step_ms = passed_ms if timestamp is None else (timestamp - ticks) * self._ms_per_tick
        self._last = ticks if timestamp is None else timestamp, now_s
        self._at_ms += step_ms if -BACK_MS <= step_ms <= passed_ms + JUMP_MS else passed_ms
        self._shown_ms = max(self._shown_ms, self._at_ms)
        return round(self._shown_ms, 3)
