"""Folders of images: what is read alone is read there too, and what is left out is told once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinora.media.sources import SourceError, SourceLimits, SourceTruncated, open_source
from tests.media.heifs import Photo, write_heif
from tests.media.videos import numbered, read_number, write_video


def jpeg(number: int) -> bytes:
    """A picture that shows its number."""
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


def read(folder: Path, *, within: Path | None = None) -> tuple[list[tuple[str | None, int]], list[str], str | None]:
    """The pictures as file and number, what is told, and why the source broke off."""
    limits = SourceLimits(folders=() if within is None else (str(within),))
    got = []
    with open_source(str(folder), limits=limits) as source:
        try:
            for picture in source.frames():
                image = np.empty((picture.height, picture.width, 3), np.uint8)
                picture.write_to(image)
                got.append((picture.file, read_number(image)))
        except SourceTruncated as error:
            return got, [note.message for note in source.notes], str(error)
    return got, [note.message for note in source.notes], None


def test_every_kind_of_image_is_read_in_whatever_letters(tmp_path: Path) -> None:
    """Also without a suffix, if the first bytes are an image's."""
    for name in ("1.jpg", "2.JPEG", "3.Jfif", "4.jpe", "5"):
        (tmp_path / name).write_bytes(jpeg(int(name[0])))
    for name in ("6.png", "7.WEBP", "8.bmp", "9.tif", "10.ppm"):
        number = int(name.partition(".")[0])
        (tmp_path / name).write_bytes(cv2.imencode(Path(name).suffix.lower(), numbered(number))[1].tobytes())
    write_video(tmp_path / "11.gif", [numbered(11)], codec="gif", pix_fmt="rgb8")
    (tmp_path / "12.heic").write_bytes(write_heif(Photo(image=numbered(12), tile=64)))
    (tmp_path / "13.avif").write_bytes(write_heif(Photo(image=numbered(13)), kind="av01"))
    got, told, broken = read(tmp_path)
    assert [number for _, number in got] == list(range(1, 14))
    assert [file for file, _ in got][:3] == ["1.jpg", "2.JPEG", "3.Jfif"]
    assert (told, broken) == ([], None)


def make_link_out(folder: Path) -> None:
    """A link to an image outside."""
    (folder / "link.jpg").symlink_to(folder.parent / "outside.jpg")


def make_file(name: str, data: bytes = b"x") -> Callable[[Path], object]:
    """Makes this file in a folder."""
    return lambda folder: (folder / name).write_bytes(data)


@pytest.mark.parametrize(
    ("make", "what", "severity"),
    [
        (make_file(".DS_Store"), "1 hidden", "low"),
        (make_file("._1.jpg"), "1 hidden", "low"),
        (make_file("labels.TXT"), "1 .txt", "low"),
        (make_file("LICENSE"), "1 without a suffix", "low"),
        (make_file("a.psd"), "1 .psd", "medium"),
        (make_file("clip.mkv"), "1 video", "medium"),
        (lambda folder: (folder / "more.jpg").mkdir(), "1 folder", "medium"),
        (lambda folder: os.mkfifo(folder / "pipe.jpg"), "1 pipe or device", "medium"),
        (lambda folder: (folder / "gone.jpg").symlink_to("nowhere.jpg"), "1 broken link", "medium"),
        (make_link_out, "1 link out of the media folder", "medium"),
    ],
)
def test_what_is_left_out_is_told(tmp_path: Path, make: Callable[[Path], Any], what: str, severity: str) -> None:
    """How many of how many, and of what kind; files beside images are worth less."""
    (tmp_path / "outside.jpg").write_bytes(jpeg(9))
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(jpeg(1))
    make(folder)
    got, told, broken = read(folder, within=folder)
    assert (got, broken) == ([("1.jpg", 1)], None)
    assert told == [f"Left out 1 of 2 entries of the folder photos: {what}."]
    with open_source(str(folder), limits=SourceLimits(folders=(str(folder),))) as source:
        assert [note.severity for note in source.notes] == [severity]


