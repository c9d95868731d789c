"""Image files of several pictures, in tiles, of odd samples: all come, upright, or it is said what is wrong."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from kinora.media.images import heif, tiff
from kinora.media.sources import SourceError, SourceLimits, SourceTruncated, open_source
from tests.media.heifs import Photo, write_heif
from tests.media.videos import Image, cut, numbered, read_number, write_rotated_jpeg, write_video
from tests.media.videos import read as read_all

PICTURES = 12
LIMITS = SourceLimits()


def read(path: Path, start: int = 0, stride: int = 1) -> tuple[list[tuple[int, float, Image]], str | None]:
    """The pictures of a file as index, time and pixels, and why it broke off."""
    with open_source(str(path), limits=LIMITS) as source:
        return read_all(source, start, stride)


def notes(path: Path) -> list[str]:
    """What a source has to tell when it is opened."""
    with open_source(str(path), limits=LIMITS) as source:
        return [note.message for note in source.notes]


def refused(path: Path, limits: SourceLimits = LIMITS) -> SourceError:
    """The error that opening the file raises."""
    with pytest.raises(SourceError) as caught, open_source(str(path), limits=limits):
        pass
    return caught.value


def write_animation(path: Path, images: Iterable[NDArray[Any]], durations: Sequence[int]) -> Path:
    """An animated WebP."""
    animation = cv2.Animation()
    animation.frames, animation.durations = list(images), np.array(durations)  # type: ignore[assignment]
    assert cv2.imwriteanimation(str(path), animation)
    return path


def write_moving(path: Path) -> Path:
    """Numbered pictures 0 to 11, 40 ms apart; the suffix chooses the format."""
    images = [numbered(number) for number in range(PICTURES)]
    match path.suffix:
        case ".webp":
            return write_animation(path, images, [40] * PICTURES)
        case ".png":
            moved = write_video(path.with_suffix(".apng"), images, codec="apng", pix_fmt="rgb24")
            return moved.rename(path)
        case ".avif":
            return write_video(path, images, codec="libsvtav1", options={"preset": "12"})
    return write_video(path, images, codec="gif", pix_fmt="rgb8")


def test_the_still_of_a_moving_avif_is_no_track_left_out(tmp_path: Path) -> None:
    """Every such file has one, for programs that show only that."""
    moving = write_moving(tmp_path / "a.avif")
    with av.open(str(moving)) as container:
        assert len(container.streams.video) == 2
    assert notes(moving) == []


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.avif", "a.gif", "b"])
def test_an_image_that_moves_gives_all_its_pictures_at_their_times(tmp_path: Path, name: str) -> None:
    """Under any name; from any picture on."""
    path = write_moving(tmp_path / (name if "." in name else "a.webp")).rename(tmp_path / name)
    got, broken = read(path)
    assert [(index, round(time), read_number(image)) for index, time, image in got] == [
        (number, 40 * number, number) for number in range(PICTURES)
    ]
    assert broken is None
    got, _ = read(path, 3, 4)
    assert [(index, read_number(image)) for index, _, image in got] == [(3, 3), (7, 7), (11, 11)]


def test_a_webp_whose_pictures_are_parts_shows_the_whole_each_time(tmp_path: Path) -> None:
    """An encoder stores what has changed, and its pixels may be transparent; each picture has its own duration."""
    base = np.dstack([numbered(5), np.full((120, 160), 255, np.uint8)])
    images = []
    for number in range(6):
        image = base.copy()
        image[80:90, 10 + 20 * number : 20 + 20 * number, :3] = (0, 0, 255)
        images.append(image)
    got, broken = read(write_animation(tmp_path / "a.webp", images, [10, 20, 30, 40, 50, 60]))
    assert [time for _, time, _ in got] == [0, 10, 30, 60, 100, 150]
    assert broken is None
    for (_, _, image), wanted in zip(got, images, strict=True):
        assert np.abs(image.astype(int) - wanted[..., :3]).mean() < 6
        assert read_number(image) == 5


def test_a_webp_that_breaks_off_gives_the_pictures_before(tmp_path: Path) -> None:
    """Those that are whole come."""
    got, _ = read(cut(write_moving(tmp_path / "a.webp"), 0.6))
    assert [read_number(image) for _, _, image in got] == list(range(len(got)))
    assert 3 < len(got) < PICTURES


def write_tiff(path: Path, images: Sequence[NDArray[Any]]) -> Path:
    """A page for each."""
    assert cv2.imwritemulti(str(path), images)
    return path


def test_every_page_of_a_tiff_is_a_picture_of_its_own_size(tmp_path: Path) -> None:
    """A page has no time: pages count as one second apart."""
    sizes = [(160, 120), (320, 64), (64, 200)]
    path = write_tiff(tmp_path / "a.tif", [numbered(number, *size) for number, size in enumerate(sizes)])
    got, broken = read(path)
    assert [(index, time, read_number(image), image.shape[1::-1]) for index, time, image in got] == [
        (number, 1000.0 * number, number, size) for number, size in enumerate(sizes)
    ]
    assert broken is None
    with open_source(str(path), limits=LIMITS) as source:
        info = source.info
    assert (info.kind, info.frames_total, info.max_frame_bytes) == ("image", 3, 320 * 64 * 3)
    limited = SourceLimits(max_pixels=160 * 120)
    with open_source(str(path), limits=limited) as source, pytest.raises(SourceTruncated) as caught:
        assert [picture.index for picture in source.frames()] == [0, 2]
    assert "1 of 3 pictures were skipped: number 1 (a.tif is 320x64, over the limit" in str(caught.value)


def directory(order: str, tags: Sequence[tuple[int, int, int]], following: int) -> bytes:
    """A TIFF's directory: tags with their types and numbers, and where the next directory is."""
    entries = b"".join(struct.pack(order + "HHII", tag, kind, 1, value) for tag, kind, value in tags)
    return struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "I", following)


