"""Sources behind URLs: the same pictures as from the file, only from allowed hosts, and a sentence for each failure."""

from __future__ import annotations

import gzip
import shutil
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs
import cv2
import numpy as np
import pytest
import trustme

from kinora.media.network import url_access
from kinora.media.network.url_access import is_public
from kinora.media.sources import Source, SourceError, SourceLimits, SourceTruncated, open_again, open_source
from tests.media.videos import Image, cut, numbered, read_number, write_video
from tests.media_server import MediaServer, media_server

FRAMES = 100
LIMIT_S = 60
SCRIPTS = {
    "list.m3u8": "#EXTM3U\n#EXTINF:4,\nclip.mp4\n#EXT-X-ENDLIST\n",
    "list.txt": "ffconcat version 1.0\nfile clip.mp4",
}


PRIVATE = (
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),  # noqa: S104 - a target
    *("::1", "::", "fe80::1", "fe80::1%2", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "ff02::1", "2002:a00:1::"),
    *("fec0::1", "::127.0.0.1", "64:ff9b:1::1", "::ffff:0:8.8.8.8", "192.0.0.8", "192.88.99.1", "3fff::1", "5f00::1"),
    *("2001::1", "2001:db8::1", "192.0.2.1", "198.18.0.1", "255.255.255.255", "240.0.0.1", "::ffff:8.8.8.8"),
)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures numbered from 0, in several containers."""
    folder = tmp_path_factory.mktemp("clips")
    for name, muxer in (("clip.mp4", {"movflags": "faststart"}), ("late.mp4", {}), ("clip.mkv", {}), ("clip.ts", {})):
        pictures = (numbered(number) for number in range(FRAMES))
        write_video(folder / name, pictures, options={"g": "12", "bf": "2"}, muxer=muxer)
    return folder


@pytest.fixture
def server(clips: Path, tmp_path: Path) -> Iterator[MediaServer]:
    """Serves the clips, and what a test adds to them."""
    folder = tmp_path / "served"
    shutil.copytree(clips, folder)
    with media_server(folder) as running:
        yield running


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For a server that falls silent: the silence is over soon, and where it answers a busy machine has time for it."""
    monkeypatch.setattr(url_access, "TIMEOUT_S", 1)


def allow(*hosts: str) -> SourceLimits:
    """Limits under which these hosts may be read from."""
    return SourceLimits(url_hosts=hosts)


def numbers(source: Source, start: int = 0) -> tuple[list[tuple[int, int]], str | None]:
    """The index of each picture and the number in it, and why the source broke off."""
    got: list[tuple[int, int]] = []
    try:
        for picture in source.frames(start):
            image: Image = np.empty((picture.height, picture.width, 3), np.uint8)
            picture.write_to(image)
            got.append((picture.index, read_number(image)))
    except SourceTruncated as error:
        return got, str(error)
    return got, None


def refused(url: str, *hosts: str) -> str:
    """The message with which opening it is refused."""
    with pytest.raises(SourceError) as caught:
        open_source(url, limits=allow(*hosts))
    assert caught.value.kind in ("unreadable", "unsupported")
    return str(caught.value)


