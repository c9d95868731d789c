"""Sources: right pictures, right numbers, right colours, and no way in for files of other kinds."""

from __future__ import annotations

import copy
import io
import os
import pickle
import struct
import zlib
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorRange, Colorspace
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kinora.media.sources import SourceError, SourceLimits, open_source
from kinora.media.videos.clock import Clock
from kinora.media.videos.seeking import find_place
from kinora.media.videos.video import SEEK_WORTH
from tests.media.videos import (
    Image,
    cut,
    numbered,
    read,
    read_number,
    with_scans,
    write_jpeg_video,
    write_rotated_jpeg,
    write_video,
)

FRAMES = 100
FRAME_MS = 40.0
LIMITS = SourceLimits()
CODECS = {
    "a.mp4": "libx264",
    "a.mkv": "libx264",
    "a.webm": "libvpx",
    "a.avi": "mpeg4",
    "a.ts": "libx264",
    "a.flv": "libx264",
    "a.h264": "libx264",
}
KEYS = {"g": "12", "bf": "2"}
NO_B_FRAMES = {"g": "12", "bf": "0"}


def numbered_video(path: Path, frames: int = FRAMES) -> Path:
    """A video of pictures 0 to ``frames`` - 1, with a key frame every 12 and, where the codec has them, B-frames."""
    codec = CODECS[f"a{path.suffix}"]
    options = {".webm": {"g": "12", "deadline": "realtime", "cpu-used": "8"}, ".avi": {"g": "12"}}.get(
        path.suffix, KEYS
    )
    return write_video(path, (numbered(number) for number in range(frames)), codec=codec, options=options)


def read_file(path: Path) -> tuple[list[tuple[int, float, Image]], str | None]:
    """All pictures of a file."""
    with open_source(str(path), limits=LIMITS) as source:
        return read(source)


def refused(path: Path, limits: SourceLimits = LIMITS) -> SourceError:
    """The error that opening the file raises."""
    with pytest.raises(SourceError) as caught, open_source(str(path), limits=limits):
        pass
    return caught.value


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_comes_once_in_order_at_its_time(tmp_path: Path, name: str) -> None:
    """Each container gives all its frames, numbered from 0, each at its own time."""
    got, broken = read_file(numbered_video(tmp_path / name))
    assert [read_number(image) for _, _, image in got] == list(range(FRAMES))
    assert [index for index, _, _ in got] == list(range(FRAMES))
    assert [time for _, time, _ in got] == pytest.approx([FRAME_MS * i for i in range(FRAMES)], abs=1)
    assert broken is None


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("start", [1, SEEK_WORTH - 1, SEEK_WORTH, 77, FRAMES - 1, FRAMES])
def test_any_start_gives_the_frames_that_a_reading_from_the_beginning_gives(
    tmp_path: Path, name: str, start: int
) -> None:
    """With or without seeking, number N is the same picture at the same time."""
    with open_source(str(numbered_video(tmp_path / name)), limits=LIMITS) as source:
        everything, _ = read(source)
        got, broken = read(source, start)
    assert [read_number(image) for _, _, image in got] == list(range(start, FRAMES))
    assert [entry[:2] for entry in got] == [entry[:2] for entry in everything[start:]]
    assert broken is None


@pytest.mark.parametrize(
    ("codec", "options", "muxer"),
    [
        ("libx264", {"g": "12", "bf": "3", "x264-params": "open-gop=1:b-pyramid=normal"}, {}),
        ("libx265", {"g": "12", "x265-params": "open-gop=1:bframes=4:log-level=none"}, {}),
        ("libx264", KEYS, {"movflags": "frag_keyframe+empty_moov"}),
        ("libx264", {"g": "250", "bf": "2"}, {}),
        ("mpeg4", {"g": "1"}, {}),
    ],
    ids=["open H.264", "open HEVC", "fragments", "one key frame", "key frames only"],
)
def test_an_mp4_is_entered_at_the_right_picture_however_it_was_encoded(
    tmp_path: Path, codec: str, options: dict[str, str], muxer: dict[str, str]
) -> None:
    """Groups of pictures that refer to the one before, fragments, one key frame in all: number N is number N."""
    path = write_video(
        tmp_path / "a.mp4", (numbered(number) for number in range(FRAMES)), codec=codec, options=options, muxer=muxer
    )
    with open_source(str(path), limits=LIMITS) as source:
        for start in range(SEEK_WORTH, FRAMES):
            picture = next(source.frames(start))
            image = np.empty((picture.height, picture.width, 3), np.uint8)
            picture.write_to(image)
            assert (picture.index, read_number(image)) == (start, start)