def gray_page(at: int, following: int, *more: tuple[int, int, int], fill: int = 90) -> bytes:
    """A page of 4x2 gray pixels that stands at this place of a file."""
    tags = [(256, 4, 4), (257, 4, 2), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, at - 8), (278, 4, 2), (279, 4, 8)]
    return bytes([fill]) * 8 + directory("<", sorted([*tags, *more]), following)


def gray_tiff(*pages: Sequence[tuple[int, int, int]], back_to: int = 0) -> bytes:
    """A TIFF of gray pages with these further tags; the last may lead back."""
    data = struct.pack("<2sHI", b"II", 42, 16)
    for number, more in enumerate(pages):
        at = len(data) + 8
        size = len(gray_page(at, 0, *more))
        data += gray_page(at, at + size if number + 1 < len(pages) else back_to, *more, fill=90 + 10 * number)
    return data


def test_copies_of_a_page_in_other_sizes_are_no_pictures(tmp_path: Path) -> None:
    """A pyramid has smaller versions of its page, and a scan a mask: they are marked so."""
    path = tmp_path / "a.tif"
    path.write_bytes(gray_tiff([(254, 4, 1)], [], [(254, 4, 1)], [(254, 4, 4)], []))
    got, broken = read(path)
    assert [int(image[0, 0, 0]) for _, _, image in got] == [100, 130]
    assert broken is None


def test_pages_in_a_circle_are_read_once(tmp_path: Path) -> None:
    """The chain of pages may lead back."""
    path = tmp_path / "a.tif"
    path.write_bytes(gray_tiff([], [], back_to=16))
    assert len(read(path)[0]) == 2


