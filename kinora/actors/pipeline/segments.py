"""Where a file is cut into segments, and which of several pipelines reads which."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import attrs

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.pipeline.job_spec import PlannedPlugin
from kinora.actors.requests.job_request import AUTO, JobRequest
from kinora.media.messages import Span
from kinora.media.source_types import SourceInfo

SEGMENT_FRAMES = 250
"""The frames that a segment has, about; ten seconds of most films. With longer ones more results wait for their turn,
with shorter ones entering the file takes more of the time. A segment is never shorter than the way to a key frame."""
LEAST_FRAMES = 50
"""The least frames of the file for each pipeline; with fewer, fewer pipelines run: one takes a moment to start."""
MOST_BY_AUTO = 8
"""The most pipelines that ``auto`` gives one job."""

_ADVICE = "leave segments out, or set it to 1"


@attrs.frozen
class Cut:
    """The segments of what a job has left to read of a file, and the pipelines that read them in turn."""

    segments: tuple[Span, ...]
    """In the order of the file; each begins with a frame that is wanted."""
    pipelines: int
    """At least 1, at most the number of segments."""

    def spans(self, pipeline: int) -> tuple[Span, ...]:
        """Return the segments of one pipeline, by its number from 0."""
        return self.segments[pipeline :: self.pipelines]


def why_not_cut(
    request: JobRequest, info: SourceInfo, plugins: Sequence[PlannedPlugin], key_frames: Sequence[int]
) -> str | None:
    """Return the reason, with what to do, why a source cannot be cut for these plugins; None if it can."""
    if info.kind != "video":
        what = {"stream": "a live source", "folder": "a folder of pictures"}.get(info.kind, "a picture")
        return f"{what} cannot be cut: {_ADVICE}"
    if request.options.policy == "latest":
        return f"a job that may drop frames (policy latest) cannot be cut: {_ADVICE}"
    for plugin in plugins:
        if (reason := _why_not(plugin)) is not None:
            return f"{plugin.name} {reason}: {_ADVICE}"
    if not key_frames:
        return f"only a whole MP4 or MOV file, whose index has all its pictures, can be cut: {_ADVICE}"
    return None


def _why_not(plugin: PlannedPlugin) -> str | None:
    if not plugin.metadata.stateless:
        return "is not stateless and needs all frames in order, in one process"
    if plugin.asked.side:
        return "works at the side, on frames as they happen to come"
    if plugin.sums_up and not plugin.merges:
        return "sums up in finalize, and has no merge to join the sums of several segments"
    return None


def lanes_of(
    request: JobRequest,
    info: SourceInfo,
    plugins: Sequence[PlannedPlugin],
    key_frames: Sequence[int],
) -> int:
    """Return the most pipelines for a job, wherever it runs; 1 if it is not to be cut.

    Raises:
        InvalidRequest: it was asked for more, and its source or one of its plugins does not allow it.
    """
    asked = request.options.segments
    if asked == 1:
        return 1
    reason = why_not_cut(request, info, plugins, key_frames)
    if reason is not None and asked != AUTO:
        raise InvalidRequest("The source cannot be cut into segments.", [FieldError("options.segments", reason)])
    if reason is not None or info.frames_total is None:
        return 1
    most = MOST_BY_AUTO if asked == AUTO else asked
    return cut(frames_left(request, info.frames_total, 0, 0), key_frames, most, to_end=True).pipelines


def cut(frames: range, key_frames: Sequence[int], pipelines: int, *, to_end: bool) -> Cut:
    """Cut these frames at key frames into near-equal segments, for at most so many pipelines.

    ``key_frames`` are in order. ``to_end``: the file is read to its end, whatever its index says. If cutting is of no
    use, there is one segment.
    """
    length = len(frames) * frames.step
    pipelines = max(1, min(pipelines, length // LEAST_FRAMES))
    rounds = max(1, round(length / (pipelines * SEGMENT_FRAMES)))
    starts = [frames.start] if pipelines == 1 else _starts(frames, key_frames, rounds * pipelines)
    stops = [*starts[1:], None if to_end else frames.start + length]
    return Cut(tuple(zip(starts, stops, strict=True)), min(pipelines, len(starts)))


def _starts(frames: range, key_frames: Sequence[int], count: int) -> list[int]:
    """The wanted frames at which segments begin: the first one, and those at the key frames nearest to equal parts."""
    starts = [frames[0]]
    for number in range(1, count):
        start = _first_from(frames, _nearest(key_frames, frames[0] + number * len(frames) * frames.step // count))
        if starts[-1] < start <= frames[-1]:
            starts.append(start)
    return starts


def _nearest(key_frames: Sequence[int], wanted: int) -> int:
    at = bisect_left(key_frames, wanted)
    return min(key_frames[max(0, at - 1) : at + 1], key=lambda key: abs(key - wanted))


def _first_from(frames: range, index: int) -> int:
    """The first of the frames, or of those that would follow, that is not before this index."""
    return frames[0] + max(0, -(-(index - frames[0]) // frames.step)) * frames.step


def frames_left(request: JobRequest, total: int, start: int, done: int) -> range:
    """Return the indexes that a job has left to read, of a file of so many frames, when so many frames are done."""
    options = request.options
    left = range(start, total, options.stride)
    return left if options.max_frames is None else left[: max(0, options.max_frames - done)]
