"""The newest encoded packets of a live source, in memory that outlives the decoder which keeps them.

The memory is one ``memfd``: its owner, the server, never looks into it; a decoder maps it and writes; the process that
makes a clip reads it, also while the decoder goes on. Behind a head, the packets stand one after the other in an area
that is used round and round. They are counted in bytes since the first one, so that a reader knows what was overwritten
while it read. The first packet is always a key frame. Light to import.
"""

from __future__ import annotations

import math
import mmap
import os
import struct
from collections import deque
from collections.abc import Iterator
from contextlib import suppress

import attrs

from kinora.runtime.shared_memory.sized_memory import sized_memory

KEPT_BYTES = 64 * 2**20
"""The most bytes that are kept of a connection. Beyond it the oldest go, from key frame to key frame, however new they
are: a clip that needs them begins later."""
CODECS = ("h264", "hevc", "vp9", "av1", "mjpeg", "png")
"""The codecs, by FFmpeg's names, whose packets are kept: each key frame says by itself how it is decoded."""
_PAGE = mmap.PAGESIZE
_BLOCK = 2**20
"""What is given back to the system at a time."""
_AREA = KEPT_BYTES + _BLOCK
_HEAD = struct.Struct("=QQ8s")  # where the first packet is, where the last one ends, the codec
_PACKET = struct.Struct("=QdqI?")  # where it is, to be checked; when it came, its time, its bytes, if it is a key frame
_LATEST_US = 2**53
"""Times beyond it, before or after 0, are nonsense."""


@attrs.frozen
class KeptPacket:
    """A coded picture as it came."""

    data: bytes | memoryview = attrs.field(repr=False)
    """H.264 and H.265 with start codes."""
    time_us: int
    """When it is shown, by the source's clock."""
    came_s: float
    """When it came, by :func:`~kinora.media.arrival.clock_s`."""
    is_key: bool


class PacketMemory:
    """The owner's side."""

    def __init__(self) -> None:
        self.fd = sized_memory("kinora-packets", _PAGE + _AREA, final=True)

    def close(self) -> None:
        """Close the descriptor; the memory is freed once no process has it any more."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1


class PacketWriter:
    """The decoder's side. It takes over the descriptor."""

    def __init__(self, fd: int, codec: str, keep_s: float) -> None:
        """Packets stay for ``keep_s``, and those that they refer to."""
        try:
            self._map = mmap.mmap(fd, _PAGE + _AREA, flags=mmap.MAP_SHARED)
        finally:
            os.close(fd)
        self._codec = codec.encode()
        self._keep_s = keep_s
        self._keys = deque[tuple[int, float]]()
        """Where each key frame is, and when it came."""
        self._end = 0
        self._freed = 0
        """Blocks before this one were given back."""

    def add(self, packet: KeptPacket) -> None:
        """Keep a packet, unless it is larger than all that is kept, or no key frame before it is kept.

        One whose time is nonsense is left out.
        """
        if abs(packet.time_us) > _LATEST_US:
            return
        needed = _PACKET.size + len(packet.data)
        if packet.is_key:
            self._keys.append((self._end, packet.came_s))
        self._let_go(packet.came_s - self._keep_s, needed)
        if not self._keys:
            return
        head = _PACKET.pack(self._end, packet.came_s, packet.time_us, len(packet.data), packet.is_key)
        self._put(head, self._end)
        self._put(packet.data, self._end + len(head))
        self._end += needed
        self._write_head()

    def _let_go(self, before_s: float, needed: int) -> None:
        """Let go what is too old, and what has no room beside ``needed`` bytes."""
        keys = self._keys
        while len(keys) > 1 and keys[1][1] <= before_s:
            keys.popleft()
        while keys and self._end + needed - keys[0][0] > KEPT_BYTES:
            keys.popleft()
        self._write_head()  # before anything is overwritten
        first_block = self._begin // _BLOCK
        with suppress(OSError):  # a system that cannot take it back: the area has its bound all the same
            for block in range(self._freed, first_block):
                self._map.madvise(mmap.MADV_REMOVE, _PAGE + block * _BLOCK % _AREA, _BLOCK)
        self._freed = first_block

    @property
    def _begin(self) -> int:
        return self._keys[0][0] if self._keys else self._end

    def _write_head(self) -> None:
        self._map[: _HEAD.size] = _HEAD.pack(self._begin, self._end, self._codec)

    def _put(self, data: bytes | memoryview, at: int) -> None:
        place, view = at % _AREA, memoryview(data)
        fits = min(len(view), _AREA - place)
        self._map[_PAGE + place : _PAGE + place + fits] = view[:fits]
        self._map[_PAGE : _PAGE + len(view) - fits] = view[fits:]


def read_packets(fd: int) -> tuple[str | None, list[KeptPacket]]:
    """Return the codec, None if no decoder has written, and the packets from a key frame on, in order. Blocks.

    Who writes is not trusted: the packets end where one is not well-formed.
    """
    begin, end, codec = _read_head(fd)
    name = codec.rstrip(b"\0").decode("ascii", "replace")
    if name not in CODECS or not 0 < end - begin <= KEPT_BYTES:
        return (name if name in CODECS else None), []
    place = begin % _AREA
    data = os.pread(fd, min(end - begin, _AREA - place), _PAGE + place)
    data += os.pread(fd, end - begin - len(data), _PAGE)
    still_from, _, _ = _read_head(fd)
    return name, list(_packets_in(data, begin, max(0, still_from - begin)))


def _read_head(fd: int) -> tuple[int, int, bytes]:
    begin, end, codec = _HEAD.unpack(os.pread(fd, _HEAD.size, 0))
    return begin, end, codec


def _packets_in(data: bytes, begin: int, at: int) -> Iterator[KeptPacket]:
    view = memoryview(data)
    while at + _PACKET.size <= len(data):
        position, came_s, time_us, size, is_key = _PACKET.unpack_from(data, at)
        packet = view[at + _PACKET.size : at + _PACKET.size + size]
        if position != begin + at or len(packet) < size or abs(time_us) > _LATEST_US or not math.isfinite(came_s):
            return
        yield KeptPacket(packet, time_us, came_s, is_key)
        at += _PACKET.size + size
