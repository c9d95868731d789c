"""Makes a clip of what is kept of a live source: packets are copied into an MP4, and no picture is coded anew."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from itertools import islice, pairwise
from pathlib import Path
from statistics import median_low
from typing import cast

import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

from kinora.media.packets.decoder_packets import packet_of
from kinora.media.packets.ivf import FOURCC, ivf_of
from kinora.media.packets.packet_memory import KeptPacket
from kinora.media.source_types import SourceError, SourceLimits
from kinora.media.videos.cut_clip import Cut, Part, write_part
from kinora.media.videos.video_errors import pixel_limit

TICK = Fraction(1, 1_000_000)
JUMP_US = 10_000_000
"""Where timestamps go on by this much more than the time that has passed, or go back by this much, the source's clock
was set anew: a clip lies on one side of it."""
FORMATS = {"vp9": "ivf", "av1": "ivf", "png": "png_pipe"}
"""Codec → FFmpeg's name of the format of its packets, where that is another."""
DESCRIBED_BY = 5
"""The packets by which FFmpeg finds out how pictures are coded."""
GONE = "Its pictures are not kept (any more): clips are made of H.264, H.265, VP9, AV1, JPEG and PNG alone."


def cut_kept(
    codec: str | None,
    packets: Sequence[KeptPacket],
    out: Path,
    *,
    at_ms: float,
    came_s: float,
    start_ms: float,
    end_ms: float,
    limits: SourceLimits,
) -> Cut:
    """Write what is between two times into the MP4 ``out``, as far as it is kept.

    Times are those of the job, in which the picture that came at ``came_s`` is shown at ``at_ms``.

    Raises:
        SourceError: nothing of it is kept.
        OSError: the file cannot be written.
    """
    if codec is None or not packets:
        raise SourceError("unreadable", GONE)
    known = max(0, bisect_right([packet.came_s for packet in packets], came_s) - 1)
    since_ms = 1000 * max(0.0, packets[known].came_s - came_s)  # if the picture itself is gone
    zero = packets[known].time_us - round(1000 * (at_ms + since_ms))
    run = _run_around(packets, known)
    part = Part.between(start_ms, end_ms, zero=zero, tick=TICK)
    with _described(codec, run, limits) as container:
        return write_part(container.streams.video[0], _timed(run), part, out)


def _run_around(packets: Sequence[KeptPacket], at: int) -> Sequence[KeptPacket]:
    """The packets around one, as far as the clock goes on."""
    breaks = [number for number, (one, other) in enumerate(pairwise(packets), 1) if _is_jump(one, other)]
    place = bisect_right(breaks, at)
    begin = breaks[place - 1] if place else 0
    return packets[begin : breaks[place] if place < len(breaks) else len(packets)]


def _is_jump(one: KeptPacket, other: KeptPacket) -> bool:
    step_us, passed_us = other.time_us - one.time_us, (other.came_s - one.came_s) * 1_000_000
    return not -JUMP_US <= step_us <= passed_us + JUMP_US


def _described(codec: str, packets: Sequence[KeptPacket], limits: SourceLimits) -> InputContainer:
    """The first packets as FFmpeg opens them, which decodes a picture to find out what they are."""
    first = [packet.data for packet in islice(packets, DESCRIBED_BY)]
    data = ivf_of(codec, first) if codec in FOURCC else b"".join(first)
    try:
        container = av.open(io.BytesIO(data), "r", format=FORMATS.get(codec, codec), options=pixel_limit(limits))
    except av.FFmpegError as error:
        raise SourceError("unsupported", f"No clip can be made: its pictures ({codec}) are damaged.") from error
    if not container.streams.video or not container.streams.video[0].width:
        container.close()
        raise SourceError("unsupported", f"No clip can be made: its pictures ({codec}) say no size.")
    return container


def _timed(packets: Sequence[KeptPacket]) -> Iterator[Packet[VideoStream]]:
    """The packets for a muxer, each with a time of decoding, which the source does not tell, and a duration.

    The duration counts for the last picture alone: each other one is shown until the next.
    """
    times = _distinct(packet.time_us for packet in packets)
    shown = sorted(times)
    late = max(decoded - time for decoded, time in zip(shown, times, strict=True))
    usual = median_low([after - before for before, after in pairwise(shown)] or [1])
    for decoded, time, packet in zip(shown, times, packets, strict=True):
        made = cast("Packet[VideoStream]", packet_of(bytes(packet.data)))
        made.pts, made.dts, made.duration = time, decoded - late, usual
        made.time_base, made.is_keyframe = TICK, packet.is_key
        yield made


def _distinct(times: Iterable[int]) -> list[int]:
    """The times; one that an earlier picture has is moved on a little."""
    taken: dict[int, None] = {}
    for time in times:
        own = time
        while own in taken:
            own += 1
        taken[own] = None
    return list(taken)
