"""Draws a job's results into a copy of its video, after the job."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import trio

from kinora.cli.exits import Failed, Misuse
from kinora.cli.terminal.live import Moment, live_progress
from kinora.cli.terminal.output import print_line
from kinora.media.messages import Skeletons
from kinora.media.source_types import SourceError, opencv_limits
from kinora.media.videos.video_kinds import KINDS, kind_of
from kinora.settings import Settings, source_limits


@attrs.frozen
class Drawn:
    """What is drawn into a video."""

    frames: Path
    """The file of FrameData, one per line."""
    skeletons: Skeletons
    total: int
    """The number of frames."""


async def annotate_after(source: str, settings: Settings, drawn: Drawn, out: Path) -> None:
    """Write a video ``out`` of the pictures of ``source`` that have results, with these drawn in.

    If this is cancelled, no file remains.

    Raises:
        Failed: the video cannot be made or written.
    """
    notes: list[str] = []
    with live_progress(lines=False) as live:

        def written(count: int) -> None:
            trio.from_thread.check_cancelled()
            live.show(Moment(stage="annotating", done=count, total=drawn.total))

        def work() -> None:
            os.environ.update(opencv_limits(source_limits(settings)))
            from kinora.media.drawing.annotate import read_frames  # noqa: PLC0415 - loads FFmpeg and OpenCV, so only when needed
            from kinora.python.annotating import annotate_source  # noqa: PLC0415 - as above

            frames = read_frames(drawn.frames)
            annotate_source(
                source, settings, frames, out, skeletons=drawn.skeletons, progress=written, note=notes.append
            )

        try:
            await trio.to_thread.run_sync(work)
        except OSError as error:
            raise Failed(f"{out} cannot be written: {error.strerror or error}") from error
        except SourceError as error:
            raise Failed(f"{out} cannot be made: {error}") from error
    for note in notes:
        print_line(f"{out}: {note}", file="stderr")


def check_kind(out: Path) -> None:
    """Refuse a file of a kind that is not written.

    Raises:
        Misuse: its suffix names another kind; the sentence says which there are.
    """
    if kind_of(out) is None:
        kinds = ", ".join(KINDS)
        raise Misuse(f"--annotate writes a video, and none that ends in {out.suffix}: give a name in {kinds}")