@pytest.mark.parametrize("parts", [True, False], ids=["parts", "whole files only"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts"])
@pytest.mark.parametrize("start", [0, 77])
def test_a_video_behind_a_url_gives_the_pictures_of_the_file(
    server: MediaServer, name: str, start: int, parts: bool
) -> None:
    """With or without range requests, number N is the same picture at the same time."""
    server.parts = parts
    with open_source(server.url(name), limits=allow(server.host)) as source:
        got, broken = numbers(source, start)
        info = source.info
    assert got == [(number, number) for number in range(start, FRAMES)]
    assert broken is None
    with open_source(str(server.folder / name), limits=SourceLimits()) as local:
        length_known = parts or name != "clip.ts"  # a transport stream tells it at its end
        assert info == (local.info if length_known else attrs.evolve(local.info, frames_total=None, duration_ms=None))


def test_an_mp4_with_its_index_at_the_end_needs_a_server_that_gives_parts(server: MediaServer) -> None:
    """With range requests it is read like any other; without, the refusal says why and what to do."""
    with open_source(server.url("late.mp4"), limits=allow(server.host)) as source:
        assert len(numbers(source)[0]) == FRAMES
    server.parts = False
    assert "index" in (said := refused(server.url("late.mp4"), server.host))
    assert "upload" in said


def test_an_image_behind_a_url_is_a_source_of_one_picture(server: MediaServer) -> None:
    """A JPEG is decoded as it would be from the folder."""
    cv2.imwrite(str(server.folder / "a b.jpg"), numbered(5))
    with open_source(server.url("a b.jpg?size=large"), limits=allow(server.host)) as source:
        assert (source.info.kind, numbers(source)) == ("image", ([(0, 5)], None))
    assert server.asked == ["/a%20b.jpg?size=large"]


def test_a_camera_is_a_stream_whose_pictures_come_when_they_come(server: MediaServer) -> None:
    """An endless row of JPEGs has no length, growing times, and no past pictures."""
    jpegs = [cv2.imencode(".jpg", numbered(number))[1].tobytes() for number in range(20)]
    server.streams["cam"] = jpegs
    with open_source(server.url("cam"), limits=allow(server.host)) as source:
        info = source.info
        assert (info.kind, info.frames_total, info.duration_ms, info.fps) == ("stream", None, None, None)
        times: list[float] = []
        with pytest.raises(SourceTruncated, match="it ended the stream"):
            times += (picture.timestamp_ms for picture in source.frames())
        end = "cam sends no more: it ended the stream."
        assert numbers(source) == ([(number, number) for number in range(20)], end)
    assert times[0] == 0
    assert times == sorted(times)
    with pytest.raises(SourceError, match="live stream"):
        open_again(server.url("cam"), limits=allow(server.host))


def test_a_redirect_may_set_a_cookie(server: MediaServer) -> None:
    """The next request brings it along; it goes to no other host."""
    server.redirects |= {"door": "/clip.mp4", "away": f"http://localhost:{server.server_port}/open.mp4"}
    server.fields |= {name: {"Set-Cookie": "session=17; Path=/"} for name in server.redirects}
    server.required["clip.mp4"] = "session=17"
    shutil.copy(server.folder / "late.mp4", server.folder / "open.mp4")
    for name in server.redirects:
        with open_source(server.url(name), limits=allow(server.host, "localhost")) as source:
            assert len(numbers(source)[0]) == FRAMES


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "a.png"])
def test_what_is_sent_as_gzip_is_unpacked(server: MediaServer, name: str) -> None:
    """Though it was not asked for; a broken one is told."""
    cv2.imwrite(str(server.folder / "a.png"), numbered(5))
    plain = server.folder / name
    with open_source(str(plain), limits=SourceLimits()) as local:
        wanted = numbers(local)
    packed = gzip.compress(plain.read_bytes())
    (server.folder / "packed").write_bytes(packed)
    server.fields["packed"] = {"Content-Encoding": "gzip"}
    for parts in (True, False):
        server.parts = parts
        with open_source(server.url("packed"), limits=allow(server.host)) as source:
            assert numbers(source) == wanted
    faults = {
        b"x" * 100: "what it sends is not the gzip that it says",
        packed[:5]: "the server has closed the connection",
    }
    for sent, reason in faults.items():
        (server.folder / "packed").write_bytes(sent)
        assert f"packed cannot be read: {reason}" in refused(server.url("packed"), server.host)


def test_another_packing_is_refused_by_its_name(server: MediaServer) -> None:
    """It cannot be unpacked here."""
    server.fields["clip.mp4"] = {"Content-Encoding": "br"}
    assert "compressed as 'br'; have the server send it as it is" in refused(server.url("clip.mp4"), server.host)


def test_a_page_instead_of_a_video_is_told(server: MediaServer) -> None:
    """Such as a page that asks for a password."""
    (server.folder / "login").write_bytes(b"<html><body>Who are you?</body></html>")
    server.fields["login"] = {"Content-Type": "text/html; charset=utf-8"}
    assert "login is text (such as a web page), not a video" in refused(server.url("login"), server.host)


def test_a_live_video_is_connected_to_once(server: MediaServer) -> None:
    """Its pictures are counted from the first that is asked for; its end is told."""
    data = (server.folder / "clip.ts").read_bytes()
    server.raw_streams["live"] = [data[at : at + 4096] for at in range(0, len(data), 4096)]
    server.fields["live"] = {"Content-Type": "video/mp2t"}
    with open_source(server.url("live"), limits=allow(server.host)) as source:
        assert source.info.kind == "stream"
        got, end = numbers(source)
    assert got == [(index, index + 1) for index in range(FRAMES - 1)]
    assert end == "live sends no more: it ended the stream."
    assert server.asked == ["/live"]


