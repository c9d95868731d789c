"""Whether a source is still the same is told by its content."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kinora.media.source_mark import SAMPLE_BYTES, source_mark


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A file of ten samples' size."""
    path = tmp_path / "video.mp4"
    path.write_bytes(bytes(range(256)) * (SAMPLE_BYTES * 10 // 256))
    return path


def test_a_copy_is_the_same(video: Path, tmp_path: Path) -> None:
    """Whatever its name and its times are."""
    copy = tmp_path / "copy.mp4"
    shutil.copyfile(video, copy)
    assert source_mark(str(copy)) == source_mark(str(video)) != ""


@pytest.mark.parametrize("place", [0, SAMPLE_BYTES * 5, SAMPLE_BYTES * 10 - 1])
def test_other_content_is_another_source(video: Path, place: int) -> None:
    """At its beginning, in its middle and at its end."""
    before = source_mark(str(video))
    with video.open("r+b") as file:
        file.seek(place)
        file.write(b"!")
    assert source_mark(str(video)) != before


def test_more_content_is_another_source(video: Path) -> None:
    """A file that goes on growing is not the one that it was."""
    before = source_mark(str(video))
    with video.open("ab") as file:
        file.write(b"!")
    assert source_mark(str(video)) != before


def test_a_folder_with_other_files_is_another_source(tmp_path: Path, video: Path) -> None:
    """One more, or one of another size."""
    marks = [source_mark(str(tmp_path))]
    (tmp_path / "more.png").write_bytes(b"1")
    marks.append(source_mark(str(tmp_path)))
    (tmp_path / "more.png").write_bytes(b"12")
    marks.append(source_mark(str(tmp_path)))
    assert len(set(marks)) == 3


@pytest.mark.parametrize("location", ["http://camera.local/video", "/not/there.mp4"])
def test_nothing_tells_of_others(location: str) -> None:
    """Of URLs, and of what is gone."""
    assert source_mark(location) == ""
