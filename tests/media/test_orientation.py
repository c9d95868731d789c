"""Display matrices: each of the eight ways in which a picture can lie, and odd angles, as FFmpeg sets them upright."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from kinora.media.source_types import SourceLimits
from kinora.media.sources import open_source
from kinora.media.videos.orientation import Orientation
from tests.media.ffmpeg_answer import FILTERS, filtered, pixels
from tests.media.videos import Image, numbered, write_jpeg_video, write_rotated_jpeg, write_video

ONE = 1 << 16


def matrix(a: float, b: float, c: float, d: float) -> tuple[int, ...]:
    """A display matrix as files have it."""
    return (round(a * ONE), round(b * ONE), 0, round(c * ONE), round(d * ONE), 0, 0, 0, 1 << 30)


def upright(image: Image, orientation: Orientation) -> Image:
    """The picture set upright."""
    width, height = orientation.size(image.shape[1], image.shape[0])
    out = np.empty((height, width, 3), np.uint8)
    orientation.apply(image, out)
    return out


@pytest.mark.parametrize("numbers", FILTERS)
@pytest.mark.parametrize("scale", [1, 0.5, 3])
def test_a_matrix_turns_and_mirrors_as_ffmpeg_does(numbers: tuple[int, int, int, int], scale: float) -> None:
    """All eight, also where the matrix scales."""
    image = numbered(5, 162, 90)
    orientation = Orientation.by_matrix(matrix(*(number * scale for number in numbers)))
    assert np.array_equal(upright(image, orientation), filtered(image, FILTERS[numbers]))


@pytest.mark.parametrize("degrees", [5, 45, 100, -30, -170])
def test_an_odd_angle_turns_within_the_size(degrees: int) -> None:
    """The corners are cut and black ones come in, as FFmpeg has it."""
    image = numbered(5)
    turn = np.radians(degrees)
    orientation = Orientation.by_matrix(matrix(np.cos(turn), np.sin(turn), -np.sin(turn), np.cos(turn)))
    got, expected = upright(image, orientation), filtered(image, [f"rotate={degrees}*PI/180"])
    assert np.abs(got.astype(int) - expected).mean() < 4


def test_a_matrix_that_says_nothing_changes_nothing() -> None:
    """All zeros, or one that would squeeze the picture into a line."""
    assert Orientation.by_matrix((0,) * 9) == Orientation()
    assert Orientation.by_matrix(matrix(0, 1, 0, 0)) == Orientation()


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
@pytest.mark.parametrize("numbers", FILTERS)
def test_a_mirrored_video_is_shown_as_it_is_meant(
    tmp_path: Path, name: str, numbers: tuple[int, int, int, int]
) -> None:
    """From the file to the pixels; size and limits are those of the upright picture."""
    path = write_video(tmp_path / name, [numbered(3)] * 2, options={"crf": "1"}, matrix=matrix(*numbers))
    with av.open(str(path)) as container:
        stored = pixels(next(container.decode(video=0)))
    expected = filtered(stored, FILTERS[numbers])
    with open_source(str(path), limits=SourceLimits()) as source:
        picture = next(iter(source.frames()))
        image = np.empty((picture.height, picture.width, 3), np.uint8)
        picture.write_to(image)
    assert (source.info.width, source.info.height) == (expected.shape[1], expected.shape[0])
    assert np.array_equal(image, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_of_a_jpeg_video_lie_as_their_exif_data_say(tmp_path: Path, orientation: int) -> None:
    """As the same JPEG does by itself: phones send such pictures, and FFmpeg gives more about them than PyAV knows."""
    jpeg = write_rotated_jpeg(tmp_path / "a.jpg", numbered(11), orientation)
    video = write_jpeg_video(tmp_path / "a.mov", [jpeg.read_bytes()] * 2, 160, 120)
    images = []
    for path in (jpeg, video):
        with open_source(str(path), limits=SourceLimits()) as source:
            picture = next(source.frames())
            images.append(np.empty((picture.height, picture.width, 3), np.uint8))
            picture.write_to(images[-1])
    assert images[0].shape == images[1].shape
    assert np.abs(images[0].astype(int) - images[1]).mean() < 4
