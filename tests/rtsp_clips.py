"""Clips as RTSP cameras send them: FFmpeg's packets, cut into RTP's."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import count
from typing import Literal

import attrs
import av
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from tests.media.videos import Image

Codec = Literal["h264", "hevc", "mjpeg"]
ENCODERS = {"h264": "libx264", "hevc": "libx265", "mjpeg": "mjpeg"}
NAMES = {"h264": "H264", "hevc": "H265", "mjpeg": "JPEG"}
FPS = 25
TICKS = 90_000 // FPS
MTU = 700
X265 = ("min-keyint=1", "scenecut=0", "repeat-headers=1", "log-level=none", "pools=none")
PAYLOAD_TYPE = 96
_NAL = re.compile(rb"\x00\x00\x00?\x01")
_SETS = {
    "h264": {7: "sprop-parameter-sets", 8: "sprop-parameter-sets"},
    "hevc": {32: "sprop-vps", 33: "sprop-sps", 34: "sprop-pps"},
    "mjpeg": {},
}


@attrs.frozen
class Coded:
    """A coded picture."""

    data: bytes
    pts: int
    """Its number in the order in which pictures are shown."""


@attrs.frozen
class Clip:
    """Coded pictures, in the order in which they are sent."""

    codec: Codec
    pictures: Sequence[Coded]


def encode(codec: Codec, images: Iterable[Image], key_every: int = 10, b_frames: int = 0) -> Clip:
    """Encode pictures of one size, as a camera does: without delay, unless there are B-frames."""
    encoder: VideoCodecContext | None = None
    pictures: list[Coded] = []
    for number, image in enumerate(images):
        encoder = encoder or _encoder(codec, image, key_every, b_frames)
        frame = VideoFrame.from_ndarray(image, format="bgr24").reformat(format=encoder.pix_fmt)
        frame.pts, frame.time_base = number, Fraction(1, FPS)
        pictures += (Coded(bytes(packet), packet.pts or 0) for packet in encoder.encode(frame))
    if encoder is not None:
        pictures += (Coded(bytes(packet), packet.pts or 0) for packet in encoder.encode(None))
    return Clip(codec, pictures)


def _encoder(codec: Codec, image: Image, key_every: int, b_frames: int) -> VideoCodecContext:
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.height, encoder.width = image.shape[:2]
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    speed = {"preset": "ultrafast"} if b_frames else {"preset": "ultrafast", "tune": "zerolatency"}
    encoder.options = {
        "h264": {**speed, "g": str(key_every), "bf": str(b_frames), "x264-params": "scenecut=0:repeat-headers=1"},
        "hevc": {**speed, "x265-params": ":".join([*X265, f"bframes={b_frames}", f"keyint={key_every}"])},
        "mjpeg": {"huffman": "default", "qmin": "2", "qmax": "3"},
    }[codec]
    return encoder


def nal_units(data: bytes) -> list[bytes]:
    """The NAL units of a picture, by their start codes."""
    return [part for part in _NAL.split(data) if part]


def kind(codec: Codec, nal: bytes) -> int:
    """The type of a NAL unit."""
    return nal[0] & 0x1F if codec == "h264" else nal[0] >> 1 & 0x3F


def is_set(codec: Codec, nal: bytes) -> bool:
    """True for parameter sets."""
    return kind(codec, nal) in _SETS[codec]


def describe(clip: Clip, *, sets: bool = True, control: str = "track1") -> str:
    """What a camera says of a clip, with its parameter sets or without."""
    named: dict[str, list[str]] = {}
    for nal in nal_units(clip.pictures[0].data) if clip.codec != "mjpeg" and sets else ():
        if is_set(clip.codec, nal):
            named.setdefault(_SETS[clip.codec][kind(clip.codec, nal)], []).append(base64.b64encode(nal).decode())
    parameters = ";".join(f"{name}={','.join(values)}" for name, values in named.items())
    payload_type = payload_type_of(clip.codec)
    lines = [
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "t=0 0", "a=control:*"),
        *("m=audio 0 RTP/AVP 0", "a=control:track0"),
        f"m=video 0 RTP/AVP {payload_type}",
        f"a=rtpmap:{payload_type} {NAMES[clip.codec]}/90000",
        f"a=fmtp:{payload_type} packetization-mode=1;{parameters}",
        f"a=control:{control}",
    ]
    return "".join(f"{line}\r\n" for line in lines)


def payload_type_of(codec: Codec) -> int:
    """The one that a codec is sent as."""
    return 26 if codec == "mjpeg" else PAYLOAD_TYPE


def payloads(codec: Codec, data: bytes, *, sets: bool = True) -> list[bytes]:
    """The payloads that a picture is sent in: parameter sets in one, long NAL units in fragments."""
    if codec == "mjpeg":
        return list(_jpeg_payloads(data))
    nals = nal_units(data)
    own = [nal for nal in nals if is_set(codec, nal)]
    rest = [nal for nal in nals if nal not in own]
    made = [_together(codec, own)] if own and sets else []
    return made + [part for nal in rest for part in _fragments(codec, nal)]


def _together(codec: Codec, nals: Sequence[bytes]) -> bytes:
    head = bytes([24]) if codec == "h264" else bytes([48 << 1, 1])
    return head + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


def _fragments(codec: Codec, nal: bytes) -> Iterator[bytes]:
    if len(nal) <= MTU:
        yield nal
        return
    size = 1 if codec == "h264" else 2
    head = bytes([nal[0] & 0xE0 | 28]) if codec == "h264" else bytes([nal[0] & 0x81 | 49 << 1, nal[1]])
    for at in range(size, len(nal), MTU):
        marks = (0x80 if at == size else 0) | (0x40 if at + MTU >= len(nal) else 0)
        yield head + bytes([marks | kind(codec, nal)]) + nal[at : at + MTU]


def _jpeg_payloads(jpeg: bytes) -> Iterator[bytes]:
    tables, restarts, width, height, sampling, at = b"", b"", 0, 0, 0, 2
    while (mark := jpeg[at + 1]) != 0xDA:
        size = int.from_bytes(jpeg[at + 2 : at + 4], "big")
        body = jpeg[at + 4 : at + 2 + size]
        if mark == 0xDB:
            tables += b"".join(body[begin + 1 : begin + 65] for begin in range(0, len(body), 65))
        elif mark == 0xDD:
            restarts = body + b"\xff\xff"
        elif mark == 0xC0:
            height, width, sampling = *struct.unpack_from(">HH", body, 1), body[7]
        at += 2 + size
    scan = jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :].removesuffix(b"\xff\xd9")
    for offset in range(0, len(scan), MTU):
        head = struct.pack(">I4B", offset, int(sampling == 0x22) | 64 * bool(restarts), 255, width // 8, height // 8)
        own = struct.pack(">BBH", 0, 0, len(tables)) + tables if not offset else b""
        yield head + restarts + own + scan[offset : offset + MTU]


def rtp_packets(clip: Clip, *, sets: bool = True, first: int = 0, sequence: int = 65_500) -> Iterator[list[bytes]]:
    """The RTP packets of each picture; the sequence numbers and the clock come to their ends on the way."""
    numbers = count(sequence)
    payload_type = payload_type_of(clip.codec)
    for picture in clip.pictures:
        parts = payloads(clip.codec, picture.data, sets=sets)
        timestamp = (2**32 - 5 * TICKS + (first + picture.pts) * TICKS) % 2**32
        yield [
            rtp(part, next(numbers), timestamp, marker=part is parts[-1], payload_type=payload_type) for part in parts
        ]


def rtp(payload: bytes, sequence: int, timestamp: int, *, marker: bool, payload_type: int = PAYLOAD_TYPE) -> bytes:
    """One RTP packet."""
    return struct.pack(">BBHII", 0x80, marker << 7 | payload_type, sequence % 2**16, timestamp, 7) + payload


def framed(packet: bytes, channel: int = 0) -> bytes:
    """A packet as it stands between RTSP's messages."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet
