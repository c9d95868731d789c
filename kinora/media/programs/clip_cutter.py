"""Cuts a clip around an event out of a video."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kinora.media.messages import CLIP_CUTTER, ClipCut, CutClip, Failed
from kinora.media.programs.confining import confine_to
from kinora.media.sources import SourceError, open_again
from kinora.media.video import VideoSource
from kinora.runtime.channel import Channel
from kinora.runtime.processes import lower_priority
from kinora.runtime.program import Line, serve


def main(channel: Channel) -> None:
    """Cut the requested clips, at low priority."""
    lower_priority()
    serve(Line(CLIP_CUTTER, channel), lambda request, _fds: [_cut(request)])


def _cut(request: CutClip) -> ClipCut | Failed:
    out = Path(request.out)

    def found(source: Sequence[int | str] | None) -> None:
        confine_to(source, writes=str(out.parent))

    try:
        with open_again(request.location, limits=request.limits, found=found) as source:
            if not isinstance(source, VideoSource):
                return Failed("Clips are cut out of videos only, and this source is not a video.")
            cut = source.cut(request.start_ms, request.end_ms, out)
    except SourceError as error:
        return Failed(str(error))
    except OSError as error:
        return Failed(error.strerror or str(error), disk=True)
    return ClipCut(cut.start_ms, cut.duration_ms)
