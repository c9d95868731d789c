"""Parts of a video: where it can be cut, and what is read of each part."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from kinora.media.messages import Span
from kinora.media.source_types import SourceLimits, SourceTruncated
from kinora.media.sources import open_source
from kinora.media.videos.seeking import find_place
from kinora.media.videos.spans import read_spans
from kinora.media.videos.video import VideoSource
from tests.media.videos import cut, numbered, read_number, write_video

FRAMES = 101
EVERY = 12
LIMITS = SourceLimits()


def video(path: Path, **options: str) -> Path:
    """A video with a key frame every 12 pictures and B-frames, unless the options say otherwise."""
    chosen = {"g": str(EVERY), "bf": "2", "sc_threshold": "0", **options}
    return write_video(path, (numbered(number) for number in range(FRAMES)), codec="libx264", options=chosen)


def key_frames(path: Path) -> list[int]:
    """What the source says about its key frames."""
    with open_source(str(path), limits=LIMITS) as source:
        assert isinstance(source, VideoSource)
        return source.key_frames()


def read(path: Path, spans: list[Span], start: int = 0, stride: int = 1) -> tuple[list[tuple[int, int]], bool]:
    """The index of each picture and the number in it, and whether the source broke off."""
    got: list[tuple[int, int]] = []
    with open_source(str(path), limits=LIMITS) as source:
        assert isinstance(source, VideoSource)
        try:
            for picture in read_spans(source, spans, start, stride):
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                got.append((picture.index, read_number(image)))
        except SourceTruncated:
            return got, True
    return got, False


def test_an_mp4_tells_its_key_frames(tmp_path: Path) -> None:
    """They are known from its index."""
    assert key_frames(video(tmp_path / "a.mp4")) == list(range(0, FRAMES, EVERY))


@pytest.mark.parametrize("name", ["a.mkv", "a.ts"])
def test_a_video_without_an_index_of_all_its_pictures_is_not_to_be_cut(tmp_path: Path, name: str) -> None:
    """Its key frames would be found only by reading it."""
    assert key_frames(video(tmp_path / name)) == []


def test_a_video_that_is_incomplete_is_not_to_be_cut(tmp_path: Path) -> None:
    """Its index tells of pictures that it does not have."""
    whole = write_video(
        tmp_path / "a.mp4",
        (numbered(number) for number in range(FRAMES)),
        codec="libx264",
        options={"g": str(EVERY), "sc_threshold": "0"},
        muxer={"movflags": "faststart"},
    )
    assert key_frames(cut(whole, 0.7)) == []


@pytest.mark.parametrize("wanted", [60, 65])
def test_a_key_frame_is_entered_without_a_picture_before_it(tmp_path: Path, wanted: int) -> None:
    """Nothing is decoded in vain where a part begins."""
    with av.open(str(video(tmp_path / "a.mp4"))) as container:
        stream = container.streams.video[0]
        place = find_place(container, stream, wanted)
        assert place is not None
        container.seek(place.time, stream=stream)
        first = next(container.demux(stream))
    assert first.pts is not None
    assert place.numbers[first.pts] == 60


@pytest.mark.parametrize("options", [{}, {"x264-params": "open-gop=1:b-pyramid=normal", "bf": "3"}])
def test_spans_give_the_pictures_in_them_and_no_others(tmp_path: Path, options: dict[str, str]) -> None:
    """Each picture is the one that a reading from the beginning gives that number, however it was encoded."""
    got, broken = read(video(tmp_path / "a.mp4", **options), [(0, 24), (60, 72), (96, None)])
    assert got == [(number, number) for number in [*range(24), *range(60, 72), *range(96, FRAMES)]]
    assert not broken


def test_spans_keep_to_the_stride_and_go_on_after_what_is_read(tmp_path: Path) -> None:
    """A decoder that takes another one's place begins in the middle of a span."""
    got, broken = read(video(tmp_path / "a.mp4"), [(0, 24), (60, 72), (72, 75), (84, None)], start=66, stride=3)
    assert [index for index, _ in got] == [66, 69, 72, *range(84, FRAMES, 3)]
    assert all(index == number for index, number in got)
    assert not broken


def test_a_video_that_ends_in_a_span_is_told(tmp_path: Path) -> None:
    """What is readable is given first; a span behind it is not looked for."""
    whole = write_video(
        tmp_path / "a.mp4",
        (numbered(number) for number in range(FRAMES)),
        codec="libx264",
        options={"g": str(EVERY), "sc_threshold": "0"},
        muxer={"movflags": "faststart"},
    )
    got, broken = read(cut(whole, 0.7), [(0, 12), (24, 96), (96, None)])
    numbers = [number for _, number in got]
    assert broken
    assert numbers[:12] == list(range(12))
    assert numbers[12:] == list(range(24, 24 + len(numbers) - 12))
    assert numbers[-1] < 96