@pytest.mark.parametrize("how", ["frag_keyframe+empty_moov+default_base_moof", "frag_every_frame+empty_moov"])
def test_a_live_video_in_fragments_is_connected_to_once(server: MediaServer, how: str) -> None:
    """What its first fragments say of its length is not the length of all."""
    path = write_video(
        server.folder / "a.mp4", map(numbered, range(FRAMES)), options={"g": "12"}, muxer={"movflags": how}
    )
    server.raw_streams["live"] = [path.read_bytes()]
    server.fields["live"] = {"Content-Type": "video/mp4"}
    with open_source(server.url("live"), limits=allow(server.host)) as source:
        assert (source.info.kind, source.info.frames_total, source.info.duration_ms) == ("stream", None, None)
        got, end = numbers(source)
    assert got == [(index, index + 1) for index in range(FRAMES - 1)]
    assert end == "live sends no more: it ended the stream."
    assert server.asked == ["/live"]


def test_a_whole_video_without_a_length_is_no_camera(server: MediaServer) -> None:
    """Its own index says how much will come."""
    path = write_video(
        server.folder / "a.mp4", map(numbered, range(FRAMES)), options={"g": "12"}, muxer={"movflags": "faststart"}
    )
    server.raw_streams["whole"] = [path.read_bytes()]
    server.fields["whole"] = {"Content-Type": "video/mp4"}
    with open_source(server.url("whole"), limits=allow(server.host)) as source:
        assert (source.info.kind, source.info.frames_total) == ("video", FRAMES)


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        ((), "This server reads no sources from URLs"),
        (("example.com", "127.0.0.1:1"), "only from example.com, 127.0.0.1:1"),
    ],
)
def test_a_host_that_is_not_allowed_is_never_asked(server: MediaServer, hosts: tuple[str, ...], said: str) -> None:
    """The refusal says which hosts are allowed and who can change it."""
    message = refused(server.url("clip.mp4"), *hosts)
    assert said in message
    assert "--url-hosts" in message
    assert not server.asked


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0", "[::ffff:127.0.0.1]"])  # noqa: S104 - a target
def test_public_hosts_are_no_way_into_a_private_network(server: MediaServer, host: str) -> None:
    """With ``*`` only, an address of this machine is refused, also behind a name."""
    url = f"http://{host}:{server.server_port}/clip.mp4"
    assert "private network" in refused(url, url_access.ANY_PUBLIC, "example.com")
    assert not server.asked


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_of_networks_of_ones_own_are_not_public(address: str) -> None:
    """Loopback, private, link-local, shared and multicast addresses, and other notations of them."""
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "192.0.1.1", "223.255.255.255", "2606:4700:4700::1111", "2a00::1"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    """Addresses that anybody may reach."""
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("rtsp://127.0.0.1:1/cam", "Nothing listens at port 1 of 127.0.0.1"),
        ("rtmp://127.0.0.1/cam", "rtmp://"),
        ("file:///etc/passwd", "file://"),
        ("ftp://127.0.0.1/clip.mp4", "ftp://"),
        ("concat:http://127.0.0.1/a|http://127.0.0.1/b", "not a URL|not read from|no host"),
        ("http:///clip.mp4", "no host"),
        ("http://127.0.0.1:99999/clip.mp4", "is not a URL"),
        ("http://127.0.0.1:0/clip.mp4", "port 0"),
        ("http://[::1/clip.mp4", "is not a URL"),
        ("http://me:secret@127.0.0.1/clip.mp4", "user and password"),
        ("http://127.0.0.1:1/clip.mp4", "Connection refused"),
        ("http://no.such.host.invalid/clip.mp4", "cannot be read"),
        ("http://127.0.0.1\r\nHost: evil/clip.mp4", "."),
        (f"http://{'a' * 70}.example/clip.mp4", "cannot be read"),
    ],
)
def test_a_url_that_leads_to_no_file_is_refused_with_the_reason(url: str, said: str) -> None:
    """Other schemes, broken URLs, secrets that everybody would see, hosts that do not exist."""
    message = refused(url, "127.0.0.1", "no.such.host.invalid", f"{'a' * 70}.example")
    assert any(part in message for part in said.split("|"))
    assert "secret" not in message


def test_a_redirect_is_followed_only_to_hosts_that_are_allowed(server: MediaServer, tmp_path: Path) -> None:
    """Within the host it leads on; to another one, that one is never asked."""
    server.redirects = {"near": server.url("clip.mp4"), "relative": "clip.mp4", "round": "round"}
    for path in ("near", "relative"):
        with open_source(server.url(path), limits=allow(server.host)) as source:
            assert len(numbers(source)[0]) == FRAMES
    assert "redirected more than" in refused(server.url("round"), server.host)
    with media_server(tmp_path) as other:
        server.redirects["far"] = other.url("clip.mp4")
        assert f"not read from {other.host}" in refused(server.url("far"), server.host)
        assert "private network" in refused(server.url("far"), server.host, url_access.ANY_PUBLIC)
        server.redirects["out"] = "file:///etc/passwd"
        assert "file://" in refused(server.url("out"), server.host)
        assert not other.asked