def test_entering_an_mp4_does_not_read_what_comes_before(tmp_path: Path) -> None:
    """Of a video of any length, only the index and the bytes around the picture are read."""

    class Counted(io.FileIO):
        count = 0

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            self.count += len(data or b"")
            return data or b""

    random = np.random.default_rng(0)
    pictures = (random.integers(0, 255, (120, 160, 3), np.uint8) for _ in range(200))
    path = write_video(tmp_path / "a.mp4", pictures, codec="mpeg4", options={"g": "12"})
    with Counted(path) as file, av.open(file, "r") as container:
        assert find_place(container, container.streams.video[0], 150) is not None
        assert file.count < path.stat().st_size / 2


def test_stride_leaves_out_pictures_but_keeps_their_numbers(tmp_path: Path) -> None:
    """With a stride of 7 from 60 the indexes go 60, 67, 74 and so on."""
    with open_source(str(numbered_video(tmp_path / "a.mp4")), limits=LIMITS) as source:
        got, _ = read(source, 60, 7)
    assert [(index, read_number(image)) for index, _, image in got] == [(n, n) for n in range(60, FRAMES, 7)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi"])
def test_info_says_what_is_in_the_file(tmp_path: Path, name: str) -> None:
    """Size, number of frames, rate and duration are known before a frame is read."""
    with open_source(str(numbered_video(tmp_path / name)), limits=LIMITS) as source:
        info = source.info
    assert (info.kind, info.width, info.height, info.frames_total) == ("video", 160, 120, FRAMES)
    assert (info.fps, info.duration_ms, info.max_frame_bytes) == (25.0, 4000.0, 160 * 120 * 3)


@pytest.mark.parametrize("color_range", [ColorRange.MPEG, ColorRange.JPEG])
@pytest.mark.parametrize("colorspace", [Colorspace.ITU709, Colorspace.ITU601])
def test_colours_follow_the_matrix_and_range_of_the_stream(
    tmp_path: Path, colorspace: Colorspace, color_range: ColorRange
) -> None:
    """A plain colour comes back as it went in, for every matrix and range of the stream."""
    matrix = 1 if colorspace == Colorspace.ITU709 else int(colorspace)
    colour = np.array((40, 200, 90), np.uint8)
    image = np.ascontiguousarray(np.broadcast_to(colour, (64, 64, 3)))
    path = write_video(
        tmp_path / "a.mp4", [image] * 3, options={"crf": "1"}, colorspace=matrix, color_range=int(color_range)
    )
    got, _ = read_file(path)
    assert np.abs(got[0][2].astype(int) - colour).max() <= 4
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        assert (int(frame.colorspace), int(frame.color_range)) == (matrix, int(color_range))
        assert np.array_equal(got[0][2], frame.to_ndarray(format="bgr24"))


@pytest.mark.parametrize(
    ("codec", "pix_fmt"),
    [
        ("ffv1", "gray"),
        ("ffv1", "yuv444p10le"),
        ("ffv1", "yuv422p"),
        ("ffv1", "bgra"),
        ("ffv1", "gray16le"),
        ("libx264rgb", "bgr24"),
        ("libx264", "yuvj420p"),
        ("libx264", "nv12"),
    ],
)
def test_odd_pixel_formats_look_as_swscale_makes_them(tmp_path: Path, codec: str, pix_fmt: str) -> None:
    """Gray, ten bits, planes, alpha: all become the BGR that ``to_ndarray`` gives."""
    path = write_video(tmp_path / "a.mkv", [numbered(5, 162, 90)] * 2, codec=codec, pix_fmt=pix_fmt)
    got, _ = read_file(path)
    with av.open(str(path)) as container:
        expected = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
    assert all(np.array_equal(image, wanted) for (_, _, image), wanted in zip(got, expected, strict=True))


@pytest.mark.parametrize(("degrees", "turns"), [(90, 1), (-90, -1), (180, 2)])
def test_video_is_turned_upright(tmp_path: Path, degrees: int, turns: int) -> None:
    """A display matrix is applied, and the sizes are those after it."""
    image = numbered(3)
    got, _ = read_file(write_video(tmp_path / "a.mp4", [image] * 2, options={"crf": "1"}, rotation=degrees))
    expected = np.rot90(image, turns)
    assert got[0][2].shape == expected.shape
    assert np.abs(got[0][2].astype(int) - expected).mean() < 8


def test_each_frame_of_a_stream_that_changes_size_has_its_own(tmp_path: Path) -> None:
    """Frames of another size in the middle come as they are, as the images of a folder do."""
    sizes = [(160, 120), (320, 240), (96, 64)]
    parts = [
        write_video(tmp_path / f"{n}.h264", [numbered(n, *size)] * 5, options={"bf": "0"}).read_bytes()
        for n, size in enumerate(sizes, start=1)
    ]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    got, broken = read_file(tmp_path / "a.h264")
    assert [(image.shape, read_number(image)) for _, _, image in got] == [
        ((height, width, 3), number) for number, (width, height) in enumerate(sizes, start=1) for _ in range(5)
    ]
    assert broken is None


@given(st.lists(st.none() | st.integers(-(2**40), 2**40), min_size=1, max_size=50))
def test_time_never_falls(stamps: list[int | None]) -> None:
    """With any timestamps, or none, the times of a stream's pictures begin at 0 or above and never decrease."""
    clock = Clock(stamps[0], 0.5, 40.0)
    times = [clock.read(stamp) for stamp in stamps]
    assert times == sorted(times)
    assert times[0] == 0


def test_a_jump_back_in_time_goes_on_one_frame_later() -> None:
    """After a discontinuity the stream's own distances count again."""
    clock = Clock(100, 1.0, 40.0)
    assert [clock.read(stamp) for stamp in (100, 140, 20, 65, None)] == [0, 40, 80, 125, 165]


@pytest.mark.parametrize(
    ("name", "muxer"),
    [
        ("a.mp4", {"movflags": "faststart"}),
        ("a.mp4", {"movflags": "frag_keyframe+empty_moov"}),
        ("a.mkv", {}),
        ("a.webm", {}),
        ("a.avi", {}),
        ("a.flv", {}),
    ],
)
def test_a_file_that_breaks_off_gives_what_is_there_and_says_so(
    tmp_path: Path, name: str, muxer: dict[str, str]
) -> None:
    """The frames before the break all come, as they are in the whole file, and then the break is reported."""
    images = [numbered(number) for number in range(FRAMES)]
    path = write_video(tmp_path / name, images, codec=CODECS[name], options=NO_B_FRAMES, muxer=muxer)
    got, broken = read_file(cut(path, 0.6))
    assert 20 < len(got) < FRAMES
    assert [read_number(image) for _, _, image in got] == list(range(len(got)))
    assert broken is not None
    assert f"cut-{name} is damaged or incomplete" in broken


def test_a_hole_in_the_middle_does_not_end_the_video(tmp_path: Path) -> None:
    """Overwritten bytes cost the frames they carry; the rest still comes, and the damage is reported."""
    path = numbered_video(tmp_path / "a.mkv")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 600] = os.urandom(600)
    path.write_bytes(data)
    got, broken = read_file(path)
    assert len(got) > FRAMES // 3
    assert broken is not None


