"""Writes a copy of a video with results drawn on its frames."""

from __future__ import annotations

import time
from pathlib import Path

from kinora.media.annotate import annotate, read_frames
from kinora.media.messages import ANNOTATOR, Annotate, Failed, Working, Written
from kinora.media.sources import SourceError
from kinora.runtime.channel import Channel
from kinora.runtime.processes import lower_priority
from kinora.runtime.program import Line, serve

WORKING_S = 1.0
"""The least time between two reports of progress."""

_Line = Line[Annotate, Working | Written | Failed]


def main(channel: Channel) -> None:
    """Write the requested videos, at low priority."""
    lower_priority()
    line = Line(ANNOTATOR, channel)
    serve(line, lambda request, _fds: [_annotate(request, line)])


def _annotate(request: Annotate, line: _Line) -> Written | Failed:
    reported = time.monotonic()

    def report(_pictures: int) -> None:
        nonlocal reported
        if time.monotonic() - reported > WORKING_S:
            reported = time.monotonic()
            line.send(Working())

    frames = read_frames(Path(request.frames))
    try:
        count = annotate(request.location, frames, Path(request.out), limits=request.limits, progress=report)
    except (SourceError, OSError) as error:
        return Failed(str(error))
    return Written(count)
