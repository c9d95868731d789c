"""IVF, the simplest container for VP9 and AV1, by which FFmpeg finds out what raw packets are."""

from __future__ import annotations

import struct
from collections.abc import Sequence

FOURCC = {"vp9": b"VP90", "av1": b"AV01"}
"""Codec, by FFmpeg's name → the container's name of it."""
_HEAD = struct.Struct("<4sHH4sHHIII4x")
_HEAD_OF_PACKET = struct.Struct("<IQ")
_TICKS = 1000


def ivf_of(codec: str, packets: Sequence[bytes | memoryview]) -> bytes:
    """A file of these packets: without the size of their pictures, and with their numbers in place of times."""
    head = _HEAD.pack(b"DKIF", 0, _HEAD.size, FOURCC[codec], 0, 0, _TICKS, 1, len(packets))
    parts = (part for number, data in enumerate(packets) for part in (_HEAD_OF_PACKET.pack(len(data), number), data))
    return b"".join([head, *parts])
