"""The word for which a camera over HTTP is lost, or cannot be opened."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import pytest

from kinora.media.camera_errors import CameraError, CameraLost, LostReason
from kinora.media.network import url_access
from kinora.media.source_types import SourceLimits
from kinora.media.sources import open_source
from tests.authority import Authority
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server


def jpeg(number: int) -> bytes:
    """A picture that shows a number."""
    return cv2.imencode(".jpg", numbered(number))[1].tobytes()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[MediaServer]:
    """A camera's HTTP server."""
    with media_server(tmp_path) as running:
        yield running


def refused(url: str, *hosts: str) -> LostReason:
    """Why a source is not opened."""
    with pytest.raises(CameraError) as caught:
        open_source(url, limits=SourceLimits(url_hosts=hosts))
    return caught.value.reason


def locked(host: MediaServer) -> None:
    """A camera that asks for a password."""
    host.refusals["cam"] = "Forbidden"


def busy(host: MediaServer) -> None:
    """A camera that has another client."""
    host.one_client, host.streams["cam"] = True, [jpeg(0)]
    host.busy.acquire()


def redirecting(host: MediaServer) -> None:
    """A camera that sends its clients to a host that is not allowed."""
    host.redirects["cam"] = "http://elsewhere.example/cam"


def circling(host: MediaServer) -> None:
    """A camera that sends its clients to itself."""
    host.redirects["cam"] = host.url("cam")


def talking(host: MediaServer) -> None:
    """A camera of sound."""
    host.raw_streams["cam"] = [b"--x\r\nContent-Type: audio/basic\r\n\r\n", bytes(3000)]


REFUSING: dict[Callable[[MediaServer], None], LostReason] = {
    locked: LostReason.AUTH,
    busy: LostReason.REFUSED,
    redirecting: LostReason.REDIRECTED,
    circling: LostReason.REDIRECTED,
    talking: LostReason.NO_VIDEO,
}


@pytest.mark.parametrize("camera", REFUSING)
def test_a_camera_that_cannot_be_watched_says_why(host: MediaServer, camera: Callable[[MediaServer], None]) -> None:
    """By its answer."""
    camera(host)
    assert refused(host.url("cam"), host.host) is REFUSING[camera]


def test_a_host_that_cannot_be_reached_is_unreachable_or_refuses(tmp_path: Path) -> None:
    """By its name, or because nothing listens there."""
    assert refused("http://nobody.invalid/cam", "nobody.invalid") is LostReason.UNREACHABLE
    with media_server(tmp_path) as host:
        url, name = host.url("cam"), host.host
    assert refused(url, name) is LostReason.REFUSED


def test_a_host_that_is_connected_to_and_says_nothing_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """In contrast to one that does not answer at all."""
    monkeypatch.setattr(url_access, "TIMEOUT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        name = f"127.0.0.1:{listening.getsockname()[1]}"
        assert refused(f"http://{name}/cam", name) is LostReason.SILENT


def test_a_host_that_does_not_take_the_connection_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one behind a wall that drops packets: here one whose queue of connections is full."""
    monkeypatch.setattr(url_access, "CONNECT_S", 0.1)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listening, socket.socket() as first:
        first.connect(listening.getsockname())
        name = f"127.0.0.1:{listening.getsockname()[1]}"
        assert refused(f"http://{name}/cam", name) is LostReason.UNREACHABLE


def test_a_certificate_that_nobody_vouches_for_is_told(tmp_path: Path) -> None:
    """In one word."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(Authority(tmp_path).server)
    with media_server(tmp_path, context) as host:
        assert refused(host.url("cam"), host.host) is LostReason.CERTIFICATE


def test_a_camera_that_ends_its_stream_has_closed_it(host: MediaServer) -> None:
    """With its last picture."""
    host.streams["cam"] = [jpeg(number) for number in range(3)]
    source = open_source(host.url("cam"), limits=SourceLimits(url_hosts=(host.host,)))
    with source, pytest.raises(CameraLost) as lost:
        list(source.frames())
    assert lost.value.reason is LostReason.CLOSED


def test_a_camera_that_says_nothing_more_is_silent(host: MediaServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pictures have come before."""
    monkeypatch.setattr(url_access, "TIMEOUT_S", 0.2)

    def three_pictures() -> Iterator[bytes]:
        yield from (jpeg(number) for number in range(3))
        host.closing.wait()

    host.streams["cam"] = three_pictures()
    source = open_source(host.url("cam"), limits=SourceLimits(url_hosts=(host.host,)))
    with source, pytest.raises(CameraLost) as lost:
        list(source.frames())
    assert (lost.value.reason, str(lost.value)) == (
        LostReason.SILENT,
        "cam broke off: the server does not answer.",
    )
