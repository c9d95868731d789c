"""The worker that writes a copy of a video with what was found drawn into it: ``main`` is its target."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from kinora.media.annotate import annotate, read_frames
from kinora.media.sources import SourceError, SourceLimits
from kinora.runtime.channel import Channel
from kinora.runtime.processes import step_back

WORKING_S = 1.0


class Order(msgspec.Struct, tag_field="op", tag="annotate", frozen=True):
    """Answered with ``written`` and the number of its ``pictures``, or with ``error`` and a ``message``.

    Before that comes ``working``, again and again, as long as it gets on.
    """

    location: str
    frames: str
    """A file of FrameData, a line each."""
    out: str
    limits: SourceLimits = SourceLimits()


def main(channel: Channel) -> None:
    """Do what is ordered until the server closes its end of the channel."""
    step_back()
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            data, _ = channel.recv()
            answer = _answer(msgspec.msgpack.decode(data, type=Order), _Working(channel))
            channel.send(msgspec.msgpack.encode(answer))


class _Working:
    """Says that there is progress, not too often."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._said = time.monotonic()

    def __call__(self, _pictures: int) -> None:
        if time.monotonic() - self._said > WORKING_S:
            self._said = time.monotonic()
            self._channel.send(msgspec.msgpack.encode({"op": "working"}))


def _answer(order: Order, progress: Callable[[int], None]) -> dict[str, Any]:
    frames = read_frames(Path(order.frames))
    try:
        count = annotate(order.location, frames, Path(order.out), limits=order.limits, progress=progress)
    except (SourceError, OSError) as error:
        return {"op": "error", "message": str(error)}
    return {"op": "written", "pictures": count}
