"""The worker that gives single pictures of a source as JPEG, with results drawn on them: ``main`` is its target."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing import draw
from kinora.media.source_types import CHANNELS
from kinora.media.sources import SourceError, SourceLimits, SourceTruncated, open_again
from kinora.runtime.channel import Channel

JPEG_QUALITY = 85


class Want(msgspec.Struct, tag_field="op", tag="picture", frozen=True):
    """Answered with ``picture`` and its ``jpeg``, or with ``error``, a ``kind`` and a ``message``."""

    location: str
    index: int
    limits: SourceLimits = SourceLimits()
    results: Mapping[str, Any] | None = None
    """Plugin name → its result on this frame; drawn on the picture."""
    quality: int = JPEG_QUALITY


def read_picture(location: str, index: int, limits: SourceLimits) -> NDArray[np.uint8]:
    """The picture that the source's ``frames`` gives this ``index``: HxWx3, uint8, BGR.

    Raises:
        SourceError: the source cannot be opened or has no such picture.
    """
    with open_again(location, limits=limits) as source, contextlib.suppress(SourceTruncated):
        picture = next(source.frames(index), None)
        if picture is not None and picture.index == index:
            image = np.empty((picture.height, picture.width, CHANNELS), np.uint8)
            picture.write_to(image)
            return image
    raise SourceError("unreadable", f"The source has no readable frame {index}.")


def main(channel: Channel) -> None:
    """Answer requests until the server closes its end of the channel."""
    with contextlib.suppress(EOFError, BrokenPipeError):
        while True:
            data, _ = channel.recv()
            channel.send(msgspec.msgpack.encode(_answer(msgspec.msgpack.decode(data, type=Want))))


def _answer(want: Want) -> dict[str, Any]:
    try:
        image = read_picture(want.location, want.index, want.limits)
    except SourceError as error:
        return {"op": "error", "kind": error.kind, "message": str(error)}
    if want.results:
        draw(image, want.results)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, want.quality])
    return {"op": "picture", "jpeg": jpeg.tobytes()}
