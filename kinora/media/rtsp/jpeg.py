"""JPEG in RTP (RFC 2435): a picture's scan in fragments, from which a whole JPEG is made."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import attrs

from kinora.media.rtsp.rtp import Order, RtpPacket, Unwrapped
from kinora.media.rtsp.units import MAX_UNIT, Malformed, Unit

_HEAD = 8
_RESTARTS = 64
"""Types from here on have a restart interval."""
_OWN_TABLES = 128
"""From this quality on the tables come with the picture."""
_TABLE = 64
_BLOCK = 8
_END = b"\xff\xd9"
# Annex K of the JPEG standard, in zigzag order: RFC 2435, appendix A, scales them by the quality.
_LUMA = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d51575f626768673e4d71"
    "79706478 5c656763".replace(" ", "")
)
_CHROMA = bytes.fromhex("1112121815182f1a1a2f63423842" + "63" * 50)
# The Huffman tables of Annex K: for each the numbers of codes by length, then the values.
_HUFFMAN = {
    0x00: "00010501010101010100000000000000" + "000102030405060708090a0b",
    0x10: "0002010303020403050504040000017d"
    "01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a34353637"
    "38393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a92939495969798999aa2a3"
    "a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa",
    0x01: "00030101010101010101010000000000" + "000102030405060708090a0b",
    0x11: "00020102040403040705040400010277"
    "000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a262728292a3536"
    "3738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485868788898a92939495969798999a"
    "a2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa",
}


@attrs.frozen
class _Shape:
    """What all packets of a picture have in common."""

    kind: int
    quality: int
    width: int
    height: int
    restart_interval: int


class JpegDepacketizer:
    """Makes JPEGs of packets; one that lacks a packet is left out."""

    def __init__(self, size: tuple[int, int] | None = None) -> None:
        """``size`` is what a picture has that does not say its own."""
        self.lost = False
        self._size = size
        self._order = Order()
        self._clock = Unwrapped()
        self._tables: dict[int, bytes] = {}
        """Quality → the tables that came with it last, as some cameras send them once; 127 at most."""
        self._shape: _Shape | None = None
        self._scan = bytearray()
        self._timestamp = 0
        self._gap = True

    def add(self, packet: RtpPacket) -> Iterator[Unit]:
        """Take the next packet; give the picture that is whole by it."""
        follows = self._order.judge(packet)
        if follows is None:
            return
        timestamp = self._clock.read(packet.timestamp)
        if not follows or (self._shape is not None and timestamp != self._timestamp):
            self._lose()
        self._timestamp = timestamp
        try:
            self._take(packet.payload)
            if packet.marker and self._shape is not None:
                data = self._head(self._shape) + self._scan
                yield Unit(data if data.endswith(_END) else data + _END, timestamp, is_key=True, after_gap=self._gap)
                self._shape, self._gap = None, False
        except (Malformed, struct.error, IndexError):
            self._lose()

    def _lose(self) -> None:
        self.lost |= not self._gap
        self._shape, self._gap = None, True

    def _take(self, payload: bytes) -> None:
        offset = int.from_bytes(payload[1:4], "big")
        kind, quality, width, height = struct.unpack_from("4B", payload, 4)
        at, restart_interval = _HEAD, 0
        if kind >= _RESTARTS:
            (restart_interval,) = struct.unpack_from(">H", payload, at)
            at += 4
        shape = _Shape(kind, quality, width * _BLOCK, height * _BLOCK, restart_interval)
        if offset == 0:
            self._shape = shape
            self._scan = bytearray()
            if quality >= _OWN_TABLES:
                at += self._take_tables(payload[at:], quality)
        if shape != self._shape or offset != len(self._scan):
            raise Malformed
        self._scan += payload[at:]
        if len(self._scan) > MAX_UNIT:
            raise Malformed

    def _take_tables(self, payload: bytes, quality: int) -> int:
        """Remember the tables, and return the bytes that they take."""
        precision, length = struct.unpack_from(">xBH", payload)
        tables = payload[4 : 4 + length]
        if precision or len(tables) < length or length not in (0, _TABLE, 2 * _TABLE):
            raise Malformed
        if length:
            self._tables[quality] = tables
        return 4 + len(tables)

    def _head(self, shape: _Shape) -> bytes:
        """All of a JPEG that comes before its scan.

        Raises:
            Malformed: it is of an unknown type, or its size or its tables are not known.
        """
        if shape.kind % _RESTARTS > 1 or shape.kind >= 2 * _RESTARTS:
            raise Malformed
        width, height = (shape.width, shape.height) if shape.width and shape.height else self._size or (0, 0)
        tables = self._tables.get(shape.quality, b"") if shape.quality >= _OWN_TABLES else scaled(shape.quality)
        if not width or not height or not tables:
            raise Malformed
        luma, chroma = tables[:_TABLE], tables[_TABLE:] or tables
        parts = [b"\xff\xd8", _segment(0xDB, b"\0" + luma + b"\1" + chroma)]
        if shape.restart_interval:
            parts.append(_segment(0xDD, shape.restart_interval.to_bytes(2, "big")))
        luma_sampling = 0x22 if shape.kind % _RESTARTS else 0x21
        frame = struct.pack(">BHHB9B", 8, height, width, 3, 1, luma_sampling, 0, 2, 0x11, 1, 3, 0x11, 1)
        parts.append(_segment(0xC0, frame))
        parts += [_segment(0xC4, bytes([name]) + bytes.fromhex(table)) for name, table in _HUFFMAN.items()]
        parts.append(_segment(0xDA, bytes.fromhex("03 01 00 02 11 03 11 00 3f 00")))
        return b"".join(parts)


def scaled(quality: int) -> bytes:
    """The tables of a quality from 1 to 99, luma then chroma.

    Raises:
        Malformed: there are none for it.
    """
    if not 1 <= quality < 100:  # noqa: PLR2004 - as the standard has it
        raise Malformed
    factor = 5000 // quality if quality < 50 else 200 - 2 * quality  # noqa: PLR2004 - as above
    return bytes(min(255, max(1, (entry * factor + 50) // 100)) for entry in _LUMA + _CHROMA)


def _segment(mark: int, body: bytes) -> bytes:
    return bytes([0xFF, mark]) + (len(body) + 2).to_bytes(2, "big") + body
