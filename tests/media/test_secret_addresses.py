"""Cameras that go by a name: what is told of them says neither where they are nor where they lead."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import cycle
from pathlib import Path

import cv2
import pytest
import trustme

from kinora.media.network import url_access
from kinora.media.network.auth import Credentials
from kinora.media.sources import Source, SourceError, SourceLimits, open_source
from tests.door import Door
from tests.media.videos import numbered
from tests.media_server import MediaServer, media_server
from tests.rtsp_server import RtspServer, rtsp_server

USER, PASSWORD = "joe-the-user", "Pa55w0rd-of-mine"
ME = Credentials(USER, PASSWORD)
NAME = "camera:front"
SECRETS = (USER, PASSWORD, "127.0.0.1", "localhost", ".invalid", "stream1", "elsewhere")
NEEDED = f"{NAME} asks for a user and password: give its [cameras.NAME] in kinora.toml user and password_file."


@pytest.fixture
def camera() -> Iterator[RtspServer]:
    """A camera that asks for a password, and has no stream."""
    with rtsp_server() as running:
        running.passwords = {USER: PASSWORD}
        yield running


@pytest.fixture
def web_camera(tmp_path: Path) -> Iterator[MediaServer]:
    """A camera that sends JPEGs over HTTP, and asks for a password."""
    with media_server(tmp_path) as running:
        running.streams["stream1"] = cycle(cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(8))
        running.door = Door(USER, PASSWORD)
        yield running


def opened(url: str, credentials: Credentials | None = ME) -> Source:
    """A camera that is allowed, as are all others of its host."""
    hosts = ("127.0.0.1", "localhost", "nobody.invalid")
    return open_source(url, limits=SourceLimits(url_hosts=hosts), name=NAME, credentials=credentials)


def refused(url: str, credentials: Credentials | None = ME) -> str:
    """The sentence with which it is refused."""
    with pytest.raises(SourceError) as caught:
        opened(url, credentials)
    told = str(caught.value)
    assert not [secret for secret in SECRETS if secret in told]
    assert url.partition("://")[2].partition("/")[0] not in told
    return told


@pytest.mark.parametrize("basic", [False, True])
def test_cameras_over_http_ask_for_a_password_in_both_ways(web_camera: MediaServer, basic: bool) -> None:
    """It is shown once it is asked for, and nothing is shown to a camera that does not ask."""
    web_camera.door = Door(USER, PASSWORD, basic=basic)
    with opened(web_camera.url("stream1")) as source:
        assert source.info.kind == "stream"
    assert [proof.partition(" ")[0] for proof in web_camera.proofs] == ["", "Basic" if basic else "Digest"]
    assert PASSWORD not in repr(web_camera.proofs)
    assert refused(web_camera.url("stream1"), None) == NEEDED
    assert refused(web_camera.url("stream1"), Credentials(USER, "wrong")).startswith(f"{NAME} refuses the user or")


def test_what_is_wrong_is_told_by_the_name(camera: RtspServer, web_camera: MediaServer) -> None:
    """Whatever the network says."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"localhost:{closed.getsockname()[1]}"
    assert refused(camera.url("stream1"), None) == NEEDED
    assert refused(camera.url("stream1")) == f"{NAME} has no such stream: check the path of the URL."
    assert refused(f"rtsp://{nobody}/stream1") == (
        f"Nothing listens at the port of {NAME}: check the port, and that RTSP is on."
    )
    assert refused("rtsp://nobody.invalid/stream1") == f"The host of {NAME} is not known: check its name."
    assert refused(camera.url("stream1").replace("rtsp:", "rtsps:")) == (
        f"{NAME} does not speak TLS at this port: check it, or use rtsp://."
    )
    assert refused(f"http://{nobody}/stream1") == f"{NAME} cannot be read: Connection refused."
    assert refused("http://nobody.invalid/stream1").startswith(f"{NAME} cannot be read: ")
    assert refused(web_camera.url("nothing")) == f"{NAME} cannot be read: the server answers 404 Not Found."


def test_a_certificate_for_another_host_is_told_without_the_host(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which the library's own words name."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("another.example").configure_cert(tls)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    url_access._context.cache_clear()
    with rtsp_server(tls) as secure, media_server(tmp_path, tls) as secure_web:
        for url in (secure.url("stream1"), secure_web.url("stream1")):
            assert "its certificate is not trusted, or is not for its host" in refused(url)
    url_access._context.cache_clear()


@pytest.mark.parametrize("leads", ["to another port", "to another host", "nowhere"])
def test_a_redirect_takes_no_password_along_and_is_not_told(
    camera: RtspServer, web_camera: MediaServer, tmp_path: Path, leads: str
) -> None:
    """Clients may not know where it leads to either."""
    with ExitStack() as others:
        other, other_web = others.enter_context(rtsp_server()), others.enter_context(media_server(tmp_path))
        other.passwords, other.challenge = {USER: PASSWORD}, 'Basic realm="camera"'
        other_web.door = Door(USER, PASSWORD, basic=True)
        to: dict[str, Callable[[str], str]] = {
            "to another port": lambda scheme: (other if scheme == "rtsp" else other_web).url("elsewhere"),
            "to another host": lambda scheme: f"{scheme}://other.example/elsewhere",
            "nowhere": lambda scheme: f"{scheme}://[elsewhere/",
        }
        camera.passwords, web_camera.door = {}, None
        location = f"Location: {to[leads]('rtsp')}"
        camera.answers["DESCRIBE"] = f"RTSP/1.0 302 X\r\nCSeq: CSEQ\r\n{location}\r\n\r\n".encode()
        web_camera.redirects["stream1"] = to[leads]("http")
        for url in (camera.url("stream1"), web_camera.url("stream1")):
            told = refused(url)
            assert "other.example" not in told
            assert (NEEDED in told) is (leads == "to another port")
        assert not any("authorization" in asked.fields for asked in other.asked)
        assert not any(other_web.proofs)
