"""H.264 in RTP (RFC 6184): single NAL units, several in a packet (STAP-A), and fragments (FU-A)."""

from __future__ import annotations

from collections.abc import Iterator

from kinora.media.rtsp.units import Format, Malformed, Piece

_IDR, _SEI, _SPS, _PPS = 5, 6, 7, 8
_LAST_PART = 5
_LAST_SINGLE, _STAP_A, _FU_A = 23, 24, 28
_UNKNOWN = (0, 30, 31)
"""Types that the standard leaves open; 0 stands for an empty packet too."""
_RECOVERY_POINT = 6
_SIZE = 2


def take_apart(payload: bytes) -> Iterator[Piece]:
    """The NAL units in a packet; none in one of an unknown kind, as makers have their own.

    Raises:
        Malformed: it is not what it says, or of a kind that was not agreed on.
    """
    kind = _kind(payload)
    if kind in _UNKNOWN:
        return
    if kind <= _LAST_SINGLE:
        yield Piece(payload)
    elif kind == _STAP_A:
        yield from sized(payload[1:])
    elif kind == _FU_A and len(payload) > 2:  # noqa: PLR2004 - the two bytes of its head
        starts, ends = bool(payload[1] & 0x80), bool(payload[1] & 0x40)
        head = bytes([payload[0] & 0xE0 | payload[1] & 0x1F]) if starts else b""
        yield Piece(head + payload[2:], starts, ends)
    else:
        raise Malformed


def sized(payload: bytes) -> Iterator[Piece]:
    """NAL units, each behind its length of two bytes.

    Raises:
        Malformed: a length leads beyond the end, or is 0.
    """
    at = 0
    while at < len(payload):
        begin = at + _SIZE
        at = begin + int.from_bytes(payload[at:begin], "big")
        if not begin < at <= len(payload):
            raise Malformed
        yield Piece(payload[begin:at])


def _kind(nal: bytes) -> int:
    return nal[0] & 0x1F if nal else 0


def _is_key(nal: bytes) -> bool:
    """True for an IDR picture, and for the point from which a stream without them can be entered."""
    return _kind(nal) == _IDR or (_kind(nal) == _SEI and nal[1:2] == bytes([_RECOVERY_POINT]))


H264 = Format(
    take_apart=take_apart,
    kind=_kind,
    sets=(_SPS, _PPS),
    is_picture=lambda kind: 0 < kind <= _LAST_PART,
    is_key=_is_key,
    head=1,
)