def test_links_are_followed_where_they_may_lead(tmp_path: Path) -> None:
    """On one's own machine anywhere; on a server within the folder of media, also past the folder itself."""
    media, train, outside = tmp_path / "media", tmp_path / "media/train", tmp_path / "store"
    for folder in (media, train, outside):
        folder.mkdir()
    (media / "1.jpg").write_bytes(jpeg(1))
    (outside / "2.jpg").write_bytes(jpeg(2))
    (train / "1.jpg").symlink_to("../1.jpg")
    (train / "2.jpg").symlink_to(outside / "2.jpg")
    assert read(train)[0] == [("1.jpg", 1), ("2.jpg", 2)]
    got, told, _ = read(train, within=media)
    assert got == [("1.jpg", 1)]
    assert told == ["Left out 1 of 2 entries of the folder train: 1 link out of the media folder."]


def test_a_link_that_is_bent_after_the_look_leads_nowhere(tmp_path: Path) -> None:
    """It is opened by the path that was looked at, beneath the folder of media."""
    media = tmp_path / "media"
    (media / "train").mkdir(parents=True)
    (media / "inner").mkdir()
    for name, number in (("media/inner/1.jpg", 1), ("secret.jpg", 9)):
        (tmp_path / name).write_bytes(jpeg(number))
    (media / "train/0.jpg").write_bytes(jpeg(0))
    (media / "train/1.jpg").symlink_to("../inner/1.jpg")
    with open_source(str(media / "train"), limits=SourceLimits(folders=(str(media),))) as source:
        (media / "inner/1.jpg").unlink()
        (media / "inner/1.jpg").symlink_to(tmp_path / "secret.jpg")
        pictures = source.frames()
        assert next(pictures).index == 0
        with pytest.raises(SourceTruncated, match=r"1 of 2 images were skipped: 1\.jpg cannot be read"):
            next(pictures)


def test_a_folder_without_images_says_what_it_has(tmp_path: Path) -> None:
    """So that a user sees that the pictures are one level down, or behind links."""
    (tmp_path / "cats").mkdir()
    (tmp_path / "dogs").mkdir()
    (tmp_path / "list.csv").touch()
    with pytest.raises(SourceError, match=r"holds no images; it has 2 folders, 1 \.csv\. Give a folder of"):
        read(tmp_path)


def test_a_file_of_several_pictures_gives_its_first(tmp_path: Path) -> None:
    """Which is told once, with what to do; the others go on."""
    (tmp_path / "0.jpg").write_bytes(jpeg(0))
    for number in (1, 2):
        images = [numbered(number), numbered(90), numbered(91)]
        write_video(tmp_path / f"{number}.gif", images, codec="gif", pix_fmt="rgb8")
    cv2.imwritemulti(str(tmp_path / "3.tif"), [numbered(3), numbered(93)])
    got, told, broken = read(tmp_path)
    assert [number for _, number in got] == [0, 1, 2, 3]
    (sentence,) = told
    assert sentence.startswith("1.gif holds several pictures. A folder gives the first of each such file: process")
    assert broken is None


def test_a_name_that_is_not_unicode_is_read_and_shown(tmp_path: Path) -> None:
    """What cannot be shown of it is replaced."""
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(jpeg(1))
    (tmp_path / os.fsdecode(b"na\xefve.jpg")).write_bytes(b"no image")
    got, _, broken = read(tmp_path)
    assert got == [("caf\ufffd.jpg", 1)]
    assert broken is not None
    assert broken.startswith("1 of 2 images were skipped: na\ufffdve.jpg is not a picture")


def test_broken_images_are_named_by_what_they_are(tmp_path: Path) -> None:
    """A page that was saved as an image, one of the wrong kind, and one that breaks off."""
    (tmp_path / "0.jpg").write_bytes(jpeg(0))
    (tmp_path / "1.jpg").write_bytes(b"<!doctype html><title>404</title>")
    (tmp_path / "2.jpg").write_bytes(jpeg(2)[:-300])
    (tmp_path / "3.jpg").write_bytes(b"%PDF-1.7")
    got, _, broken = read(tmp_path)
    assert got == [("0.jpg", 0)]
    assert broken is not None
    assert broken.startswith("3 of 4 images were skipped: 1.jpg is a web page")
    assert "2.jpg is incomplete" in broken
    assert "3.jpg is a PDF" in broken
