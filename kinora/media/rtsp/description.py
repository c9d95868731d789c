"""What a camera says that it sends (SDP, RFC 8866), and which part of it is watched."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Literal

import attrs

from kinora.media.rtsp.faults import no_video, unknown_codec

Codec = Literal["h264", "hevc", "mjpeg"]
MAX_MEDIA = 32
"""The parts of a description that are looked at; further ones are passed over."""
MAX_SET = 8 * 1024
"""The bytes of a parameter set; a longer one is passed over."""
_CODECS: Mapping[str, Codec] = {"H264": "h264", "H265": "hevc", "JPEG": "mjpeg"}
_STATIC = {26: "JPEG", 31: "H261", 32: "MPV"}
"""Payload types that need no name (RFC 3551)."""
_RATE = 90_000
_PROFILES = frozenset({"RTP/AVP", "RTP/AVPF", "RTP/AVP/TCP"})
_SETS = {"h264": ("sprop-parameter-sets",), "hevc": ("sprop-vps", "sprop-sps", "sprop-pps"), "mjpeg": ()}
_MEDIA = re.compile(r"(\S{1,32}) \S{1,32} (\S{1,32}) ([0-9]{1,3})(?: .*)?")
_MAPPED = re.compile(r"([0-9]{1,3}) +([!-.0-~]{1,32})/([0-9]{1,9})(?:/.*)?")
_SIZE = re.compile(r"(?:[0-9]{1,3} +)?([0-9]{1,5})[-x,]([0-9]{1,5})")


@attrs.frozen
class Track:
    """The part of a camera's stream that is watched."""

    codec: Codec
    payload_type: int
    ticks_per_s: int
    control: str
    """The URL that it is asked for by, whole or not."""
    parameter_sets: tuple[bytes, ...] = ()
    size: tuple[int, int] | None = None
    """Width and height, which MJPEG over RTP cannot say above 2040."""


@attrs.define
class _Media:
    kind: str
    profile: str
    payload_type: int
    attributes: dict[str, str] = attrs.field(factory=dict)
    """Those for the payload type, or for all."""

    def add(self, name: str, value: str) -> None:
        number, _, rest = value.partition(" ")
        if name in ("rtpmap", "fmtp"):
            if number != str(self.payload_type):
                return
            value = value if name == "rtpmap" else rest
        self.attributes.setdefault(name, value.strip())

    def encoding(self) -> tuple[str, int]:
        """Its name, and the ticks of its clock in a second."""
        if found := _MAPPED.fullmatch(self.attributes.get("rtpmap", "")):
            return found[2].upper(), int(found[3]) or _RATE
        return _STATIC.get(self.payload_type, ""), _RATE

    def parameters(self) -> dict[str, str]:
        """Those of the encoding, by their names in lower case."""
        parts = (part.partition("=") for part in self.attributes.get("fmtp", "").split(";"))
        return {name.strip().lower(): value.strip() for name, _, value in parts}

    def is_shuffled(self) -> bool:
        """True if its packets come in another order than they are decoded in."""
        found = self.parameters()
        return found.get("packetization-mode") == "2" or found.get("sprop-max-don-diff", "0") != "0"

    def kind_of_video(self) -> str:
        """What it is, for a message."""
        encoding = self.encoding()[0]
        what = encoding if encoding.isalnum() else "video of an unnamed kind"
        if self.profile not in _PROFILES:
            return f"{what} under encryption"
        return f"{what} in shuffled packets" if self.is_shuffled() else what


def find_track(name: str, description: bytes) -> tuple[str, Track]:
    """The control URL of the whole presentation, empty if there is none, and its first video that can be read.

    Raises:
        CameraError: there is none; the text calls the camera ``name``.
    """
    control, media = _parse(description.decode("utf-8", "replace"))
    videos = [part for part in media if part.kind == "video"]
    for part in videos:
        if (track := _track(part)) is not None:
            return control, track
    if not videos:
        raise no_video(name)
    raise unknown_codec(name, sorted({part.kind_of_video() for part in videos}))


def _parse(text: str) -> tuple[str, list[_Media]]:
    control, media = "", list[_Media]()
    for line in text.split("\n"):
        kind, _, value = line.partition("=")
        if kind == "m" and len(media) < MAX_MEDIA:
            found = _MEDIA.fullmatch(value.strip())
            media.append(_Media(found[1], found[2], int(found[3])) if found else _Media("", "", 0))
        elif kind == "a":
            name, _, rest = value.partition(":")
            if media:
                media[-1].add(name.lower(), rest)
            elif name.lower() == "control":
                control = rest.strip()
    return control, media


def _track(media: _Media) -> Track | None:
    encoding, ticks_per_s = media.encoding()
    codec = _CODECS.get(encoding)
    if codec is None or media.profile not in _PROFILES or media.is_shuffled():
        return None
    parameters = media.parameters()
    return Track(
        codec=codec,
        payload_type=media.payload_type,
        ticks_per_s=ticks_per_s,
        control=media.attributes.get("control", ""),
        parameter_sets=tuple(part for name in _SETS[codec] for part in _sets(parameters.get(name, ""))),
        size=_size(media.attributes),
    )


def _sets(value: str) -> Iterator[bytes]:
    for part in value.split(","):
        try:
            decoded = base64.b64decode(part + "=" * (-len(part) % 4))
        except (binascii.Error, ValueError):
            continue
        if len(decoded.rstrip(b"\0")) > 2 and len(decoded) <= MAX_SET:  # noqa: PLR2004 - the head of a NAL unit
            yield decoded


def _size(attributes: Mapping[str, str]) -> tuple[int, int] | None:
    for name in ("framesize", "x-dimensions"):
        if found := _SIZE.fullmatch(attributes.get(name, "").replace(", ", ",")):
            return int(found[1]), int(found[2])
    return None
