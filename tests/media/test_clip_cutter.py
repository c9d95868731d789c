"""Clips: parts of videos as MP4s, copied without decoding."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from kinora.media.source_types import SourceError, SourceLimits
from kinora.media.sources import open_source
from kinora.media.videos.video import VideoSource
from tests.media.videos import write_video

FPS = 10
KEY_EVERY = 10


def film(path: Path, codec: str) -> Path:
    """A video of 6 s, whose pictures get brighter; a key frame each second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.gop_size = 64, 48, "yuv420p", KEY_EVERY
        for number in range(6 * FPS):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 4 * number, np.uint8), "rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def brightness(path: Path) -> list[float]:
    """The number of each picture of a clip, by its brightness."""
    with av.open(str(path)) as container:
        pictures = [frame.to_ndarray(format="rgb24").mean() / 4 for frame in container.decode(video=0)]
    return [round(float(number)) for number in pictures]


def opened(path: Path) -> VideoSource:
    """The video at this path."""
    source = open_source(str(path), limits=SourceLimits())
    assert isinstance(source, VideoSource)
    return source


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_a_clip_begins_at_the_key_frame_before_its_start(tmp_path: Path, name: str) -> None:
    """Each picture is there, at its time, with those before it that are stored behind it."""
    out = tmp_path / "clip.mp4"
    with opened(film(tmp_path / name, "libx264")) as source:
        cut = source.cut(2600, 4000, out)
    assert (cut.start_ms, cut.duration_ms) == (2000, 2100)
    shown = brightness(out)
    assert len(shown) == 21
    assert shown == pytest.approx(range(20, 41), abs=1)
    with av.open(str(out)) as container:
        first = next(container.decode(video=0))
        assert container.streams.video[0].codec_context.name == "h264"
    assert first.pts == 0
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_a_clip_ends_with_the_video(tmp_path: Path) -> None:
    """And begins with it."""
    out = tmp_path / "clip.mp4"
    with opened(film(tmp_path / "a.mp4", "libx264")) as source:
        cut = source.cut(-5000, 60_000, out)
    assert (cut.start_ms, cut.duration_ms) == (0, 6000)
    assert len(brightness(out)) == 6 * FPS


def test_pictures_of_av1_are_copied(tmp_path: Path) -> None:
    """Though their decoder has another name than the codec."""
    out = tmp_path / "clip.mp4"
    images = [np.full((64, 64, 3), number, np.uint8) for number in range(25)]
    with opened(write_video(tmp_path / "a.mkv", images, codec="libsvtav1", options={"preset": "12"})) as source:
        assert source.cut(0, 400, out).duration_ms == 440
    with av.open(str(out)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == "av1"
        assert sum(1 for _ in container.decode(video=0)) == 11


def test_what_an_mp4_cannot_have_is_said(tmp_path: Path) -> None:
    """Nothing is left."""
    out = tmp_path / "clip.mp4"
    with opened(film(tmp_path / "a.webm", "libvpx")) as source, pytest.raises(SourceError, match=r"cannot have .*vp8"):
        source.cut(1000, 2000, out)
    with opened(film(tmp_path / "a.mp4", "libx264")) as source, pytest.raises(SourceError, match="no pictures"):
        source.cut(60_000, 70_000, out)
    assert {path.name for path in tmp_path.iterdir()} == {"a.webm", "a.mp4"}
