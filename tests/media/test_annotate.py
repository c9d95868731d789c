"""The annotated video: the right pictures at the right times, with the detections drawn in."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace

from kinora.actors.pictures.annotated_videos import FILES, VIDEO_FILE
from kinora.media.drawing.annotate import annotate
from kinora.media.sources import SourceError, SourceLimits, open_source
from tests.media.all_files import write as write_frames
from tests.media.videos import Image, numbered, read_number, write_video

FRAMES = 30
LIMITS = SourceLimits()
BOX = {"x": 30, "y": 20, "width": 60, "height": 30, "confidence": 0.9, "class": "person", "track_id": 4}


def frame(index: int, *detections: dict[str, Any]) -> dict[str, Any]:
    """A FrameData, 25 a second."""
    return {"index": index, "timestamp_ms": index * 40.0, "results": {"tracker": {"detections": list(detections)}}}


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Pictures 0 to 29."""
    return write_video(tmp_path / "a.mp4", (numbered(n) for n in range(FRAMES)))


def read(path: Path) -> list[tuple[float, Image]]:
    """Time and pixels of all pictures."""
    got = []
    with open_source(str(path), limits=LIMITS) as source:
        for picture in source.frames():
            got.append((picture.timestamp_ms, np.empty((picture.height, picture.width, 3), np.uint8)))
            picture.write_to(got[-1][1])
    return got


def test_all_pictures_come_at_their_times_with_boxes_drawn(video: Path, tmp_path: Path) -> None:
    """Each picture of the source is there once, and differs from it round the box."""
    told: list[int] = []
    out = tmp_path / "out.mp4"
    written = annotate(str(video), (frame(n, BOX) for n in range(FRAMES)), out, limits=LIMITS, progress=told.append)
    got, original = read(out), read(video)
    assert written == len(got) == FRAMES
    assert told == list(range(1, FRAMES + 1))
    assert [time for time, _ in got] == pytest.approx([time for time, _ in original], abs=1)
    assert [read_number(image) for _, image in got] == list(range(FRAMES))
    edge = np.abs(got[5][1].astype(int) - original[5][1])[25:48, 28:33]
    assert edge.max() > 40


def test_pictures_without_a_frame_are_left_out_and_times_stay(video: Path, tmp_path: Path) -> None:
    """With a stride of 5 from 10 the video has those pictures, as far apart as in the source."""
    out = tmp_path / "out.mp4"
    annotate(str(video), [frame(n) for n in (10, 15, 20, 25)], out, limits=LIMITS)
    got = read(out)
    assert [read_number(image) for _, image in got] == [10, 15, 20, 25]
    assert [time for time, _ in got] == pytest.approx([0, 200, 400, 600], abs=1)


@pytest.mark.parametrize(
    ("name", "container", "codec"),
    [
        ("out.mp4", "mov,mp4", "h264"),
        ("out.M4V", "mov,mp4", "h264"),
        ("out.mov", "mov,mp4", "h264"),
        ("out.mkv", "matroska", "h264"),
        ("out.webm", "matroska", "vp9"),
        ("out.avi", "avi", "mpeg4"),
        ("out", "mov,mp4", "h264"),
    ],
)
def test_the_suffix_names_the_kind_of_file(video: Path, tmp_path: Path, name: str, container: str, codec: str) -> None:
    """Each holds all pictures at their times, and says how colours are stored, as browsers guess wrong."""
    out = tmp_path / "made" / name
    out.parent.mkdir()
    numbers = [*range(10), *range(12, 20)]
    assert annotate(str(video), [frame(n) for n in numbers], out, limits=LIMITS) == 18
    with av.open(str(out)) as written:
        assert written.format.name.startswith(container)
        context = written.streams.video[0].codec_context
        assert context.name == codec
        assert codec == "mpeg4" or (context.colorspace, context.color_range) == (Colorspace.ITU601, ColorRange.MPEG)
    got = read(out)
    assert [read_number(image) for _, image in got] == numbers
    assert [time for time, _ in got] == pytest.approx([40 * n for n in numbers], abs=1.5)


def test_a_slow_film_with_uneven_times_keeps_them_in_an_avi_as_well(tmp_path: Path) -> None:
    """A container of a fixed rate gets one that is high enough."""
    stamps = [0, 40, 90, 300, 1000, 3000]
    source = write_frames(tmp_path / "a.mkv", range(6), stamps=stamps, tick=Fraction(1, 1000), rate=2)
    frames = [{"index": n, "timestamp_ms": stamp, "results": {}} for n, stamp in enumerate(stamps)]
    annotate(str(source), frames, tmp_path / "out.avi", limits=LIMITS)
    assert [time for time, _ in read(tmp_path / "out.avi")] == pytest.approx(stamps, abs=21)


def test_a_picture_an_hour_keeps_its_times_where_a_file_can_have_them(tmp_path: Path) -> None:
    """As of a time lapse: its rate is next to nothing. An AVI is refused with a sentence."""
    stamps = [0, 3_600_000, 7_200_000]
    source = write_frames(tmp_path / "a.mp4", range(3), stamps=stamps, tick=Fraction(1, 1000), rate=1)
    frames = [{"index": n, "timestamp_ms": stamp, "results": {}} for n, stamp in enumerate(stamps)]
    for out in (tmp_path / "out.mp4", tmp_path / "out.mkv"):
        annotate(str(source), frames, out, limits=LIMITS)
        assert [time for time, _ in read(out)] == pytest.approx(stamps, abs=1)
    with pytest.raises(OSError, match=r"try \.mkv"):
        annotate(str(source), frames, tmp_path / "out.avi", limits=LIMITS)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi"])
