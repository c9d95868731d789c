"""Makes a JPEG of a single frame of a source, with results drawn on it."""

from __future__ import annotations

import contextlib

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing import draw
from kinora.media.messages import JPEG_QUALITY, STILL, Failed, Jpeg, MakeStill
from kinora.media.source_types import CHANNELS
from kinora.media.sources import SourceError, SourceLimits, SourceTruncated, open_again
from kinora.runtime.channel import Channel
from kinora.runtime.program import Line, serve


def main(channel: Channel) -> None:
    """Make the requested stills."""
    serve(Line(STILL, channel), lambda request, _fds: [make_still(request)])


def make_still(request: MakeStill) -> Jpeg | Failed:
    """Make one still."""
    try:
        image = read_picture(request.location, request.index, request.limits)
    except SourceError as error:
        return Failed(str(error))
    if request.results:
        draw(image, request.results)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Jpeg(jpeg.tobytes())


def read_picture(location: str, index: int, limits: SourceLimits) -> NDArray[np.uint8]:
    """Return the picture that the source's ``frames`` gives this ``index``: HxWx3, uint8, BGR.

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