def test_a_title_in_another_encoding_does_no_harm(tmp_path: Path) -> None:
    """Recorders write what is beside the pictures in the encoding of their country."""
    path = write_video(tmp_path / "a.avi", [numbered(1)] * 2, codec="mpeg4", title="T" * 20)
    path.write_bytes(path.read_bytes().replace(b"T" * 20, b"\xfc" * 20))
    got, broken = read_file(path)
    assert ([read_number(image) for _, _, image in got], broken) == ([1, 1], None)


def test_an_mp4_without_its_index_is_unreadable(tmp_path: Path) -> None:
    """An MP4 that is cut before its index gives no frame; the message says that it is incomplete."""
    error = refused(cut(numbered_video(tmp_path / "a.mp4"), 0.6))
    assert error.kind == "unreadable"
    assert "incomplete" in str(error)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.bmp", "a.tiff"])
def test_an_image_is_a_source_of_one_picture(tmp_path: Path, name: str) -> None:
    """Each kind of image gives one picture, as OpenCV reads it."""
    path = tmp_path / name
    cv2.imwrite(str(path), numbered(9, 161, 77))
    with open_source(str(path), limits=LIMITS) as source:
        got, broken = read(source)
        assert read(source, start=1) == ([], None)
    assert [(index, time) for index, time, _ in got] == [(0, 0.0)]
    assert np.array_equal(got[0][2], np.asarray(cv2.imread(str(path))))
    assert (source.info.kind, source.info.width, source.info.height) == ("image", 161, 77)
    assert (source.info.frames_total, broken) == (1, None)


