"""Cuts a clip around an event out of a video, or of what is kept of a live source, and encodes clips."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from kinora.media.messages import CLIP_CUTTER, ClipCut, ClipEncoded, CutClip, CutKept, EncodeClip, Failed, Working
from kinora.media.packets.packet_memory import read_packets
from kinora.media.programs.confining import confine_to
from kinora.media.programs.progress import Progress
from kinora.media.source_types import Source, SourceError
from kinora.media.sources import open_again
from kinora.media.videos.clip_encoder import encode_clip
from kinora.media.videos.cut_clip import Cut
from kinora.media.videos.kept_clip import cut_kept
from kinora.media.videos.video import VideoSource
from kinora.runtime.forking.channel import Channel
from kinora.runtime.forking.program import Line, serve
from kinora.runtime.linux.processes import lower_priority

_Request = CutClip | CutKept | EncodeClip
_Line = Line[_Request, Working | ClipCut | ClipEncoded | Failed]


def main(channel: Channel) -> None:
    """Make the requested clips."""
    line = Line(CLIP_CUTTER, channel)
    serve(line, lambda request, fds: [_answer(request, fds, line)])


def _answer(request: _Request, fds: list[int], line: _Line) -> ClipCut | ClipEncoded | Failed:
    try:
        if isinstance(request, EncodeClip):
            _encode(request, line)
            return ClipEncoded()
        cut = _cut(request) if isinstance(request, CutClip) else _cut_kept(request, fds)
    except SourceError as error:
        return Failed(str(error))
    except OSError as error:
        return Failed(error.strerror or str(error), disk=True)
    return ClipCut(cut.start_ms, cut.duration_ms, cut.codec)


@contextmanager
def _opened(request: CutClip | EncodeClip, out: Path) -> Iterator[Source]:
    """Open the source at low priority; nothing else can be read then, and nothing written but beside ``out``."""
    lower_priority()

    def found(source: Sequence[int | str] | None) -> None:
        confine_to(source, writes=str(out.parent))

    with open_again(request.location, limits=request.limits, found=found) as source:
        yield source


def _cut(request: CutClip) -> Cut:
    out = Path(request.out)
    with _opened(request, out) as source:
        if not isinstance(source, VideoSource):
            raise SourceError("unsupported", "Clips are cut out of videos only, and this source is not a video.")
        return source.cut(request.start_ms, request.end_ms, out)


def _encode(request: EncodeClip, line: _Line) -> None:
    out = Path(request.out)
    with _opened(request, out) as source:
        encode_clip(source, out, progress=Progress(line.send))


def _cut_kept(request: CutKept, fds: list[int]) -> Cut:
    (fd,) = fds  # at full priority: what it is made of is kept for a short time only
    out = Path(request.out)
    confine_to([], writes=str(out.parent))
    codec, packets = read_packets(fd)
    os.close(fd)
    return cut_kept(
        codec,
        packets,
        out,
        at_ms=request.at_ms,
        came_s=request.came_s,
        start_ms=request.start_ms,
        end_ms=request.end_ms,
        limits=request.limits,
    )
