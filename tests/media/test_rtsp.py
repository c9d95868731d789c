"""RTSP cameras as sources: every picture in order, passwords told to nobody else, and a sentence for each nastiness."""

from __future__ import annotations

import gc
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, count, islice, repeat
from pathlib import Path

import numpy as np
import pytest
import trustme

from kinora.media.camera_errors import CameraError, CameraLost, LostReason
from kinora.media.network import url_access
from kinora.media.network.auth import Credentials
from kinora.media.rtsp import backlog, reader, requests, session
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_types import SourceError, SourceLimits, SourceTruncated
from kinora.media.sources import open_again, open_source
from tests.media.videos import numbered, read_number
from tests.media.videos import read as read_all
from tests.rtsp_clips import Clip, Codec, describe, encode, framed, rtp, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server, stream_of

PICTURES = 30
KEY_EVERY = 10
PASSWORD = "Pa55w0rd-of-mine"  # noqa: S105 - to be looked for
ME = Credentials("joe", PASSWORD)
RTCP = framed(bytes(28), 1)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is over soon."""
    for where, name in ((requests, "REQUEST_S"), (session, "SILENCE_S"), (reader, "KEY_FRAME_S")):
        monkeypatch.setattr(where, name, 1)


@pytest.fixture(scope="module")
def clips() -> dict[Codec, Clip]:
    """A clip of each codec, whose pictures show their numbers."""
    codecs: tuple[Codec, ...] = ("h264", "hevc", "mjpeg")
    return {codec: encode(codec, map(numbered, range(PICTURES)), KEY_EVERY) for codec in codecs}


@pytest.fixture
def server(clips: dict[Codec, Clip]) -> Iterator[RtspServer]:
    """A camera for each clip; ``cam`` is one of H.264."""
    with rtsp_server() as running:
        running.streams = {codec: stream_of(clip) for codec, clip in clips.items()} | {"cam": stream_of(clips["h264"])}
        yield running


def limits(server: RtspServer, *hosts: str) -> SourceLimits:
    """Limits under which a server may be asked."""
    return SourceLimits(url_hosts=(server.host, *hosts))


def watch(source: RtspSource) -> tuple[list[tuple[int, float, int]], SourceTruncated]:
    """The index, the time and the number of each picture, and the end."""
    got: list[tuple[int, float, int]] = []

    def take_all() -> None:
        for picture in source.frames():
            image = np.empty((picture.height, picture.width, 3), np.uint8)
            picture.write_to(image)
            got.append((picture.index, picture.timestamp_ms, read_number(image)))

    with source, pytest.raises(SourceTruncated) as end:
        take_all()
    return got, end.value


def numbers(server: RtspServer, path: str = "cam") -> list[int]:
    """The numbers of the pictures behind a path."""
    return [number for _, _, number in watch(RtspSource(server.url(path), limits(server)))[0]]


def refused(server: RtspServer, path: str = "cam", credentials: Credentials | None = None) -> tuple[LostReason, str]:
    """The reason for which a camera is not opened, and the sentence."""
    with pytest.raises(CameraError) as caught:
        RtspSource(server.url(path), limits(server), credentials)
    assert PASSWORD not in str(caught.value)
    return caught.value.reason, str(caught.value)


@pytest.mark.parametrize("sets", ["both", "told", "sent"])
@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_every_picture_comes_once_in_order_at_its_time(
    server: RtspServer, clips: dict[Codec, Clip], codec: Codec, sets: str
) -> None:
    """Wherever the parameter sets are; over one connection. The first picture is past when frames are asked for."""
    server.streams["cam"] = stream_of(clips[codec], sets=sets)
    source = open_source(server.url("cam"), limits=limits(server))
    assert isinstance(source, RtspSource)
    assert (source.info.kind, source.info.width, source.info.height) == ("stream", 160, 120)
    got, end = watch(source)
    assert got == [(index, 40.0 * index, index + 1) for index in range(PICTURES - 1)]
    assert isinstance(end, CameraLost)
    assert (end.reason, str(end)) == (
        LostReason.CLOSED,
        "cam has closed the connection.",
    )
    assert source.notes == []
    assert (server.connections, server.methods()) == (1, ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_pictures_sent_before_those_they_lie_between_come_in_their_order(server: RtspServer, codec: Codec) -> None:
    """B-frames: each at its own time."""
    server.streams["cam"] = stream_of(encode(codec, map(numbered, range(PICTURES)), KEY_EVERY, b_frames=2))
    got, _ = watch(RtspSource(server.url("cam"), limits(server)))
    assert got == [(index, 40.0 * index, index + 1) for index in range(len(got))]
    assert len(got) >= PICTURES - 3


def test_the_past_of_a_camera_is_not_asked_for(server: RtspServer) -> None:
    """It is told without a connection."""
    with pytest.raises(SourceError, match="live stream"):
        open_again(server.url("cam"), limits=limits(server))
    assert server.connections == 0


def test_who_wants_no_more_says_so(server: RtspServer) -> None:
    """The session is ended, and the connection."""
    server.stays = True
    with RtspSource(server.url("cam"), limits(server)) as source:
        next(source.frames())
    server.wait_for(lambda: not server.open)
    assert server.methods()[-1] == "TEARDOWN"


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="camera", qop="auth", nonce="NONCE", algorithm=SHA-256',
        'Digest realm="camera", qop="auth,auth-int", nonce="NONCE", algorithm=MD5, opaque="x"',
        'Digest realm="camera", nonce="NONCE"',
        'Basic realm="camera"',
    ],
)
def test_a_password_lets_in_and_is_told_to_nobody(server: RtspServer, challenge: str) -> None:
    """In each way that cameras know; a wrong one, or none, is refused with what to do."""
    server.passwords, server.challenge = {"joe": PASSWORD}, challenge
    reason, said = refused(server)
    assert reason == LostReason.AUTH
    assert said.startswith(
        "cam asks for a user and password: give its [cameras.NAME] in kinora.toml user and password_file."
    )
    for wrong in (Credentials("joe", "other"), Credentials("jim", PASSWORD)):
        assert refused(server, credentials=wrong) == (
            LostReason.AUTH,
            "cam refuses the user or the password: check both.",
        )
    source = RtspSource(server.url("cam"), limits(server), ME)
    got, _ = watch(source)
    assert len(got) == PICTURES - 1
    if challenge.startswith("Digest"):
        assert PASSWORD not in repr(server.asked)


def test_a_stale_nonce_is_no_refusal(server: RtspServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is good for one request here, also for those that keep the session alive."""
    monkeypatch.setattr(session, "LEAST_PAUSE_S", 0.05)
    server.passwords, server.nonce_uses = {"joe": PASSWORD}, 1
    server.challenge += ", stale=true"
    server.session, server.stays = "7a7a;timeout=0", True
    with RtspSource(server.url("cam"), limits(server), ME):
        server.wait_for(lambda: server.methods().count("GET_PARAMETER") > 6)