def test_gray_alpha_and_sixteen_bit_images_become_bgr(tmp_path: Path) -> None:
    """An image in any pixel format comes as three bytes a pixel."""
    image = numbered(77)
    stored: dict[str, NDArray[Any]] = {
        "gray.png": image[:, :, 0],
        "deep.png": image.astype(np.uint16) * 257,
        "deep.tiff": image.astype(np.uint16) * 257,
        "alpha.png": np.dstack([image, np.full(image.shape[:2], 99, np.uint8)]),
    }
    for name, pixels in stored.items():
        cv2.imwrite(str(tmp_path / name), pixels)
        got, _ = read_file(tmp_path / name)
        assert read_number(got[0][2]) == 77
        assert np.abs(got[0][2][:60].astype(int) - image[:60]).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_honoured(tmp_path: Path, orientation: int) -> None:
    """A photo taken with the camera turned or mirrored stands upright."""
    upright = numbered(11)
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright),
        7: np.rot90(upright, 2).transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    path = write_rotated_jpeg(tmp_path / "a.jpg", np.ascontiguousarray(stored), orientation)
    got, _ = read_file(path)
    assert got[0][2].shape == upright.shape
    assert np.abs(got[0][2].astype(int) - upright).mean() < 8


def test_a_broken_jpeg_gives_its_upper_part_and_says_so(tmp_path: Path) -> None:
    """The part of a photo that is there is shown, and the missing lower part is reported."""
    path = tmp_path / "a.jpg"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8))
    whole = np.asarray(cv2.imread(str(path)))
    got, broken = read_file(cut(path, 0.6))
    assert np.array_equal(got[0][2][:96], whole[:96])
    assert broken is not None
    assert "incomplete" in broken


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.bmp"])
def test_a_broken_image_of_another_kind_is_unreadable(tmp_path: Path, name: str) -> None:
    """An image that cannot be decoded in part is refused, as damaged and not as unknown."""
    path = tmp_path / name
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 255, (240, 320, 3)).astype(np.uint8))
    error = refused(cut(path, 0.6))
    assert error.kind == "unreadable"
    assert "damaged or incomplete" in str(error)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_small_file_that_claims_to_be_huge_is_refused_from_its_header(tmp_path: Path) -> None:
    """A PNG of a hundred bytes and 3.6 thousand million pixels is too large, and nothing of it is decoded."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", b"") + _chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(data)
    error = refused(tmp_path / "bomb.png")
    assert error.kind == "too_large"
    assert "60000x60000" in str(error)


@pytest.mark.parametrize("name", ["a.jpg", "a.mov", "a.avi", "folder"])
def test_a_jpeg_that_takes_minutes_to_decode_is_refused(tmp_path: Path, name: str) -> None:
    """A picture of over 100 scans is refused before it is decoded: as an image, in a folder, as a video's first."""
    image = numbered(3)
    path = tmp_path / name
    match path.suffix:
        case ".jpg":
            path.write_bytes(with_scans(image, 101))
        case "":
            path.mkdir()
            (path / "a.jpg").write_bytes(with_scans(image, 101))
        case _:
            write_jpeg_video(path, [with_scans(image, 101)], 160, 120)
    error = refused(path)
    assert error.kind == ("unsupported" if name == "folder" else "too_large")
    assert "is a JPEG of more than 100 scans; save it again" in str(error)


