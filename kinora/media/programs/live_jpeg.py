"""The worker that makes JPEGs of frames in a job's ring, for those who watch it live: ``main`` is its target."""

from __future__ import annotations

import contextlib

import cv2
import msgspec

from kinora.runtime.channel import Channel
from kinora.runtime.frames import RingReader
from kinora.runtime.processes import step_back

QUALITY = 85
MAX_JPEG_BYTES = 8 * 2**20
"""A larger picture fits in no client's outbox."""


class Ring(msgspec.Struct, tag_field="op", tag="ring", frozen=True):
    """Take over the ring, whose descriptor comes along; comes first."""

    slots: int
    slot_bytes: int


class Shot(msgspec.Struct, tag_field="op", tag="shot", frozen=True):
    """Answered with the JPEG of the frame in this slot, empty if it would be too large."""

    slot: int
    width: int
    height: int


def main(channel: Channel) -> None:
    """Make pictures until the server closes its end of the channel."""
    step_back()  # when all cores are busy a job's plugins come first, and pictures come less often
    cv2.setNumThreads(1)
    with contextlib.suppress(EOFError, BrokenPipeError):
        data, (ring_fd,) = channel.recv()
        request = msgspec.msgpack.decode(data, type=Ring)
        ring = RingReader(ring_fd, request.slots, request.slot_bytes)
        while True:
            data, _ = channel.recv()
            channel.send(_jpeg(ring, msgspec.msgpack.decode(data, type=Shot)))


def _jpeg(ring: RingReader, shot: Shot) -> bytes:
    image = ring.view(shot.slot, shot.height, shot.width)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes() if len(jpeg) <= MAX_JPEG_BYTES else b""