def test_a_password_is_not_sent_along_with_a_redirect(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """Not even to another port of the host; without one the stream is watched there."""
    server.passwords = {"joe": PASSWORD}
    server.challenge = 'Basic realm="camera"'
    with rtsp_server() as other:
        other.streams["there"] = stream_of(clips["h264"])
        server.passwords = {}
        server.answers["DESCRIBE"] = answer(302, f"Location: {other.url('there')}\r\n")
        source = RtspSource(server.url("cam"), limits(server, other.host), ME)
        assert len(watch(source)[0]) == PICTURES - 1
        other.passwords, other.challenge = {"joe": PASSWORD}, 'Basic realm="camera"'
        with pytest.raises(CameraError) as caught:
            RtspSource(server.url("cam"), limits(server, other.host), ME)
        assert caught.value.reason == LostReason.AUTH
        assert not any("authorization" in asked.fields for asked in other.asked)


def answer(status: int, fields: str = "", body: str = "") -> bytes:
    """A canned answer."""
    return f"RTSP/1.0 {status} X\r\nCSeq: CSEQ\r\n{fields}\r\n{body}".encode()


def test_a_redirect_leads_only_where_sources_may_be(server: RtspServer) -> None:
    """Elsewhere nobody is asked; round and round neither."""
    with rtsp_server() as other:
        for to, said in (
            (other.url("there"), f"Sources are not read from {other.host} here"),
            ("http://127.0.0.1/", "Sources are not read from http:// here"),
            (f"rtsp://joe:{PASSWORD}@{server.host}/", "Leave user and password out"),
            (server.url("cam"), "more than 5 times"),
            ("", "Sources are not read from"),
        ):
            server.answers["DESCRIBE"] = answer(301, f"Location: {to}\r\n")
            reason, message = refused(server)
            assert (reason, message.startswith("cam leads to another address. ")) == (LostReason.REDIRECTED, True)
            assert said in message
        assert other.connections == 0


def test_a_host_that_is_not_allowed_is_never_asked(server: RtspServer) -> None:
    """Nor one with a password in its URL."""
    for url, hosts, said in (
        (server.url("cam"), (), "--url-hosts"),
        (server.url("cam"), ("*",), "private network"),
        (server.url("cam").replace("://", f"://joe:{PASSWORD}@"), (server.host,), "[cameras.NAME] with url, user and"),
        (f"rtsp://joe:{PASSWORD}@[/", ("*",), "That is not a URL"),
        (f"rtsp://joe:{PASSWORD}@/cam", ("*",), "names no host"),
        ("rtspu://127.0.0.1/cam", ("*",), "Sources are not read from rtspu://"),
    ):
        with pytest.raises(SourceError) as caught:
            open_source(url, limits=SourceLimits(url_hosts=hosts))
        assert said in str(caught.value)
        assert PASSWORD not in str(caught.value)
    assert server.connections == 0


def test_a_certificate_is_checked(
    clips: dict[Codec, Clip], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: RtspServer
) -> None:
    """It must be for this very host, from a trusted authority; else nothing is asked."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(tls)
    with rtsp_server(tls) as secure:
        secure.streams["cam"] = stream_of(clips["h264"])
        url_access._context.cache_clear()
        reason, said = refused(secure)
        assert (reason, "SSL_CERT_FILE" in said) == (LostReason.CERTIFICATE, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        url_access._context.cache_clear()
        assert refused(secure)[0] == LostReason.CERTIFICATE  # not the host's
        assert not secure.asked
        url = secure.url("cam").replace("127.0.0.1", "localhost")
        with open_source(url, limits=SourceLimits(url_hosts=("localhost",))) as source:
            got, _ = read_all(source)
        assert len(got) == PICTURES - 1
        plain = server.url("cam").replace("rtsp:", "rtsps:")
        monkeypatch.setattr("kinora.media.rtsp.opening.REQUEST_S", 0.5)
        with pytest.raises(CameraError) as caught:
            open_source(plain, limits=limits(server))
        assert caught.value.reason in (LostReason.REFUSED, LostReason.UNREACHABLE)
    url_access._context.cache_clear()


def test_a_host_that_is_not_there_is_told() -> None:
    """By its name, or by its port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for url, reason in (
        (f"rtsp://127.0.0.1:{port}/cam", LostReason.REFUSED),
        ("rtsp://no.such.host.invalid/cam", LostReason.UNREACHABLE),
        (f"rtsp://{'a' * 70}.example/cam", LostReason.UNREACHABLE),
    ):
        with pytest.raises(CameraError) as caught:
            RtspSource(url, SourceLimits(url_hosts=(url.partition("://")[2].partition("/")[0].partition(":")[0],)))
        assert caught.value.reason == reason


NO = {
    "OPTIONS": {
        "no RTSP": b"HTTP/1.1 400 Bad Request\r\n\r\n",
        "a head without end": b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 9999,
    },
    "DESCRIBE": {
        "not there": answer(404),
        "a length that lies": answer(200, "Content-Length: 999999\r\n"),
        "words of its own": answer(599, f"X: {PASSWORD}\r\n"),
    },
    "SETUP": {
        "no place": answer(453),
        "UDP only": answer(461),
        "UDP all the same": answer(200, "Transport: RTP/AVP;unicast;client_port=9-10\r\n"),
    },
    "PLAY": {"another session": answer(454), "odd": answer(500)},
}


@pytest.mark.parametrize(("method", "what"), [(method, what) for method, whats in NO.items() for what in whats])
def test_an_answer_that_is_no_yes_is_told(server: RtspServer, method: str, what: str) -> None:
    """With what to do; what the camera says itself is not repeated."""
    server.answers[method] = NO[method][what]
    reason, said = refused(server)
    assert reason == (LostReason.CLOSED if what == "another session" else LostReason.REFUSED)
    assert said.startswith("cam ")
    assert ":" in said


@pytest.mark.parametrize(
    ("method", "drips"), [("OPTIONS", False), ("DESCRIBE", True), ("SETUP", False), ("PLAY", True)]
)
def test_a_camera_that_does_not_answer_is_given_up(
    server: RtspServer, impatient: None, method: str, drips: bool
) -> None:
    """At whichever request, whatever else it sends."""
    server.answers[method] = RTCP * 3 + b"RTSP/1.0 200" if drips else None
    reason, said = refused(server)
    assert (reason, said) == (
        LostReason.SILENT,
        "cam does not answer: start the camera anew if that does not pass.",
    )


def stream(clip: Clip, pieces: Iterable[bytes], *, sets: bool = True) -> Stream:
    """A clip's description, and something else that is sent."""
    return Stream(describe(clip, sets=sets), pieces)


def packets_of(clip: Clip) -> list[list[bytes]]:
    """The framed packets of each picture."""
    return [[framed(packet) for packet in packets] for packets in rtp_packets(clip)]


def pictures(clip: Clip) -> list[bytes]:
    """What is sent for each picture."""
    return [b"".join(packets) for packets in packets_of(clip)]


def test_a_connection_that_breaks_in_a_key_frame_is_told(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """What was whole before has been given."""
    sent = pictures(clips["h264"])
    server.streams["cam"] = stream(clips["h264"], [*sent[:10], sent[10][: len(sent[10]) // 2]])
    got, end = watch(RtspSource(server.url("cam"), limits(server)))
    assert [number for _, _, number in got] == list(range(1, 10))
    assert isinstance(end, CameraLost)
    assert end.reason == LostReason.CLOSED
    server.streams["cam"] = stream(clips["h264"], [sent[0][: len(sent[0]) // 2]])
    assert refused(server)[0] == LostReason.CLOSED


def test_a_length_that_lies_ends_the_stream(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """Nothing is guessed from what follows."""
    sent = pictures(clips["h264"])
    server.streams["cam"] = stream(clips["h264"], [*sent[:5], b"$\0\0\x03abcdef", *sent[5:]])
    got, end = watch(RtspSource(server.url("cam"), limits(server)))
    assert [number for _, _, number in got] == [1, 2, 3, 4]
    assert isinstance(end, CameraLost)
    assert end.reason == LostReason.REFUSED


@pytest.mark.parametrize("codec", ["h264", "hevc", "mjpeg"])
def test_lost_packets_cost_pictures_and_spoil_none(server: RtspServer, clips: dict[Codec, Clip], codec: Codec) -> None:
    """Those up to the next key frame; it is told once."""
    packets = packets_of(clips[codec])
    del packets[3][0]
    del packets[25][-1]
    server.streams["cam"] = stream(clips[codec], [b"".join(some) for some in packets])
    source = RtspSource(server.url("cam"), limits(server))
    got, _ = watch(source)
    lacks = {3, 25} if codec == "mjpeg" else {*range(3, 10), *range(25, 30)}
    assert [number for _, _, number in got] == [number for number in range(1, PICTURES) if number not in lacks]
    assert [at_ms for _, at_ms, _ in got] == [(number - 1) * 40.0 for _, _, number in got]
    [note] = source.notes
    assert note.message.startswith("Packets of cam are lost: after each loss its pictures are left out up to the next")


def test_a_stream_is_entered_at_a_key_frame(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """Begun in the middle, and in the middle of a picture; that is no loss."""
    packets = packets_of(clips["h264"])
    server.streams["cam"] = stream(clips["h264"], [packets[0][-1], *map(b"".join, packets[1:])])
    source = RtspSource(server.url("cam"), limits(server))
    assert [number for _, _, number in watch(source)[0]] == list(range(11, PICTURES))
    assert source.notes == []


def test_a_new_size_is_taken_up_and_told(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """The pictures behind it are larger."""
    larger = encode("h264", (numbered(number, 320, 240) for number in range(PICTURES, PICTURES + 5)))
    sent = [*rtp_packets(clips["h264"], sequence=0), *rtp_packets(larger, first=PICTURES, sequence=9000)]
    server.streams["cam"] = stream(clips["h264"], [b"".join(map(framed, packets)) for packets in sent])
    source = RtspSource(server.url("cam"), limits(server))
    with source:
        pictures_of = source.frames()
        sizes = {one.index: (one.width, one.height) for one in islice(pictures_of, PICTURES + 4)}
    assert sizes == {index: (320, 240) if index >= PICTURES - 1 else (160, 120) for index in range(PICTURES + 4)}
    assert "cam changes its size from 160x120 to 320x240" in source.notes[-1].message
    assert "video" not in source.notes[-1].message, "none can be made of a camera"


@pytest.mark.parametrize(
    "case",
    [
        (lambda: repeat(RTCP * 2000), 0, "no video for"),
        (lambda: repeat(RTCP * 2000), 5, "no video for"),
        (lambda: map(fragments, count()), 0, "no whole key frame for"),
        (lambda: iter(()), 5, "no video for"),
    ],
    ids=["a flood of RTCP alone", "a flood of RTCP", "no key frame", "silence"],
)
def test_what_is_no_picture_does_not_keep_a_camera(
    server: RtspServer, clips: dict[Codec, Clip], impatient: None, case: tuple[Callable[[], Iterator[bytes]], int, str]
) -> None:
    """From the start, or after some pictures."""
    flood, first, said = case
    server.stays = True
    server.streams["cam"] = Stream(describe(clips["h264"]), chain(pictures(clips["h264"])[:first], flood()))
    if not first:
        reason, message = refused(server)
    else:
        got, end = watch(RtspSource(server.url("cam"), limits(server)))
        assert len(got) == first - 1
        assert isinstance(end, CameraLost)
        reason, message = end.reason, str(end)
    assert reason == LostReason.SILENT
    assert f"cam has sent {said}" in message


def fragments(number: int) -> bytes:
    """Fragments without a start."""
    return framed(rtp(b"\x7c\x05" + bytes(999), number, number, marker=True)) * 2


def test_pictures_that_cannot_be_decoded_are_not_waited_for(
    server: RtspServer, clips: dict[Codec, Clip], impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though they come all the time."""
    monkeypatch.setattr("kinora.media.rtsp.source.KEY_FRAME_S", 0.5)
    junk = (framed(rtp(b"\x65\x88" + bytes(99), number, number * 3600, marker=True)) for number in count())
    server.pace_s = 0.01
    server.streams["cam"] = Stream(describe(clips["h264"]), junk)
    assert refused(server) == (
        LostReason.CODEC,
        "No picture of cam can be decoded: set the camera to plain H.264, H.265 or MJPEG.",
    )


@pytest.mark.parametrize("status", [200, 405, 454])
def test_a_session_is_kept_alive(server: RtspServer, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    """By what the camera allows; one that has forgotten it is lost."""
    monkeypatch.setattr(session, "LEAST_PAUSE_S", 0.02)
    server.session, server.stays = "7a7a ; Timeout=0", True
    if status != 200:
        server.answers["GET_PARAMETER"] = answer(status)
    source = RtspSource(server.url("cam"), limits(server))
    kept_by = "GET_PARAMETER" if status == 200 else "OPTIONS"
    if status == 454:
        _, end = watch(source)
        assert isinstance(end, CameraLost)
        assert end.reason == LostReason.CLOSED
        return
    with source:
        server.wait_for(lambda: server.methods().count(kept_by) > 3)
    assert all(asked.fields["session"] == "7a7a" for asked in server.asked if asked.method == "GET_PARAMETER")


@pytest.mark.parametrize(
    ("asked", "reason"),
    [(b"REDIRECT", LostReason.REDIRECTED), (b"TEARDOWN", LostReason.CLOSED), (b"OPTIONS", None), (b"ANNOUNCE", None)],
)
def test_a_camera_may_ask_too(
    server: RtspServer, clips: dict[Codec, Clip], asked: bytes, reason: LostReason | None
) -> None:
    """It is answered; one that says goodbye, or sends away, is left."""
    sent = pictures(clips["h264"])
    question = asked + b" rtsp://x RTSP/1.0\r\nCSeq: 77\r\n\r\n"
    server.streams["cam"] = stream(clips["h264"], [*sent[:5], question, *sent[5:]])
    got, end = watch(RtspSource(server.url("cam"), limits(server)))
    assert isinstance(end, CameraLost)
    assert end.reason == (reason or LostReason.CLOSED)
    assert len(got) == (PICTURES - 1 if reason is None else 4)


def test_video_on_another_channel_is_found(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """As the camera has it; what is on others is passed over."""
    sent = [b"".join(framed(packet, 6) + framed(packet, 4) for packet in some) for some in rtp_packets(clips["h264"])]
    server.transport = "RTP/AVP;unicast;Interleaved = 4-5;ssrc=1"
    server.streams["cam"] = stream(clips["h264"], sent)
    assert numbers(server) == list(range(1, PICTURES))


def test_a_large_picture_is_refused(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """Before it is decoded."""
    with pytest.raises(SourceError, match="over the limit of 1000 pixels"):
        RtspSource(server.url("cam"), SourceLimits(url_hosts=(server.host,), max_pixels=1000))


def test_who_wants_only_the_newest_falls_behind_by_no_more_than_a_key_frame(
    server: RtspServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was let go leaves a gap in the numbers of the pictures, by which it is counted; it is told once."""
    monkeypatch.setattr(backlog, "BEHIND_S", -1)
    gate = threading.Event()

    def after_the_first() -> Iterator[bytes]:
        sent = iter(server.streams["h264"].pieces)
        yield next(sent)
        assert gate.wait(60)
        yield from sent

    server.streams["cam"] = Stream(server.streams["h264"].description, after_the_first())
    source = RtspSource(server.url("cam"), limits(server))
    source.let_go_old()
    gate.set()
    server.wait_for(lambda: not server.open)
    got, _ = watch(source)
    assert [(index, number) for index, _, number in got] == [(number - 1, number) for number in range(20, PICTURES)]
    [note] = source.notes
    assert note.message.startswith("cam sends more than can be decoded here: it goes on at the newest key frame")


def descriptors() -> int:
    """The open files of this process."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a list of its own


def test_nothing_is_left_of_twenty_cameras(server: RtspServer, clips: dict[Codec, Clip]) -> None:
    """Neither threads nor descriptors, however they ended."""
    sent = pictures(clips["h264"])
    endings: Sequence[Iterable[bytes]] = (
        [*sent],
        [*sent[:5], b"junk"],
        [sent[0][: len(sent[0]) // 2]],
        [*sent, sent[3]],
    )

    def run() -> None:
        for pieces in endings:
            server.streams["cam"] = stream(clips["h264"], pieces)
            with suppress(CameraError):
                watch(RtspSource(server.url("cam"), limits(server)))
        server.wait_for(lambda: not server.open)
        gc.collect()

    run()
    before, threads = descriptors(), threading.active_count()
    for _ in range(5):
        run()
    assert descriptors() <= before + 1
    assert threading.active_count() <= threads + 1