def test_further_pages_than_are_read_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the limit at three."""
    monkeypatch.setattr("kinora.media.images.albums.MAX_PAGES", 3)
    monkeypatch.setattr(tiff, "MAX_PAGES", 3)
    path = tmp_path / "a.tif"
    path.write_bytes(gray_tiff(*[[]] * 5))
    assert len(read(path)[0]) == 3
    assert notes(path) == ["a.tif has 3 pages or more: further ones are left out."]


@pytest.mark.parametrize(
    ("tags", "words"),
    [
        ([(339, 3, 3)], "has 8-bit floating-point samples; save it"),
        ([(277, 3, 7)], "has 7 channels; save it"),
        ([(259, 3, 50000)], "a.tif is compressed by Zstandard: save it with LZW, Deflate or none"),
        ([(259, 3, 34925)], "a.tif is compressed by LZMA: save it with LZW, Deflate or none"),
        ([(50706, 4, 1)], "is a camera's raw file: convert it"),
        ([(254, 4, 1), (330, 4, 8)], "is a camera's raw file: convert it"),
    ],
)
def test_a_tiff_that_cannot_be_read_is_refused_with_the_reason(
    tmp_path: Path, tags: list[tuple[int, int, int]], words: str
) -> None:
    """It is not called damaged."""
    path = tmp_path / "a.tif"
    path.write_bytes(gray_tiff(tags))
    error = refused(path)
    assert (error.kind, words in str(error)) == ("unsupported", True)


def test_a_large_tiff_format_is_read(tmp_path: Path) -> None:
    """BigTIFF has places of eight bytes; its pages are chained likewise."""
    path = tmp_path / "a.btf"
    pages = b""
    for number in range(2):
        at = 16 + len(pages)
        tags = [(256, 4), (257, 2), (258, 8), (259, 1), (262, 1), (273, at), (278, 2), (279, 8)]
        entries = b"".join(struct.pack("<HHQQ", tag, 4, 1, value) for tag, value in tags)
        size = 8 + 8 + len(entries) + 8
        pages += bytes([90 + number]) * 8 + struct.pack("<Q", len(tags)) + entries
        pages += struct.pack("<Q", at + size + 8 if number == 0 else 0)
    path.write_bytes(struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16 + 8) + pages)
    assert [int(image[0, 0, 0]) for _, _, image in read(path)[0]] == [90, 91]


QUARTER, MIRROR, CROP = b"irot", b"imir", b"clap"


@pytest.mark.parametrize("kind", ["hvc1", "av01"])
@pytest.mark.parametrize("tile", [None, 64])
def test_a_photo_in_tiles_comes_whole(tmp_path: Path, kind: str, tile: int | None) -> None:
    """As phones write them; the last tiles reach beyond the picture."""
    image = numbered(77, 160, 120)
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(write_heif(Photo(image=image, tile=tile), kind=kind))
    (first,), broken = read(path)
    assert first[2].shape == image.shape
    assert np.abs(first[2].astype(int) - image).mean() < 6
    assert broken is None


@pytest.mark.parametrize(
    ("turns", "wanted"),
    [
        ([(QUARTER, b"\1")], np.rot90),
        ([(QUARTER, b"\3")], lambda image: np.rot90(image, 3)),
        ([(MIRROR, b"\1")], lambda image: image[:, ::-1]),
        ([(MIRROR, b"\0")], lambda image: image[::-1]),
        ([(QUARTER, b"\1"), (MIRROR, b"\1")], lambda image: np.rot90(image)[:, ::-1]),
        ([(CROP, struct.pack(">IIIIiIiI", 100, 1, 60, 1, 0, 1, 0, 1))], lambda image: image[30:90, 30:130]),
    ],
    ids=["left", "right", "mirrored", "upside down", "both", "cropped"],
)
def test_a_photo_is_turned_as_its_file_says(tmp_path: Path, turns: list[tuple[bytes, bytes]], wanted: Any) -> None:
    """In the order in which it says so, after its tiles were put together."""
    image = numbered(77, 160, 120)
    path = tmp_path / "a.heic"
    path.write_bytes(write_heif(Photo(image=image, tile=64, turns=turns)))
    (first,), _ = read(path)
    assert first[2].shape == wanted(image).shape
    assert np.abs(first[2].astype(int) - wanted(image)).mean() < 6


@pytest.mark.parametrize("matrix", [0, 2, 6, 8, 300])
def test_colours_that_are_described_oddly_do_not_refuse_a_photo(tmp_path: Path, matrix: int) -> None:
    """What cannot be applied is left to the tiles, which describe their colours too."""
    path = tmp_path / "a.heic"
    colours = (b"colr", b"nclx" + struct.pack(">HHHB", 1, 13, matrix, 0))
    path.write_bytes(write_heif(Photo(image=numbered(77), turns=[colours])))
    assert [read_number(image) for _, _, image in read(path)[0]] == [77]


def test_a_webp_that_claims_to_be_huge_is_refused_from_its_header(tmp_path: Path) -> None:
    """No canvas of that size is made."""
    path = write_moving(tmp_path / "a.webp")
    data = bytearray(path.read_bytes())
    data[24:30] = b"\xff" * 6
    path.write_bytes(data)
    assert refused(path).kind == "too_large"


def test_all_photos_of_a_heic_are_pictures(tmp_path: Path) -> None:
    """The main one first, each in its own size."""
    path = tmp_path / "a.heic"
    photos = [Photo(image=numbered(1)), Photo(image=numbered(2, 128, 128), tile=64), Photo(image=numbered(3))]
    path.write_bytes(write_heif(*photos))
    got, _ = read(path)
    assert [(index, read_number(image), image.shape[1]) for index, _, image in got] == [
        (0, 1, 160),
        (1, 2, 128),
        (2, 3, 160),
    ]


def test_a_photo_with_missing_tiles_is_refused_by_name(tmp_path: Path) -> None:
    """A part is never shown as the whole."""
    path = tmp_path / "a.heic"
    path.write_bytes(write_heif(Photo(image=numbered(1), tile=64, tiles_kept=2)))
    assert str(refused(path)) == (
        "a.heic is a HEIC, HEIF or AVIF file, but its tiles do not make a whole picture; convert it to JPEG."
    )
    path.write_bytes(write_heif(Photo(image=numbered(1), tile=64))[:-5])
    assert "it is incomplete; convert it to JPEG" in str(refused(path))


def test_a_photo_whose_second_tile_is_not_there_ends_its_decoder(tmp_path: Path) -> None:
    """The decoder is freed while it works on the first: neither waits for the other for ever."""
    data = bytearray(write_heif(Photo(image=numbered(1), tile=64)))
    second = data.index(struct.pack(">HHH", 2, 0, 1)) + 6
    data[second : second + 4] = struct.pack(">I", len(data))
    (tmp_path / "a.heic").write_bytes(data)
    for _ in range(10):
        assert "it is incomplete" in str(refused(tmp_path / "a.heic"))


def test_a_png_with_a_chunk_longer_than_the_file_is_not_decoded(tmp_path: Path) -> None:
    """A decoder makes room for it first, which takes gigabytes and seconds."""
    data = bytearray(cv2.imencode(".png", numbered(1))[1].tobytes())
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = struct.pack(">I", 2**31 - 1)
    (tmp_path / "a.png").write_bytes(data)
    assert "a.png is damaged or incomplete" in str(refused(tmp_path / "a.png"))


def test_a_heic_over_the_limit_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    """By what its description says."""
    path = tmp_path / "a.heic"
    path.write_bytes(write_heif(Photo(image=numbered(1), tile=64)))
    assert refused(path, SourceLimits(max_pixels=160 * 120 - 1)).kind == "too_large"


def test_a_description_of_a_heic_cannot_be_made_endless() -> None:
    """Pieces without bytes, of which a small file can have thousands of millions, are refused."""
    pieces = b"".join(struct.pack(">HHH", item, 0, 0xFFFF) for item in range(2000))
    with pytest.raises(heif.NotReadable, match="too many parts"):
        heif._places(bytes(4) + b"\0\0" + struct.pack(">H", 2000) + pieces)


def test_further_views_behind_a_photo_are_told(tmp_path: Path) -> None:
    """A stereo camera's; previews and maps of another size are not worth a word."""
    jpeg, small = (cv2.imencode(".jpg", numbered(3, width, 120))[1].tobytes() for width in (160, 80))
    head = jpeg[:2] + b"\xff\xe2\0\6MPF\0" + jpeg[2:]
    for name, behind, told in (("a.mpo", jpeg, 1), ("b.jpg", small, 0)):
        (tmp_path / name).write_bytes(head + behind)
        assert len(read(tmp_path / name)[0]) == 1
        assert len(notes(tmp_path / name)) == told


