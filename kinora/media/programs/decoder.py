"""The worker that decodes a source into a ring of frames: ``main`` is its target.

The server says what to open, then hands over the ring and, slot by slot, room to write into. Messages are MessagePack
maps with an ``op``; see :class:`Open`, :class:`Map` and :class:`Slot` for those that come in. Those that go out:

- ``info`` with the fields of ``SourceInfo``, or ``error`` with ``kind`` and ``message``, after which nothing follows;
- ``mapped``, when the ring can be sealed;
- ``frame`` with ``slot``, ``index``, ``timestamp_ms``, ``width`` and ``height``, for each picture written;
- ``end`` with ``truncated`` and ``message``, after the last one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import islice
from typing import Any, TypeVar

import attrs
import msgspec

from kinora.media.sources import Picture, Source, SourceError, SourceLimits, SourceTruncated, open_source
from kinora.runtime.channel import Channel
from kinora.runtime.frames import RingWriter

_M = TypeVar("_M", bound=msgspec.Struct)


class Open(msgspec.Struct, tag_field="op", tag="open", frozen=True):
    """Open a source; comes first."""

    location: str
    name: str
    """What messages call it."""
    limits: SourceLimits = SourceLimits()


class Map(msgspec.Struct, tag_field="op", tag="map", frozen=True):
    """Take over the ring, whose descriptor comes along, and begin."""

    slots: int
    slot_bytes: int
    start: int = 0
    stride: int = 1
    max_frames: int | None = None


class Slot(msgspec.Struct, tag_field="op", tag="slot", frozen=True):
    """This slot of the ring may be written to, once."""

    slot: int


def main(channel: Channel) -> None:
    """Decode one source; returns when the server has closed its end of the channel."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        _decode_source(channel)
        while True:  # credits that came too late
            channel.recv()


def _decode_source(channel: Channel) -> None:
    request, _ = _receive(channel, Open)
    try:
        source = open_source(request.location, limits=request.limits, name=request.name)
    except SourceError as error:
        _send(channel, "error", kind=error.kind, message=str(error))
        return
    with source:
        _send(channel, "info", **attrs.asdict(source.info))
        work, (ring_fd,) = _receive(channel, Map)
        ring = RingWriter(ring_fd, work.slots, work.slot_bytes)
        _send(channel, "mapped")
        broken = _fill(channel, ring, _pictures(source, work))
        _send(channel, "end", truncated=broken is not None, message=broken)


def _pictures(source: Source, work: Map) -> Iterator[Picture]:
    return islice(source.frames(work.start, work.stride), work.max_frames)


def _fill(channel: Channel, ring: RingWriter, pictures: Iterator[Picture]) -> str | None:
    """Write every picture into a slot; what is wrong with the source, if it broke off."""
    try:
        # A picture is decoded before there is room for it, so that room never waits for decoding.
        for picture in pictures:
            slot = _receive(channel, Slot)[0].slot
            picture.write_to(ring.view(slot, picture.height, picture.width))
            _send(
                channel,
                "frame",
                slot=slot,
                index=picture.index,
                timestamp_ms=picture.timestamp_ms,
                width=picture.width,
                height=picture.height,
            )
    except SourceTruncated as error:
        return str(error)
    return None


def _receive(channel: Channel, kind: type[_M]) -> tuple[_M, list[int]]:
    data, fds = channel.recv()
    return msgspec.msgpack.decode(data, type=kind), fds


def _send(channel: Channel, op: str, **fields: Any) -> None:
    channel.send(msgspec.msgpack.encode({"op": op, **fields}))
