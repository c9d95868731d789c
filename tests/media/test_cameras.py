"""Cameras: what they send is taken apart picture by picture, and no picture is without end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from pathlib import Path

import cv2
import numpy as np
import pytest

from kinora.media.live.newest import Newest
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
    assert caught.value.kind in ("too_large", "unsupported", "unreadable")
    assert server.sent < MAX_IMAGE_BYTES + spare


def test_a_part_without_end_after_others_ends_the_source(server: MediaServer) -> None:
    """The pictures before it are there, and the end says why."""
    server.raw_streams["cam"] = [part(jpeg(1)), part(jpeg(2)), HEAD + jpeg(3)[:-2], *repeat(PIECE, 66)]
    got, broken = read(server.url("cam"), server.host)
    assert got == [(0, 2)]
    assert broken is not None
    assert broken == "A picture of cam is larger than 64 MiB; have it made in smaller ones."


def test_a_picture_of_many_scans_ends_the_source(server: MediaServer) -> None:
    """It is not decoded; as the first one it is refused."""
    many = part(with_scans(numbered(3), 101))
    server.raw_streams |= {"cam": [part(jpeg(0)), part(jpeg(1)), many], "first": [many]}
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
    """What there is of it is shown, one of another size is scaled, and the end says that something was damaged."""
    path = tmp_path / "cam"
    path.write_bytes(part(jpeg(1)) + part(b"no picture") + part(jpeg(3, 320)) + part(jpeg(4))[:-200])
    got, broken = read(str(path))
    assert [number for _, number in got] == [1, 3, 4]
    assert broken is not None
    assert "cam is damaged or incomplete" in broken


@pytest.mark.parametrize("data", [b"--x\r\n\r\nbody", b"-- a script\n", b"--", part(b"<p>", kind="text/html")])
def test_messages_without_pictures_are_refused(data: bytes, tmp_path: Path) -> None:
    """A head without a body, another file that begins alike, and parts of another kind."""
    (tmp_path / "other").write_bytes(data)
    with pytest.raises(SourceError, match="not a video or image"):
        read(str(tmp_path / "other"))


def commented(number: int) -> bytes:
    """A JPEG with a comment that looks like the boundary and the head of a part."""
    note = b"noise \r\n--x\r\nContent-Type: image/jpeg\r\n\r\n noise"
    data = jpeg(number)
    return data[:2] + b"\xff\xfe" + (2 + len(note)).to_bytes(2, "big") + note + data[2:]


def shaped(head: str) -> Callable[[int], bytes]:
    """Parts with this head, in which SIZE stands for the length of the picture."""
    return lambda number: head.replace("SIZE", str(len(jpeg(number)))).encode() + jpeg(number) + b"\r\n"


PLAIN = "--x\r\nContent-Type: image/jpeg\r\nContent-Length: SIZE\r\n\r\n"
MULTIPART = "multipart/x-mixed-replace; boundary=x"
CAMERAS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "as the standard has it": (shaped(PLAIN), MULTIPART),
    "a line end before each boundary": (shaped(f"\r\n{PLAIN}"), MULTIPART),
    "no length": (shaped("--x\r\nContent-Type: image/jpeg\r\n\r\n"), MULTIPART),
    "boundaries inside pictures": (lambda number: part(commented(number), sized=False), MULTIPART),
    "a boundary called with its dashes": (shaped(PLAIN), "multipart/x-mixed-replace; boundary=--x"),
    "a quoted boundary": (shaped(PLAIN), 'Multipart/Mixed;Boundary="x"'),
    "another boundary than announced": (shaped(PLAIN), "multipart/x-mixed-replace; boundary=other"),
    "no boundary": (shaped("Content-Type: image/jpeg\r\nContent-Length: SIZE\r\n\r\n"), MULTIPART),
    "no head": (shaped("--x\r\n\r\n"), MULTIPART),
    "line feeds only": (shaped("--x\nContent-Type: image/jpeg\n\n"), MULTIPART),
    "a length that is too short": (shaped(PLAIN.replace("SIZE", "10")), MULTIPART),
    "a length that is too long": (shaped(PLAIN.replace("SIZE", "9SIZE")), MULTIPART),
    "a length that is no number": (shaped(PLAIN.replace("SIZE", "many")), MULTIPART),
    "an odd type": (shaped("--x\r\nContent-Type: application/octet-stream\r\n\r\n"), MULTIPART),
    "texts between": (lambda number: part(b"tick", kind="text/plain") + part(jpeg(number)), MULTIPART),
    "padding behind each picture": (lambda number: part(jpeg(number) + bytes(999)), MULTIPART),
    "no type at all": (shaped(PLAIN), ""),
    "bare pictures": (jpeg, "video/x-motion-jpeg"),
    "bare pictures called one": (jpeg, "image/jpeg"),
}


@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_is_read(server: MediaServer, camera: str) -> None:
    """However it marks its pictures, each comes once, over one connection; its end is told."""
    make, content_type = CAMERAS[camera]
    server.raw_streams["cam"] = [make(number) for number in range(5)]
    server.fields["cam"] = {"Content-Type": content_type}
    got, end = read(server.url("cam"), server.host)
    assert got == [(index, index + 1) for index in range(4)]  # the first one is over when frames are asked for
    assert end == "cam sends no more: it ended the stream."
    assert server.asked == ["/cam"]


def test_damaged_pictures_of_a_camera_are_told_once_and_at_once(server: MediaServer) -> None:
    """The next good picture brings the note along; a camera has no end at which it could be told."""
    server.raw_streams["cam"] = [part(jpeg(0)), part(jpeg(1)[:-300]), *(part(jpeg(number)) for number in (2, 3))]
    with open_source(server.url("cam"), limits=SourceLimits(url_hosts=(server.host,))) as source:
        pictures = source.frames()
        next(pictures)
        assert [note.message for note in source.notes] == [
            "cam sends damaged pictures: those that cannot be decoded are left out, and others lack their lower part."
        ]
        with pytest.raises(SourceTruncated):
            list(pictures)
        assert len(source.notes) == 1


def test_parts_of_another_kind_are_left_out_and_told(server: MediaServer) -> None:
    """Once; a camera that sends no JPEG at all is refused with what to do."""
    png = part(cv2.imencode(".png", np.random.default_rng(1).integers(0, 255, (99, 99, 3), np.uint8))[1].tobytes())
    server.raw_streams |= {"cam": [part(jpeg(0)), png, part(jpeg(1)), png, part(jpeg(2))], "png": [png, png]}
    with open_source(server.url("cam"), limits=SourceLimits(url_hosts=(server.host,))) as source:
        with pytest.raises(SourceTruncated):
            list(source.frames())
        assert [note.message for note in source.notes] == [
            "cam also sends what is no JPEG, such as PNG or sound: that is left out."
        ]
    with pytest.raises(SourceError, match="png sends no JPEGs: set the camera to JPEG"):
        read(server.url("png"), server.host)


def test_one_picture_without_a_length_is_an_image(server: MediaServer) -> None:
    """Servers of single pictures often do not say how long they are."""
    server.raw_streams["shot"] = [jpeg(3)]
    server.fields["shot"] = {"Content-Type": "image/jpeg"}
    with open_source(server.url("shot"), limits=SourceLimits(url_hosts=(server.host,))) as source:
        assert source.info.kind == "image"
        assert [number_in(picture) for picture in source.frames()] == [3]


def test_a_live_picture_comes_before_the_next_one_is_sent(server: MediaServer) -> None:
    """It is shown as soon as its last byte has come."""
    gate = threading.Semaphore(2)

    def send() -> Iterator[bytes]:
        for number in range(5):
            assert gate.acquire(timeout=60)
            yield part(jpeg(number), sized=False).removesuffix(b"\r\n")

    server.raw_streams["cam"] = send()
    with open_source(server.url("cam"), limits=SourceLimits(url_hosts=(server.host,))) as source:
        seen = []
        for picture in source.frames():
            seen.append(number_in(picture))
            gate.release()
            if len(seen) == 4:
                break
    assert seen == [1, 2, 3, 4]


def test_the_newest_picture_is_taken() -> None:
    """Of those that came since the last one the others are left out; errors come at the end."""
    more, all_read = threading.Event(), threading.Event()

    def numbers() -> Iterator[int]:
        yield 0
        assert more.wait(60)
        yield from range(1, 9)
        all_read.set()
        raise SourceTruncated("the end")

    newest = Newest(numbers())
    assert next(newest) == 0
    more.set()
    assert all_read.wait(60)
    assert next(newest) == 8
    for _ in range(2):
        with pytest.raises(SourceTruncated, match="the end"):
            next(newest)