@pytest.mark.parametrize("name", ["cam.mjpeg", "cam.MJPG", "cam.jpg", "cam"])
def test_a_row_of_jpegs_is_a_video(tmp_path: Path, name: str) -> None:
    """Under any name; its pictures have no times, which is told."""
    path = tmp_path / name
    jpegs = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(PICTURES)]
    path.write_bytes(b"".join(jpegs))
    got, broken = read(path)
    assert [(index, time, read_number(image)) for index, time, image in got] == [
        (number, 40.0 * number, number) for number in range(PICTURES)
    ]
    assert broken is None
    assert [index for index, _, _ in read(path, 2, 5)[0]] == [2, 7]
    with open_source(str(path), limits=LIMITS) as source:
        assert (source.info.kind, source.info.frames_total) == ("video", PICTURES)
        assert "1/25 s apart" in source.notes[0].message


def test_a_photo_with_something_behind_it_is_one_picture(tmp_path: Path) -> None:
    """Phones append a preview, or a video, in which bytes may look like a JPEG's beginning."""
    jpeg, small = (cv2.imencode(".jpg", numbered(3, width, 120))[1].tobytes() for width in (160, 80))
    for behind in (small, b"\0\0\0\x18ftypmp42" + b"\xff\xd8\xff\xe0junk" * 9, b"\xff\xd8\xff"):
        path = tmp_path / "a.jpg"
        path.write_bytes(jpeg + behind)
        got, broken = read(path)
        assert [read_number(image) for _, _, image in got] == [3]
        assert broken is None


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".png", ".webp", ".tif"])
def test_orientation_holds_in_every_format(tmp_path: Path, suffix: str, orientation: int) -> None:
    """As in the JPEG of the same stored picture."""
    stored = numbered(11)
    exif = struct.pack(">2sHIHHHIHHI", b"MM", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)
    path = tmp_path / f"a{suffix}"
    if suffix == ".tif":
        cv2.imwrite(str(path), stored, [cv2.IMWRITE_TIFF_COMPRESSION, 1])
        path.write_bytes(with_orientation(path.read_bytes(), orientation))
    else:
        _, data = cv2.imencodeWithMetadata(suffix, stored, [cv2.IMAGE_METADATA_EXIF], [np.frombuffer(exif, np.uint8)])
        path.write_bytes(bytes(data))
    jpeg = write_rotated_jpeg(tmp_path / "a.jpg", stored, orientation)
    ((_, _, got),), ((_, _, wanted),) = read(path)[0], read(jpeg)[0]
    assert got.shape == wanted.shape
    assert np.abs(got.astype(int) - wanted).mean() < 8


