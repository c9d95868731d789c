"""Cameras: what they send is taken apart picture by picture, and no picture is without end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinora.media.multipart import BrokenParts, read_parts
from kinora.media.source_types import MAX_IMAGE_BYTES, Picture, SourceError, SourceLimits, SourceTruncated
from kinora.media.sources import open_source
from tests.media.videos import Image, numbered, read_number, with_scans
from tests.media_server import MediaServer, media_server

HEAD = b"--x\r\nContent-Type: image/jpeg\r\n\r\n"
PIECE = bytes(2**20)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MediaServer]:
    """A camera's server."""
    with media_server(tmp_path) as running:
        yield running


def jpeg(number: int, width: int = 160) -> bytes:
    """A picture that shows its number."""
    return cv2.imencode(".jpg", numbered(number, width))[1].tobytes()


def part(body: bytes, *, sized: bool = True, kind: str = "image/jpeg") -> bytes:
    """A part of a message, and the boundary before it."""
    size = f"Content-Length: {len(body)}\r\n" if sized else ""
    return f"--x\r\nContent-Type: {kind}\r\n{size}\r\n".encode() + body + b"\r\n"


def number_in(picture: Picture) -> int:
    """The number that a picture shows."""
    image: Image = np.empty((picture.height, picture.width, 3), np.uint8)
    picture.write_to(image)
    return read_number(image)


def read(location: str, *hosts: str, start: int = 0, stride: int = 1) -> tuple[list[tuple[int, int]], str | None]:
    """The index of each picture and the number in it, and why the source broke off."""
    got: list[tuple[int, int]] = []
    with open_source(location, limits=SourceLimits(url_hosts=hosts)) as source:
        try:
            for picture in source.frames(start, stride):
                got.append((picture.index, number_in(picture)))  # noqa: PERF401 - it may break off
        except SourceTruncated as error:
            return got, str(error)
    return got, None


def parts_of(data: bytes) -> list[bytes]:
    """The parts of a message."""
    with open(os.memfd_create("parts"), "w+b", buffering=0) as file:  # noqa: PTH123 - it has no path
        file.write(data)
        file.seek(0)
        return list(read_parts("cam", file))


@pytest.mark.parametrize(
    "endless",
    [
        lambda: chain([HEAD], repeat(PIECE)),
        lambda: chain([b"--x\r\nContent-Type: image/jpeg\r\nContent-Length: 9999999999\r\n\r\n"], repeat(PIECE)),
        lambda: chain([b"--x\r\n"], repeat(b"X-Filler: " + PIECE)),
        lambda: repeat(b"--" + PIECE),
    ],
    ids=["no length", "a huge length", "headers", "a boundary"],
)
def test_a_part_without_end_is_not_kept(server: MediaServer, endless: Callable[[], Iterator[bytes]]) -> None:
    """As a first picture it is refused; after others the source ends there. No more than the limit is read."""
    spare = 16 * 2**20  # in the buffers of both sockets
    server.raw_streams["first"] = endless()
    with pytest.raises(SourceError) as caught:
        open_source(server.url("first"), limits=SourceLimits(url_hosts=(server.host,)))
    assert caught.value.kind in ("too_large", "unsupported")
    assert server.sent < MAX_IMAGE_BYTES + spare


def test_a_part_without_end_after_others_ends_the_source(server: MediaServer) -> None:
    """The pictures before it are there, and the end says why."""
    server.raw_streams["cam"] = [part(jpeg(1)), part(jpeg(2)), HEAD, *repeat(PIECE, 66)]
    got, broken = read(server.url("cam"), server.host)
    assert got == [(0, 1), (1, 2)]
    assert broken is not None
    assert broken.startswith("A picture of cam is larger than 64 MiB; have it sent in smaller ones. What could be read")


def test_a_picture_of_many_scans_ends_the_source(server: MediaServer) -> None:
    """It is not decoded; as the first one it is refused."""
    many = part(with_scans(numbered(3), 101))
    server.raw_streams |= {"cam": [part(jpeg(1)), many], "first": [many]}
    got, broken = read(server.url("cam"), server.host)
    assert got == [(0, 1)]
    assert broken is not None
    assert broken.startswith("A picture of cam is a JPEG of more than 100 scans; ")
    with pytest.raises(SourceError, match="more than 100 scans"):
        read(server.url("first"), server.host)


@pytest.mark.parametrize("sized", [True, False])
@pytest.mark.parametrize("end", [b"", b"--x--\r\n", b"--x--\r\nsome more"])
def test_what_a_camera_has_sent_can_be_read_from_a_file(tmp_path: Path, sized: bool, end: bytes) -> None:
    """With or without lengths, ended or not; from any picture on."""
    path = tmp_path / "cam.mjpeg"
    path.write_bytes(b"\r\n" + b"".join(part(jpeg(number), sized=sized) for number in range(9)) + end)
    assert read(str(path)) == ([(number, number) for number in range(9)], None)
    assert read(str(path), start=2, stride=3) == ([(2, 2), (5, 5), (8, 8)], None)


def test_a_damaged_picture_does_not_end_the_source(tmp_path: Path) -> None:
    """It is left out, one of another size is scaled, and the end says that something was damaged."""
    path = tmp_path / "cam"
    path.write_bytes(part(jpeg(1)) + part(b"no picture") + part(jpeg(3, 320)) + part(jpeg(4))[:-200])
    got, broken = read(str(path))
    assert [number for _, number in got] == [1, 3]
    assert broken is not None
    assert "cam is damaged or incomplete" in broken


@pytest.mark.parametrize(
    "data",
    [b"--x\r\n\r\nbody", b"-- a script\n", b"--", part(b"<p>", kind="text/html"), part(b"abc")[:-4]],
)
def test_other_messages_are_broken(data: bytes, tmp_path: Path) -> None:
    """A head without a type or of another one, another file that begins alike, and a body that breaks off."""
    with pytest.raises(BrokenParts):
        parts_of(data)
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(SourceError):
        read(str(tmp_path / "other"))


def test_boundaries_are_found_wherever_reads_end() -> None:
    """A part may end at any byte of a read."""
    for size in range(65_500, 65_540):
        body = b"\xff" * size
        assert parts_of(part(body, sized=False) + part(b"next", sized=False) + b"--x--") == [body, b"next"]
