"""H.265 in RTP (RFC 7798): single NAL units, several in a packet (AP), and fragments (FU)."""

from __future__ import annotations

from collections.abc import Iterator

from kinora.media.rtsp.h264 import sized
from kinora.media.rtsp.units import Format, Malformed, Piece

_VPS, _SPS, _PPS = 32, 33, 34
_LAST_PART = 31
_KEYS = range(16, 24)
"""Pictures at which a stream can be entered: BLA, IDR, CRA, and those kept for later."""
_LAST_SINGLE, _AP, _FU = 47, 48, 49
_HEAD = 2


def take_apart(payload: bytes) -> Iterator[Piece]:
    """The NAL units in a packet; none in one of an unknown kind, as makers have their own.

    Raises:
        Malformed: it is not what it says.
    """
    kind = _kind(payload)
    if not payload or kind > _FU:
        return
    if len(payload) <= _HEAD:
        raise Malformed
    if kind <= _LAST_SINGLE:
        yield Piece(payload)
    elif kind == _AP:
        yield from sized(payload[_HEAD:])
    elif kind == _FU and len(payload) > _HEAD + 1:
        fragment = payload[_HEAD]
        starts, ends = bool(fragment & 0x80), bool(fragment & 0x40)
        head = bytes([payload[0] & 0x81 | (fragment & 0x3F) << 1, payload[1]]) if starts else b""
        yield Piece(head + payload[_HEAD + 1 :], starts, ends)
    else:
        raise Malformed


def _kind(nal: bytes) -> int:
    return nal[0] >> 1 & 0x3F if nal else -1


H265 = Format(
    take_apart=take_apart,
    kind=_kind,
    sets=(_VPS, _SPS, _PPS),
    is_picture=lambda kind: 0 <= kind <= _LAST_PART,
    is_key=lambda nal: _kind(nal) in _KEYS,
    head=2,
)
