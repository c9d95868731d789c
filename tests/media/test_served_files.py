"""Files of a program's own server: the same pictures as from the disk, over one address, and without its secrets."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import attrs
import cv2
import pytest
import trustme

from kinora.media.messages import DECODER, FrameReady, Map, Mapped, Open, Opened, Slot
from kinora.media.network import served_file, url_access
from kinora.media.network.served import Served
from kinora.media.source_types import SourceInfo
from kinora.media.sources import Source, SourceError, SourceLimits, open_served, open_source
from kinora.runtime.shared_memory.frames import FrameRing
from tests.door import Door
from tests.media.channels import running
from tests.media.heifs import Photo, write_heif
from tests.media.videos import cut, numbered, read, write_video
from tests.media_server import MediaServer, media_server

FRAMES = 80
"""More than a reader decodes to come to a place."""
TOKEN = "kin_" + "s" * 43
LIMITS = SourceLimits()
STILLS = ("a.png", "a.jpg", "a.tif", "a.heic", "a.gif")
VIDEOS = ("late.mp4", "clip.mkv", "row.mjpeg", "fragments.mp4", "cut.mp4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stills, albums and videos of several kinds."""
    folder = tmp_path_factory.mktemp("served")
    images = [numbered(number) for number in range(3)]
    for name in ("a.png", "a.jpg"):
        cv2.imwrite(str(folder / name), images[2])
    cv2.imwritemulti(str(folder / "a.tif"), images)
    (folder / "a.heic").write_bytes(write_heif(Photo(image=images[1])))
    write_video(folder / "a.gif", images, codec="gif", pix_fmt="rgb8")
    films = [numbered(number) for number in range(FRAMES)]
    for name in ("late.mp4", "clip.mkv"):
        write_video(folder / name, films, options={"g": "12", "bf": "2"})
    (folder / "row.mjpeg").write_bytes(b"".join(cv2.imencode(".jpg", image)[1].tobytes() for image in films[:30]))
    fragments = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    write_video(folder / "fragments.mp4", films, options={"g": "12"}, muxer=fragments)
    cut(folder / "fragments.mp4", 0.7).rename(folder / "cut.mp4")
    return folder


@pytest.fixture
def server(folder: Path) -> Iterator[MediaServer]:
    """Serves them."""
    with media_server(folder) as running_server:
        yield running_server


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is given up soon."""
    monkeypatch.setattr(served_file, "RETRY_S", 0.3)
    monkeypatch.setattr(served_file, "PAUSE_S", 0.05)


def at(server: MediaServer, name: str) -> Served:
    """Where a file is served, with the token that opens it."""
    return Served(url=server.url(name), token=TOKEN)


def opened(served: Served, file_name: str = "secret.bin") -> Source:
    """The file, called as clients call it."""
    return open_served(served, file_name, "the clip", limits=LIMITS, found=lambda _: None)


def refusal(served: Served) -> str:
    """The reason why it cannot be opened."""
    with pytest.raises(SourceError) as caught:
        opened(served)
    return str(caught.value)


def everything(source: Source, start: int) -> tuple[SourceInfo, list[tuple[int, float, bytes]], str | None]:
    """What a source says and shows."""
    with source:
        pictures, broken = read(source, start)
    told = attrs.evolve(source.info, frames_total=None, mark="")  # a small file's pictures are counted on the disk
    return told, [(index, at_ms, image.tobytes()) for index, at_ms, image in pictures], broken


@pytest.mark.parametrize("name", [*STILLS, *VIDEOS])
def test_it_is_read_like_a_file_of_the_disk(server: MediaServer, folder: Path, name: str) -> None:
    """From the beginning and from the middle on: the same pictures, times and end."""
    for start in (0,) if name in STILLS else (0, 70):
        disk = everything(open_source(str(folder / name), limits=LIMITS, name="the clip"), start)
        assert everything(opened(at(server, name), name), start) == disk
    assert set(server.proofs) == {f"Bearer {TOKEN}"}


@pytest.mark.parametrize("stalls", [False, True])
def test_a_lost_connection_is_taken_up_where_it_was(
    server: MediaServer, folder: Path, stalls: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every picture comes all the same."""
    monkeypatch.setattr(url_access, "TIMEOUT_S", 1)
    server.stalls = stalls
    server.breaks_at = (folder / "clip.mkv").stat().st_size // 2
    _, pictures, broken = everything(opened(at(server, "clip.mkv")), 0)
    assert ([index for index, _, _ in pictures], broken) == (list(range(FRAMES)), None)


