"""Finds where to begin reading a video for its picture number N, and how to recognise that picture.

A container can be entered at a time, not at a number. So the packets around that place are read without decoding:
sorted by the time when they are shown, they are in the order of their pictures' numbers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import chain, islice

import attrs
import av
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
"""The container that has an index of all its packets."""
SEEKABLE = frozenset({MP4, "matroska,webm"})
"""Containers in which a packet is a picture and has its timestamp."""
REORDER = 32
"""Packets within which a picture is stored before or after its place in time; H.264 and HEVC allow 16."""


@attrs.frozen
class Place:
    """The place to begin reading for one picture."""

    wanted: int
    """The number of the picture."""
    time: int
    """The time to seek to, in ticks of the stream."""
    numbers: Mapping[int, int]
    """Timestamp → number, for all pictures from where that seek ends up to the wanted one."""


def find_place(container: InputContainer, stream: VideoStream, wanted: int) -> Place | None:
    """The place of picture number ``wanted`` in a SEEKABLE file just opened; its position is anywhere afterwards.

    None if the file has no such picture, cannot be entered in the middle, or its packets and pictures may not match.
    """
    try:
        if container.format.name == MP4:
            return _by_index(container, stream, wanted)
        times = sorted(_stored_times(container.demux(stream), wanted + REORDER))
    except av.FFmpegError:
        return None
    return Place(wanted, times[wanted], _numbers(times, 0)) if wanted < len(times) else None


def _by_index(container: InputContainer, stream: VideoStream, wanted: int) -> Place | None:
    """Find a place without reading the file before it: the index tells the packets' numbers."""
    index = stream.index_entries
    if wanted >= len(index) or any(index[number].is_discard for number in range(wanted)):
        return None
    time = index[max(0, wanted - REORDER)].timestamp
    container.seek(time, stream=stream)
    packets = container.demux(stream)
    entry = next(packets)
    first = next((number for number in range(wanted, -1, -1) if index[number].timestamp == entry.dts), None)
    if first is None:
        return None
    stored = _stored_times(chain([entry], packets), wanted + REORDER - first)
    if wanted - first >= len(stored):
        return None
    key = next((number for number in range(wanted, first, -1) if index[number].is_keyframe), first)
    if _divides(stored, key - first):
        time = stored[key - first]  # no picture from there on refers to one before it
    return Place(wanted, time, _numbers(sorted(stored), first))


def _divides(stored: list[int], at: int) -> bool:
    """True if the pictures stored before this one are shown before it, and those stored behind it after it."""
    return max(stored[:at], default=-math.inf) < stored[at] == min(stored[at:])


def _numbers(times: list[int], first: int) -> Mapping[int, int]:
    return {time: number for number, time in enumerate(times, first)}


def _stored_times(packets: Iterator[Packet[VideoStream]], most: int) -> list[int]:
    """The timestamps of the first ``most`` packets, as they are stored; empty if one of them cannot be trusted."""
    times: list[int] = []
    for packet in islice(packets, most):
        if not packet.size:  # the mark of the end
            break
        if packet.pts is None or packet.is_discard or packet.is_corrupt or not (times or packet.is_keyframe):
            return []
        times.append(packet.pts)
    return times if len(set(times)) == len(times) else []