def test_a_jpeg_of_many_scans_in_a_row_of_pictures_is_not_decoded(tmp_path: Path) -> None:
    """In a folder it is skipped and named; a video ends before it and says why."""
    jpegs = [with_scans(numbered(number), 101 if number == 2 else 100) for number in range(4)]
    for number, jpeg in enumerate(jpegs):
        (tmp_path / f"{number}.jpg").write_bytes(jpeg)
    got, broken = read_file(tmp_path)
    assert [(index, read_number(image)) for index, _, image in got] == [(0, 0), (1, 1), (3, 3)]
    assert broken == (
        "1 of 4 images were skipped: 2.jpg is a JPEG of more than 100 scans; save it again, as a baseline JPEG."
    )
    got, broken = read_file(write_jpeg_video(tmp_path / "a.mov", jpegs, 160, 120))
    assert [(index, read_number(image)) for index, _, image in got] == [(0, 0), (1, 1)]
    assert broken is not None
    assert broken.startswith("A picture of a.mov is a JPEG of more than 100 scans; ")


def test_a_video_over_the_pixel_limit_is_refused(tmp_path: Path) -> None:
    """The limit holds for videos as for images."""
    error = refused(numbered_video(tmp_path / "a.mp4", 2), SourceLimits(max_pixels=160 * 120 - 1))
    assert error.kind == "too_large"


def test_a_stream_that_grows_over_the_pixel_limit_stops_there(tmp_path: Path) -> None:
    """Frames over the limit in the middle of a stream are never decoded."""
    small = write_video(tmp_path / "s.h264", [numbered(1)] * 300, options={"bf": "0"}).read_bytes()
    large = write_video(tmp_path / "l.h264", [numbered(2, 320, 240)] * 5, options={"bf": "0"}).read_bytes()
    (tmp_path / "a.h264").write_bytes(small + large)
    with open_source(str(tmp_path / "a.h264"), limits=SourceLimits(max_pixels=160 * 120)) as source:
        got, broken = read(source)
    assert {read_number(image) for _, _, image in got} == {1}
    assert broken is not None
    assert broken.startswith("a.h264 is 320x240, over the limit of 19200 pixels; ")


def test_a_frame_just_over_the_pixel_limit_ends_the_video(tmp_path: Path) -> None:
    """FFmpeg's own limit is a coarse one; the true one holds for every frame of a stream that grows."""
    small = write_video(tmp_path / "s.h264", [numbered(1)] * 300, options={"bf": "0"}).read_bytes()
    large = write_video(tmp_path / "l.h264", [numbered(2, 192, 120)] * 5, options={"bf": "0"}).read_bytes()
    (tmp_path / "a.h264").write_bytes(small + large)
    with open_source(str(tmp_path / "a.h264"), limits=SourceLimits(max_pixels=160 * 120)) as source:
        got, broken = read(source)
    assert [read_number(image) for _, _, image in got] == [1] * 300
    assert broken is not None
    assert "192x120" in broken


