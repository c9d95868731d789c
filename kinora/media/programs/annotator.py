"""Writes a copy of a video with results drawn on its frames."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from kinora.media.drawing.annotate import annotate, read_frames
from kinora.media.drawing.lettering import FONT_FOLDERS
from kinora.media.messages import ANNOTATOR, Annotate, Failed, Working, Written
from kinora.media.programs.confining import confine_to
from kinora.media.programs.progress import Progress
from kinora.media.sources import SourceError
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve
from kinora.runtime.linux.processes import lower_priority

PIECE = 2**20
"""The bytes of a video that are read at a time."""

_Line = Line[Annotate, Working | Written | Failed]


def main(channel: Channel) -> None:
    """Write the requested videos, at low priority."""
    lower_priority()
    line = Line(ANNOTATOR, channel)
    serve(line, lambda request, _fds: [_annotate(request, line)])


def _annotate(request: Annotate, line: _Line) -> Written | Failed:
    report = Progress(line.send)
    frames, out = read_frames(Path(request.frames)), Path(request.out)

    def found(source: Sequence[int | str] | None) -> None:
        confine_to(source, reads=FONT_FOLDERS, writes=str(out.parent))

    try:
        count = annotate(
            request.location,
            frames,
            out,
            limits=request.limits,
            skeletons=request.skeletons,
            progress=report,
            found=found,
        )
        return Written(count, _digest(out, report) if count else "")
    except SourceError as error:
        return Failed(str(error))
    except OSError as error:
        return Failed(error.strerror or str(error), disk=True)


def _digest(path: Path, report: Callable[[], None]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            report()
    return digest.hexdigest()
