"""The worker that writes a copy of a video with what was found drawn into it: ``main`` is its target."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import msgspec

from kinora.plugins.annotate import annotate, read_frames
from kinora.plugins.sources import SourceError, SourceLimits
from kinora.runtime.channel import Channel
from kinora.runtime.processes import step_back


class Order(msgspec.Struct, tag_field="op", tag="annotate", frozen=True):
    """Answered with ``written`` and the number of its ``pictures``, or with ``error`` and a ``message``."""

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
            channel.send(msgspec.msgpack.encode(_answer(msgspec.msgpack.decode(data, type=Order))))


def _answer(order: Order) -> dict[str, Any]:
    try:
        count = annotate(order.location, read_frames(Path(order.frames)), Path(order.out), limits=order.limits)
    except (SourceError, OSError) as error:
        return {"op": "error", "message": str(error)}
    return {"op": "written", "pictures": count}
