"""Cuts a clip out of a video: its packets are copied into an MP4, and no picture is decoded or encoded."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import takewhile
from pathlib import Path
from typing import Self

import attrs
import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from kinora.media.files.part_file import part_file
from kinora.media.messages import CLIP_BYTES
from kinora.media.source_types import SourceError
from kinora.media.videos.seeking import SEEKABLE

INDEXED = SEEKABLE | {"avi"}
"""The containers that tell where a key frame is."""
SEEK_BACK_S = 10
"""The seconds before a clip at which reading begins in others, where a jump may lead behind its aim."""
HEVC, HEVC_TAG = "hevc", "hvc1"
"""Safari shows H.265 under this tag only."""
OPTIONS = {"movflags": "+faststart"}
"""The index comes first, so that a browser shows the clip while it loads."""


@attrs.frozen
class Cut:
    """A clip that was cut, in milliseconds of the video."""

    start_ms: float
    """Its first picture: the key frame at the wanted start, or before it."""
    duration_ms: float
    codec: str
    """FFmpeg's name of how its pictures are coded."""


@attrs.frozen(kw_only=True)
class Part:
    """A part of a stream, in its ticks."""

    tick: Fraction
    """In seconds."""
    zero: int
    """Where time begins."""
    start: int
    end: int

    @classmethod
    def between(cls, start_ms: float, end_ms: float, *, zero: int, tick: Fraction) -> Self:
        """The part between two times after ``zero``."""
        start, end = (zero + round(Fraction(ms) / 1000 / tick) for ms in (max(0.0, start_ms), end_ms))
        return cls(tick=tick, zero=zero, start=start, end=end)


def cut_clip(
    container: InputContainer, stream: VideoStream, out: Path, *, first_pts: int, start_ms: float, end_ms: float
) -> Cut:
    """Write what is between two times after the picture at ``first_pts`` into the MP4 ``out``.

    Raises:
        SourceError: there is no such part, or it cannot be in an MP4.
        OSError: the file cannot be written.
    """
    part = Part.between(start_ms, end_ms, zero=first_pts, tick=Fraction(stream.time_base or Fraction(1, 1000)))
    aim = part.start if container.format.name in INDEXED else part.start - round(SEEK_BACK_S / part.tick)
    if aim > first_pts:
        _seek(container, stream, aim)
    return write_part(stream, container.demux(stream), part, out)


def write_part(template: VideoStream, packets: Iterator[Packet[VideoStream]], part: Part, out: Path) -> Cut:
    """Write those packets of a stream that are in a part into the MP4 ``out``.

    ``template`` is a stream of the same codec. Raises as :func:`cut_clip`.
    """
    wanted = _wanted(packets, part.start, part.end)
    ended = max((_time(packet) + (packet.duration or 1) for packet in wanted), default=part.start)
    if ended <= part.start:
        raise SourceError("unreadable", "The video has no pictures at this time.")
    began = _time(wanted[0])
    _write(template, wanted, out)
    ms_per_tick = float(part.tick) * 1000
    codec = template.codec_context.codec.canonical_name
    return Cut(round((began - part.zero) * ms_per_tick, 1), round((ended - began) * ms_per_tick, 1), codec)


def _seek(container: InputContainer, stream: VideoStream, at: int) -> None:
    """Go to the last key frame at or before a time, as far as the file can tell where that is."""
    with suppress(av.FFmpegError):  # then it is read from its beginning
        container.seek(at, stream=stream, backward=True)


def _wanted(packets: Iterator[Packet[VideoStream]], start: int, end: int) -> list[Packet[VideoStream]]:
    """The packets from the last key frame at or before ``start`` on, or from the first one after it, to ``end``."""
    held: list[Packet[VideoStream]] = []
    size, latest = 0, start
    for packet in packets:
        if not packet.size or packet.pts is None:
            continue
        if packet.is_keyframe and packet.pts <= start:
            held, size, latest = [], 0, packet.pts
        elif packet.dts is not None and packet.dts > end and packet.pts > latest:
            break
        elif not held and not packet.is_keyframe:
            continue
        if held and packet.pts < _time(held[0]):
            continue  # it refers to pictures before the key frame
        size += packet.size
        if size > CLIP_BYTES:
            break
        held.append(packet)
        latest = max(latest, packet.pts)
    return _up_to(end, held)


def _up_to(end: int, packets: list[Packet[VideoStream]]) -> list[Packet[VideoStream]]:
    """The packets up to the last that is shown by ``end``, and the others that are shown before one of these."""
    count = max((number for number, packet in enumerate(packets, 1) if _time(packet) <= end), default=0)
    latest = max(map(_time, packets[:count]), default=0)
    return [*packets[:count], *takewhile(lambda packet: _time(packet) < latest, packets[count:])]


def _time(packet: Packet[VideoStream]) -> int:
    return packet.pts or 0


def _write(stream: VideoStream, packets: list[Packet[VideoStream]], out: Path) -> None:
    _fill_in_order(packets)
    zero = _time(packets[0])  # times of decoding before it are negative: the MP4 says that it begins behind them
    try:
        with part_file(out) as part, av.open(str(part), "w", format="mp4", options=OPTIONS) as written:
            track = written.add_stream_from_template(stream, opaque=True)
            if stream.codec_context.name == HEVC:
                track.codec_context.codec_tag = HEVC_TAG
            for packet in packets:
                packet.pts, packet.dts = _time(packet) - zero, (packet.dts or 0) - zero
                packet.stream = track
                written.mux(packet)
    except (av.FFmpegError, ValueError) as error:
        if isinstance(error, OSError) and error.errno not in {errno.EINVAL, None}:
            raise
        name = stream.codec_context.name
        raise SourceError("unsupported", f"No clip can be cut: an MP4 cannot have these pictures ({name}).") from error


def _fill_in_order(packets: list[Packet[VideoStream]]) -> None:
    """Give the first packets a time of decoding before the others', as Matroska files do not tell it after a jump."""
    at: int | None = None
    for packet in reversed(packets):
        if packet.dts is None:
            packet.dts = _time(packet) if at is None else at - max(1, packet.duration or 1)
        at = packet.dts
