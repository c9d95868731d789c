"""Where a file is cut into segments, and when it is not."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.actors.errors import InvalidRequest
from kinora.actors.pipeline.job_spec import PlannedPlugin
from kinora.actors.pipeline.joint_state import joint_health
from kinora.actors.pipeline.segments import LEAST_FRAMES, MOST_BY_AUTO, SEGMENT_FRAMES, cut, frames_left, lanes_of
from kinora.actors.requests.job_request import JobOptions, JobRequest, PluginRequest
from kinora.media.live.pushed import PUSHED
from kinora.media.source_types import SourceInfo
from kinora.plugins.api import PluginMetadata
from kinora.plugins.protocol import Origin

KEYS = range(0, 10_000, 30)
VIDEO = SourceInfo(
    kind="video", width=8, height=8, max_frame_bytes=192, frames_total=10_000, fps=30.0, duration_ms=None
)


def request(segments: int | str = 4, **options: object) -> JobRequest:
    """A request for a file in segments."""
    wanted = JobOptions(segments=segments, **options)  # type: ignore[arg-type]
    return JobRequest(source="a.mp4", plugins=(PluginRequest(name="p"),), options=wanted)


def plugin(*, stateless: bool = True, side: bool = False, sums_up: bool = False, merges: bool = False) -> PlannedPlugin:
    """A plugin of the job."""
    return PlannedPlugin(
        asked=PluginRequest(name="p", side=side),
        name="p",
        origin=Origin(kind="file", location="/p.py", attribute="P"),
        metadata=PluginMetadata(name="p", stateless=stateless),
        options={},
        sums_up=sums_up,
        merges=merges,
    )


@given(
    total=st.integers(0, 5_000),
    start=st.integers(0, 5_000),
    stride=st.integers(1, 700),
    most=st.none() | st.integers(0, 6_000),
    pipelines=st.integers(1, 64),
    gap=st.integers(1, 900),
)
def test_each_frame_is_in_one_segment_in_order(  # noqa: PLR0917 - drawn by name
    total: int, start: int, stride: int, most: int | None, pipelines: int, gap: int
) -> None:
    """Whatever is asked for; each segment begins with a frame that is wanted, and each pipeline has one."""
    options = JobOptions(stride=stride, max_frames=most)
    wanted = JobRequest(source="a.mp4", plugins=(), options=options)
    frames = frames_left(wanted, total, start, 0)
    found = cut(frames, range(0, max(1, total), gap), pipelines, to_end=most is None)
    ends = [total if stop is None else stop for _, stop in found.segments]
    read = [range(begin, end, stride) for (begin, _), end in zip(found.segments, ends, strict=True)]
    assert list(chain.from_iterable(read)) == list(frames)
    assert all(read) or len(read) == 1
    assert [stop for _, stop in found.segments[:-1]] == [begin for begin, _ in found.segments[1:]]
    assert 1 <= found.pipelines <= min(pipelines, len(found.segments))
    assert sorted(chain.from_iterable(map(found.spans, range(found.pipelines)))) == sorted(found.segments)
    assert found.pipelines == 1 or len(frames) * stride >= 2 * LEAST_FRAMES


def test_segments_are_near_equal_and_begin_at_key_frames() -> None:
    """So that the pipelines have as much to do each, and decode nothing in vain."""
    found = cut(range(10_000), KEYS, 3, to_end=True)
    starts = [start for start, _ in found.segments]
    lengths = [after - before for before, after in zip(starts, [*starts[1:], 10_000], strict=True)]
    assert set(starts) <= set(KEYS)
    assert max(lengths) - min(lengths) <= 60
    assert SEGMENT_FRAMES / 2 < lengths[0] < 2 * SEGMENT_FRAMES
    assert len(starts) % 3 == 0
    assert [found.spans(number)[0] for number in range(3)] == list(found.segments[:3])


def test_a_file_with_one_key_frame_is_one_segment() -> None:
    """There is nowhere to enter it."""
    assert cut(range(10_000), [0], 4, to_end=True).segments == ((0, None),)


def test_a_short_file_gets_fewer_pipelines() -> None:
    """One is not worth its start for a few frames."""
    assert cut(range(3 * LEAST_FRAMES), range(0, 150, 10), 8, to_end=True).pipelines == 3
    assert lanes_of(request(8), VIDEO, [plugin()], KEYS) == 8


@pytest.mark.parametrize(
    ("info", "wanted", "what", "keys", "words"),
    [
        (PUSHED, {}, plugin(), (), "a live source cannot be cut"),
        (VIDEO, {}, plugin(stateless=False), KEYS, "p is not stateless"),
        (VIDEO, {}, plugin(side=True), KEYS, "p works at the side"),
        (VIDEO, {}, plugin(sums_up=True), KEYS, "p sums up in finalize, and has no merge"),
        (VIDEO, {}, plugin(), (), "only a whole MP4 or MOV file"),
        (VIDEO, {"policy": "latest"}, plugin(), KEYS, "a job that may drop frames"),
    ],
)
def test_what_cannot_be_cut_is_refused_or_with_auto_not_cut(
    info: SourceInfo, wanted: dict[str, object], what: PlannedPlugin, keys: range, words: str
) -> None:
    """The sentence says why, and what to do."""
    with pytest.raises(InvalidRequest) as refused:
        lanes_of(request(2, **wanted), info, [what], keys)
    (error,) = refused.value.errors
    assert (error.path, words in error.message) == ("options.segments", True)
    assert "leave segments out, or set it to 1" in error.message
    assert lanes_of(request("auto", **wanted), info, [what], keys) == 1
    assert lanes_of(request(1, **wanted), info, [what], keys) == 1


def test_auto_takes_as_many_pipelines_as_can_be_at_work() -> None:
    """Up to a limit, and where it runs one for each core; a plugin that merges may sum up."""
    lanes = lanes_of(request("auto"), VIDEO, [plugin(sums_up=True, merges=True)], KEYS)
    assert lanes == MOST_BY_AUTO


def test_a_plugin_that_has_failed_in_some_segments_is_degraded() -> None:
    """It has failed only if it has in all of them."""
    assert joint_health(["ok", "failed", "ok"]) == "degraded"
    assert joint_health(["failed", "failed"]) == "failed"
    assert joint_health(["ok", "ok"]) == "ok"