@pytest.mark.parametrize("name", ["evil.m3u8", "evil.mp4", "evil.jpg"])
@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:4,\n{video}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile {name}\n",
        "<?xml version='1.0'?><MPD><Period><AdaptationSet><BaseURL>{video}</BaseURL></AdaptationSet></Period></MPD>",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n",
        "just words",
    ],
    ids=["hls", "concat", "dash", "sdp", "text"],
)
def test_a_file_that_points_to_others_is_no_source(tmp_path: Path, name: str, script: str) -> None:
    """Playlists, scripts and text are refused under any name."""
    video = numbered_video(tmp_path / "secret.ts", 3)
    (tmp_path / name).write_text(script.format(video=video, name=video.name))
    assert refused(tmp_path / name).kind == "unsupported"


def test_other_files_are_refused_with_what_to_do(tmp_path: Path) -> None:
    """Missing, empty and special files, sound and folders without images each have their own sentence."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    expected = {
        "missing.mp4": ("unreadable", "does not exist"),
        "empty.mp4": ("unreadable", "is empty"),
        "pipe": ("unsupported", "not a regular file"),
        "folder": ("unsupported", "holds no images"),
        "sound.mp4": ("unsupported", "no video track"),
    }
    for name, (kind, words) in expected.items():
        error = refused(tmp_path / name)
        assert (error.kind, words in str(error)) == (kind, True)


def test_a_location_must_be_absolute() -> None:
    """FFmpeg's own notations (``concat:``, ``http:``) cannot come in as a location."""
    with pytest.raises(ValueError, match="absolute"):
        open_source("concat:/a.ts|/b.ts", limits=LIMITS)


def test_a_folder_gives_its_images_in_natural_order_each_in_its_size(tmp_path: Path) -> None:
    """``image2`` comes before ``image10``; other files are no part of it."""
    for number, size in ((10, (160, 120)), (2, (320, 64)), (1, (64, 200))):
        cv2.imwrite(str(tmp_path / f"image{number}.png"), numbered(number, *size))
    (tmp_path / "notes.txt").write_text("not an image")
    with open_source(str(tmp_path), limits=LIMITS) as source:
        got, broken = read(source)
    assert [(index, read_number(image), image.shape[:2]) for index, _, image in got] == [
        (0, 1, (200, 64)),
        (1, 2, (64, 320)),
        (2, 10, (120, 160)),
    ]
    assert broken is None
    assert (source.info.kind, source.info.width, source.info.frames_total) == ("folder", 64, 3)
    assert source.info.max_frame_bytes == 320 * 64 * 3


def test_broken_images_in_a_folder_are_skipped_and_named(tmp_path: Path) -> None:
    """The others keep their numbers, and the end says which were left out and why."""
    for number in range(6):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number))
    (tmp_path / "0.png").write_bytes(b"no image")
    cut(tmp_path / "3.png", 0.5).replace(tmp_path / "3.png")
    cv2.imwrite(str(tmp_path / "5.png"), numbered(5, 400, 400))
    with open_source(str(tmp_path), limits=SourceLimits(max_pixels=399 * 399)) as source:
        got, broken = read(source)
        some, _ = read(source, 1, 3)
    assert [(index, read_number(image)) for index, _, image in got] == [(1, 1), (2, 2), (4, 4)]
    assert [index for index, _, _ in some] == [1, 4]
    assert broken is not None
    assert broken.startswith("3 of 6 images were skipped: 0.png is not a ")
    assert "3.png is damaged" in broken
    assert "5.png is 400x400" in broken


def test_a_folder_of_broken_images_is_refused(tmp_path: Path) -> None:
    """A folder without a readable image is refused, with one of the reasons."""
    (tmp_path / "0.png").write_bytes(b"no image")
    assert "0.png" in str(refused(tmp_path))


def test_errors_survive_copying_and_pickling() -> None:
    """They cross process boundaries whole."""
    error = SourceError("too_large", "Make it smaller.")
    for clone in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert (clone.kind, str(clone)) == ("too_large", "Make it smaller.")