@pytest.mark.parametrize("stalls", [False, True], ids=["closed", "silent"])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_lost_connection_is_taken_up_where_it_was(
    server: MediaServer, name: str, stalls: bool, impatient: None
) -> None:
    """With range requests every picture comes all the same, as after a long pause of the job."""
    server.stalls = stalls
    server.breaks_at = (server.folder / name).stat().st_size // 2
    with open_source(server.url(name), limits=allow(server.host)) as source:
        assert numbers(source) == ([(number, number) for number in range(FRAMES)], None)


@pytest.mark.parametrize(("stalls", "why"), [(False, "has closed"), (True, "does not answer")])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv"])
def test_a_connection_lost_for_good_ends_the_source_with_the_reason(
    server: MediaServer, name: str, stalls: bool, why: str, impatient: None
) -> None:
    """The pictures before it have been given."""
    server.parts, server.stalls = False, stalls
    server.breaks_at = (server.folder / name).stat().st_size // 2
    with open_source(server.url(name), limits=allow(server.host)) as source:
        got, broken = numbers(source)
    assert got == [(number, number) for number in range(len(got))]
    assert 0 < len(got) < FRAMES
    assert broken is not None
    assert f"{name} broke off" in broken
    assert why in broken


def test_a_file_that_changes_while_it_is_read_is_not_mixed(server: MediaServer) -> None:
    """Half of one video and half of another are not a video."""
    path = server.folder / "clip.mkv"
    server.breaks_at = path.stat().st_size // 2
    with open_source(server.url("clip.mkv"), limits=allow(server.host)) as source:
        pictures = source.frames()
        next(pictures)
        cut(path, 0.9).rename(path)
        with pytest.raises(SourceTruncated, match="has changed on the server"):
            for _ in pictures:
                pass


def test_a_server_that_says_nothing_is_given_up(tmp_path: Path, impatient: None) -> None:
    """It takes the connection and is silent."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert "does not answer" in refused(f"http://127.0.0.1:{silent.getsockname()[1]}/{tmp_path.name}", "127.0.0.1")


def test_an_answer_that_is_no_file_is_told(server: MediaServer) -> None:
    """Missing, empty, or something else."""
    (server.folder / "empty.mp4").touch()
    (server.folder / "page.html").write_text("<html>sign in first</html>")
    assert "404" in refused(server.url("none.mp4"), server.host)
    assert "is empty" in refused(server.url("empty.mp4"), server.host)
    assert "is not a video or image" in refused(server.url("page.html"), server.host)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_behind_a_url_leads_nowhere(server: MediaServer, name: str) -> None:
    """A playlist that names another file is refused, and the other file is not requested."""
    (server.folder / name).write_text(SCRIPTS[name])
    assert "is not a video or image" in refused(server.url(name), server.host)
    assert set(server.asked) == {f"/{name}"}


def test_https_is_read_only_from_a_host_that_proves_who_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: MediaServer
) -> None:
    """The certificate must be for this very host, from a trusted authority; else nothing is requested."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with media_server(server.folder, tls) as secure:
        right, wrong = secure.url("clip.mp4").replace("127.0.0.1", "localhost"), secure.url("clip.mp4")
        url_access._context.cache_clear()
        assert "certificate" in refused(right, "localhost")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        url_access._context.cache_clear()
        assert "certificate" in refused(wrong, "127.0.0.1")
        assert not secure.asked
        with open_source(right, limits=allow("localhost")) as source:
            assert len(numbers(source)[0]) == FRAMES
    url_access._context.cache_clear()


def test_what_another_service_says_is_not_told() -> None:
    """The greeting of a service that does not speak HTTP, as on any port of an allowed host, is not in the error."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def greet() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(b"220 secret-host ESMTP ready\r\n")
                connection.recv(65536)

        with ThreadPoolExecutor(1) as pool:
            greeted = pool.submit(greet)
            said = refused(f"http://127.0.0.1:{listening.getsockname()[1]}/clip.mp4", "127.0.0.1")
            greeted.result(LIMIT_S)
    assert said == "clip.mp4 cannot be read: the server does not speak HTTP."


def test_only_the_status_of_a_refusal_is_told(clips: Path) -> None:
    """The words that a web server has for a status are its own; the error has those of the standard."""
    with media_server(clips) as host:
        host.refusals["clip.mp4"] = "ask secret-host"
        said = refused(host.url("clip.mp4"), "127.0.0.1")
    assert said == "clip.mp4 cannot be read: the server answers 403 Forbidden."