def test_a_server_that_is_away_for_a_moment_is_waited_for(server: MediaServer, impatient: None) -> None:
    """One that stays away is given up."""
    server.away = 2
    assert len(everything(opened(at(server, "clip.mkv")), 0)[1]) == FRAMES
    server.away = 1000
    assert refusal(at(server, "clip.mkv")) == "the clip cannot be read: the server is busy."


def test_a_file_that_is_another_one_when_it_is_opened_anew_is_not_mixed(server: MediaServer) -> None:
    """As where the reading goes back to the beginning."""
    server.fields["late.mp4"] = {"ETag": '"one"'}
    source = opened(at(server, "late.mp4"))
    server.fields["late.mp4"] = {"ETag": '"another"'}
    _, pictures, broken = everything(source, 0)
    assert not pictures
    assert broken is not None
    assert "the clip has changed on the server while it was read." in broken


def test_what_the_server_refuses_is_told_without_its_secrets(server: MediaServer, impatient: None) -> None:
    """Neither the token nor the address is in the sentence."""
    server.door = Door("", "", basic=True)
    refused = refusal(at(server, "late.mp4"))
    assert refused == "the clip cannot be read: its server does not accept the agent's token."
    server.door = None
    server.refusals["late.mp4"] = "No"
    assert refusal(at(server, "late.mp4")) == refused
    assert refusal(at(server, "gone.mp4")) == "the clip cannot be read: the server answers 404 Not Found."
    assert TOKEN not in repr(at(server, "x"))
    assert server.host not in repr(at(server, "x"))
    assert TOKEN not in repr(Open(location="/x", name="x", served=at(server, "x")))


def test_it_leads_nowhere_else(server: MediaServer) -> None:
    """Not even to another file of the same server, and never with the token."""
    server.redirects["late.mp4"] = server.url("clip.mkv")
    assert refusal(at(server, "late.mp4")) == "the clip cannot be read: its server sends the agent elsewhere."
    assert server.asked == ["/late.mp4"]


def test_a_decoder_reads_it_over_tls_with_an_authority_of_our_own(folder: Path, tmp_path: Path) -> None:
    """The decoder may read the certificates before it is confined; without them the server is not trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    with media_server(folder, tls) as server:
        served = at(server, "clip.mkv")
        untrusted = "the clip cannot be read: its certificate is not trusted, or is not for its host."
        assert refusal(served) == untrusted
        with running(DECODER) as peer:
            trusting = attrs.evolve(served, ca_file=str(tmp_path / "ca.pem"))
            answer = peer.ask(Open(location="/not/here/clip.mkv", name="the clip", served=trusting))
            assert isinstance(answer, Opened), answer
            assert answer.info.mark == ""
            ring = FrameRing(2, answer.info.max_frame_bytes)
            peer.send(Map(slots=2, slot_bytes=ring.slot_bytes, start=FRAMES - 2), [ring.fd])
            assert peer.receive() == Mapped()
            frames = [peer.ask(Slot(slot)) for slot in (0, 1)]
            assert [ready.index for ready in frames if isinstance(ready, FrameReady)] == [FRAMES - 2, FRAMES - 1]
    assert set(server.proofs) == {f"Bearer {TOKEN}"}
    broken = attrs.evolve(served, ca_file=str(tmp_path / "gone.pem"))
    assert refusal(broken) == f"{tmp_path / 'gone.pem'} cannot be read as certificates in PEM."