def test_pictures_from_late_in_a_recording_are_as_far_apart_as_there(video: Path, tmp_path: Path, suffix: str) -> None:
    """However late it is."""
    frames = [{"index": n, "timestamp_ms": 86_400_000.0 + 40 * n, "results": {}} for n in range(5)]
    annotate(str(video), frames, tmp_path / f"out{suffix}", limits=LIMITS)
    got = read(tmp_path / f"out{suffix}")
    assert [read_number(image) for _, image in got] == list(range(5))
    assert [time for time, _ in got] == pytest.approx([40 * n for n in range(5)], abs=1)


@pytest.mark.parametrize("suffix", [".mp4", ".avi"])
def test_times_that_a_kind_of_file_cannot_have_are_an_error_of_writing(tmp_path: Path, suffix: str) -> None:
    """Two pictures a day apart: the error says what can have that, and nothing is left."""
    source = write_frames(tmp_path / "a.mkv", range(2), stamps=[0, 86_400_000], tick=Fraction(1, 1000))
    frames = [{"index": n, "timestamp_ms": n * 86_400_000.0, "results": {}} for n in range(2)]
    with pytest.raises(OSError, match=r"try \.mkv"):
        annotate(str(source), frames, tmp_path / f"out{suffix}", limits=LIMITS)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]
    assert annotate(str(source), frames, tmp_path / "out.mkv", limits=LIMITS) == 2


def test_no_file_of_a_kind_that_is_not_written_is_made(video: Path, tmp_path: Path) -> None:
    """The command line refuses such a name before the job."""
    with pytest.raises(ValueError, match=r"no video file ends in \.gif"):
        annotate(str(video), [frame(0)], tmp_path / "out.gif", limits=LIMITS)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


def test_a_picture_of_another_size_is_fitted_in_and_told(tmp_path: Path) -> None:
    """In its own proportions, black beside it; the sentence comes once."""
    for number, size in enumerate([(160, 120), (120, 160), (320, 60)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((size[1], size[0], 3), 200, np.uint8))
    out, told = tmp_path / "out" / "video.mp4", list[str]()
    out.parent.mkdir()
    annotate(str(tmp_path), [frame(number) for number in range(3)], out, limits=LIMITS, note=told.append)
    _, tall, wide = (image for _, image in read(out))
    assert [(int(tall[60, x].mean()) > 150) for x in (20, 45, 80, 115, 140)] == [False, True, True, True, False]
    assert [(int(wide[y, 80].mean()) > 150) for y in (30, 55, 65, 90)] == [False, True, True, False]
    assert told == ["2 of 3 pictures have another size than the first: they are fitted into 160x120."]


def test_odd_sizes_and_folders_of_many_sizes_become_one_even_size(tmp_path: Path) -> None:
    """H.264 wants even sides; pictures that differ are scaled to the first."""
    for number, size in enumerate([(161, 121), (320, 240), (80, 60)]):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number, *size))
    out = tmp_path / "out" / "video.mp4"
    out.parent.mkdir()
    annotate(str(tmp_path), [frame(number) for number in range(3)], out, limits=LIMITS)
    assert [(image.shape, read_number(image)) for _, image in read(out)] == [((120, 160, 3), n) for n in range(3)]


def test_the_files_of_a_video_in_the_making_are_known(tmp_path: Path) -> None:
    """The next server removes them if this one is killed; a folder with other files in it would stay."""
    video = write_video(tmp_path / "long.mp4", (numbered(n) for n in range(120)))  # encoders hold many pictures back
    out, found = tmp_path / "making" / VIDEO_FILE, set[str]()
    out.parent.mkdir()

    def look(_pictures: int) -> None:
        found.update(path.name for path in out.parent.iterdir())

    annotate(str(video), (frame(n) for n in range(120)), out, limits=LIMITS, progress=look)
    assert found
    assert all(FILES.fullmatch(name) for name in found | {VIDEO_FILE})


def test_no_frames_make_no_file(video: Path, tmp_path: Path) -> None:
    """A job without frames leaves nothing behind."""
    assert annotate(str(video), [], tmp_path / "out.mp4", limits=LIMITS) == 0
    assert not (tmp_path / "out.mp4").exists()


def test_a_failure_leaves_the_earlier_file_and_nothing_half_made(video: Path, tmp_path: Path) -> None:
    """After any failure while writing, the file from before is still whole."""
    out = tmp_path / "out.mp4"
    out.write_bytes(b"earlier")

    def breaking() -> Iterator[dict[str, Any]]:
        yield frame(0)
        raise RuntimeError("the results broke off")

    with pytest.raises(RuntimeError, match="broke off"):
        annotate(str(video), breaking(), out, limits=LIMITS)
    assert out.read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.mp4", "out.mp4"]


def test_a_missing_source_and_an_unwritable_place_are_errors(video: Path, tmp_path: Path) -> None:
    """Both are reported, and no file is made."""
    with pytest.raises(SourceError):
        annotate(str(tmp_path / "gone.mp4"), [frame(0)], tmp_path / "out.mp4", limits=LIMITS)
    with pytest.raises(OSError, match="No such file"):
        annotate(str(video), [frame(0)], tmp_path / "nowhere" / "out.mp4", limits=LIMITS)
