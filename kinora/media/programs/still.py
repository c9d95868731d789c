"""Makes a JPEG of a single frame of a source, with results drawn on it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.drawing import draw
from kinora.media.drawing.lettering import FONT_FOLDERS
from kinora.media.images.pixels import pixels_of
from kinora.media.messages import JPEG_QUALITY, STILL, Failed, Jpeg, MakeStill, Open
from kinora.media.programs.confining import confine_to
from kinora.media.source_names import device_of
from kinora.media.sources import Found, Source, SourceError, SourceLimits, SourceTruncated, open_again, open_source
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve


def main(channel: Channel) -> None:
    """Make the requested stills."""
    confine_once = _Once()
    serve(Line(STILL, channel), lambda request, _fds: [make_still(request, partial(confine_once, _device_of(request)))])


def _device_of(request: MakeStill) -> str | None:
    return None if request.opening is None else device_of(request.opening.location)


class _Once:
    """Confines the program to the source of its first request; there is one request but for tests."""

    def __init__(self) -> None:
        self._done = False

    def __call__(self, device: str | None, source: Sequence[int | str] | None) -> None:
        if not self._done:
            self._done = True
            confine_to(source, reads=FONT_FOLDERS, device=device)


def make_still(request: MakeStill, found: Found) -> Jpeg | Failed:
    """Make one still."""
    try:
        image = read_picture(request.location, request.index, request.limits, found, request.opening)
    except SourceError as error:
        return Failed(str(error))
    if request.results:
        draw(image, request.results, request.skeletons)
    _, jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return Jpeg(jpeg.tobytes())


def read_picture(
    location: str, index: int, limits: SourceLimits, found: Found, opening: Open | None = None
) -> NDArray[np.uint8]:
    """Return the picture that the source's ``frames`` gives this ``index``: HxWx3, uint8, BGR.

    ``opening`` says how to open a source that has not been read before.

    Raises:
        SourceError: the source cannot be opened or has no such picture.
    """
    source = open_again(location, limits=limits, found=found) if opening is None else _open(opening, found)
    with source, contextlib.suppress(SourceTruncated):
        picture = next(source.frames(index), None)
        if picture is not None and picture.index == index:
            return pixels_of(picture)
    raise SourceError("unreadable", f"The source has no readable frame {index}.")


def _open(opening: Open, found: Found) -> Source:
    return open_source(
        opening.location, limits=opening.limits, name=opening.name, found=found, credentials=opening.credentials
    )