def with_orientation(data: bytes, orientation: int) -> bytes:
    """The TIFF with a directory at its end that has this tag too."""
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
    entries.append(struct.pack("<HHII", 274, 3, 1, orientation))
    entries.sort(key=lambda entry: entry[:2][::-1])
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


@pytest.mark.parametrize("suffix", [".pbm", ".pgm", ".ppm"])
def test_netpbm_images_are_read(tmp_path: Path, suffix: str) -> None:
    """Also with comments in their heads."""
    image = numbered(9)
    stored = {".pbm": (image[..., 0] > 128).astype(np.uint8) * 255, ".pgm": image[..., 0], ".ppm": image}[suffix]
    path = tmp_path / f"a{suffix}"
    cv2.imwrite(str(path), stored)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\n# made by hand\n", 1))
    assert [read_number(image) for _, _, image in read(path)[0]] == [9]


@pytest.mark.parametrize(
    ("name", "head", "words"),
    [
        ("a.jpg", b"<!DOCTYPE html><html><body>404</body>", "a.jpg is a web page"),
        ("a.jpg", b"\xff\xd8\xff\xe0 broken", "a.jpg is damaged or incomplete"),
        ("a.exr", b"\x76\x2f\x31\x01" + bytes(40), "is an OpenEXR image: convert it"),
        ("a.mp4", b"version https://git-lfs.github.com/spec/v1\n", "is a pointer of Git LFS"),
        ("a.png", b"Salted__" + bytes(range(200)), "is encrypted: decrypt it first"),
        ("a.zip", b"PK\3\4" + bytes(30), "is a ZIP archive"),
        ("a.mp4", bytes(2000), "is empty but for zeros"),
        ("a.jxl", b"\xff\x0a" + bytes(30), "is a JPEG XL image"),
        ("a.cr2", b"II*\0\x10\0\0\0CR\2\0" + bytes(30), "is a camera's raw file"),
    ],
)
def test_a_refusal_names_what_the_file_is(tmp_path: Path, name: str, head: bytes, words: str) -> None:
    """And what to do."""
    (tmp_path / name).write_bytes(head)
    assert words in str(refused(tmp_path / name))
