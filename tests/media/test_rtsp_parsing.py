"""What RTSP cameras send, taken apart: messages, descriptions, challenges, packets; right, wrong and hostile."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import av
import pytest

from kinora.media.camera_errors import CameraError, LostReason
from kinora.media.network.auth import Credentials, Prover, digest, parse_challenges
from kinora.media.rtsp import backlog
from kinora.media.rtsp.backlog import Backlog
from kinora.media.rtsp.description import find_track
from kinora.media.rtsp.h264 import H264
from kinora.media.rtsp.h265 import H265
from kinora.media.rtsp.jpeg import JpegDepacketizer
from kinora.media.rtsp.rtp import PictureClock, Unwrapped, parse_rtp
from kinora.media.rtsp.session import joined
from kinora.media.rtsp.units import MAX_UNIT, Depacketizer, NalDepacketizer, Unit
from kinora.media.rtsp.wire import (
    MAX_BODY,
    MAX_HEAD,
    Asked,
    Fields,
    Interleaved,
    Message,
    Response,
    Splitter,
    WireError,
    encode_request,
)
from tests.media.videos import numbered
from tests.rtsp_clips import Clip, Codec, describe, encode, framed, nal_units, rtp, rtp_packets

SECRET = "Pa55w0rd-of-mine"  # noqa: S105 - to be looked for
PICTURES = 12
KEY_EVERY = 5


@pytest.fixture(scope="module", params=["h264", "hevc", "mjpeg"])
def clip(request: pytest.FixtureRequest) -> Clip:
    """A few pictures, with key frames among them."""
    codec: Codec = request.param
    return encode(codec, map(numbered, range(PICTURES)), KEY_EVERY)


def depacketizer(codec: Codec) -> Depacketizer:
    """What takes the packets of a codec, and knows no parameter sets yet."""
    if codec == "mjpeg":
        return JpegDepacketizer()
    return NalDepacketizer(H264 if codec == "h264" else H265)


def units(target: Depacketizer, packets: Iterable[bytes]) -> list[Unit]:
    """All that comes out of these packets."""
    parsed = [packet for data in packets if (packet := parse_rtp(data)) is not None]
    return [unit for packet in parsed for unit in target.add(packet)]


def split(*pieces: bytes) -> list[Message]:
    """All messages in these bytes."""
    splitter, found = Splitter(), list[Message]()
    for piece in pieces:
        splitter.feed(piece)
        while (message := splitter.next()) is not None:
            found.append(message)
    return found


MESSAGES = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 4\r\n\r\nbody\r\n$\0\0\x03abc"
    b"RTSP/1.0 454 Session Not Found\nCSeq:2\n\n"
    b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\nnonsense\r\n\r\n$\x01\0\0"
)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_messages_and_packets_are_told_apart_however_they_are_cut(size: int) -> None:
    """Line feeds only, empty lines between, lines that are no fields."""
    found = split(*(MESSAGES[at : at + size] for at in range(0, len(MESSAGES), size)))
    assert found == [
        Response(200, Fields({"cseq": ["1"], "content-length": ["4"]}), b"body"),
        Interleaved(0, b"abc"),
        Response(454, Fields({"cseq": ["2"]}), b""),
        Asked("OPTIONS", Fields({"cseq": ["9"]})),
        Interleaved(1, b""),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % (MAX_BODY + 1),
        b"RTSP/1.0 OK\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * MAX_HEAD,
        b"R" * MAX_HEAD,
    ],
)
def test_what_is_no_message_is_an_error(data: bytes) -> None:
    """Another protocol, lengths that lie, a head without end: nothing of it is waited for."""
    with pytest.raises(WireError):
        split(data)


def test_a_server_puts_no_lines_of_its_own_into_requests() -> None:
    """Its session and its URLs stand in them."""
    for target, value in (("rtsp://x/a b", "1"), ("rtsp://x/a\r\nX: y", "1"), ("rtsp://x", "1\r\nX: y"), ("", "1")):
        with pytest.raises(WireError):
            encode_request("PLAY", target, {"Session": value})


@pytest.mark.parametrize(
    ("base", "control", "whole"),
    [
        ("rtsp://c/a/", "track1", "rtsp://c/a/track1"),
        ("rtsp://c/a", "track1", "rtsp://c/a/track1"),
        ("rtsp://c/a?x=1", "/track1", "rtsp://c/a?x=1/track1"),
        ("rtsp://c/a", "*", "rtsp://c/a"),
        ("rtsp://c/a", "", "rtsp://c/a"),
        ("rtsp://c/a", "rtsp://me:secret@10.0.0.1/b", "rtsp://10.0.0.1/b"),
    ],
)
def test_control_urls_are_meant_as_cameras_mean_them(base: str, control: str, whole: str) -> None:
    """Behind the base, with one slash between."""
    assert joined(base, control) == whole


def test_digests_are_those_of_the_standards() -> None:
    """The examples of RFC 7616 and RFC 2617, by their published results."""
    mufasa = Credentials("Mufasa", "Circle of Life")
    asked = {
        "realm": "http-auth@example.org",
        "qop": "auth",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
    }
    own = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    results = {
        "SHA-256": "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
        "MD5": "8ca523f5e9506fed4657c9700eebdbec",
    }
    for algorithm, result in results.items():
        made = digest(asked | {"algorithm": algorithm}, mufasa, "GET", "/dir/index.html", count=1, own_nonce=own)
        assert f'response="{result}"' in made
        assert f"algorithm={algorithm}" in made
        assert "nc=00000001" in made
    old = {"realm": "testrealm@host.com", "nonce": "dcd98b7102dd2f0e8b11d0f600bfb0c093"}
    hakuna = Credentials("Mufasa", "Circle Of Life")
    made = digest(old, hakuna, "GET", "/dir/index.html", count=1, own_nonce=own)
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in made
    assert "qop" not in made


def test_the_best_challenge_is_taken_and_a_new_nonce_is_no_refusal() -> None:
    """SHA-256 before MD5 before Basic; what is not known here is passed over."""
    prover = Prover(Credentials("me", SECRET))
    assert prover.prove("PLAY", "rtsp://c") is None
    both = ['Basic realm="a, b=c", Digest realm="r", nonce="1", algorithm=MD5', 'Digest nonce="2",algorithm=SHA-256']
    assert prover.take(parse_challenges(both))
    assert 'nonce="2"' in (prover.prove("PLAY", "rtsp://c") or "")
    assert not prover.take(parse_challenges(both))
    assert prover.take(parse_challenges(['Digest nonce="3", stale=TRUE']))
    prover.was_accepted()
    assert prover.take(parse_challenges(['Digest nonce="4"']))
    assert not prover.take(parse_challenges(['Digest nonce="5", algorithm=SHA-512-256, Negotiate']))
    assert prover.take(parse_challenges(["Basic"])) is False
    assert SECRET not in repr(prover.__dict__)


@pytest.mark.parametrize(
    ("lines", "reason", "said"),
    [
        ("m=audio 0 RTP/AVP 0\r\n", LostReason.NO_VIDEO, "offers no video"),
        ("", LostReason.NO_VIDEO, "offers no video"),
        (
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\n",
            LostReason.CODEC,
            "sends VP8: set the camera to plain H.264",
        ),
        ("m=video 0 RTP/SAVP 96\r\na=rtpmap:96 H264/90000\r\n", LostReason.CODEC, "sends H264 under encryption"),
        ("m=video 0 RTP/AVP 96\r\na=fmtp:96 x\r\n", LostReason.CODEC, "video of an unnamed kind"),
        (
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=2\r\n",
            LostReason.CODEC,
            "shuffled",
        ),
    ],
)
def test_what_cannot_be_watched_is_told(lines: str, reason: LostReason, said: str) -> None:
    """With what the camera sends instead."""
    with pytest.raises(CameraError, match=said) as caught:
        find_track("cam", f"v=0\r\n{lines}".encode())
    assert (caught.value.reason, caught.value.kind) == (reason, "unsupported")


def test_the_first_video_that_can_be_read_is_taken(clip: Clip) -> None:
    """Behind one that cannot, with its control URL and its parameter sets."""
    text = describe(clip).replace("m=video", "m=video 0 RTP/AVP 99\r\na=rtpmap:99 VP9/90000\r\nm=video", 1)
    control, track = find_track("cam", text.encode())
    assert (control, track.codec, track.control, track.ticks_per_s) == ("*", clip.codec, "track1", 90_000)
    assert len(track.parameter_sets) == {"h264": 2, "hevc": 3, "mjpeg": 0}[clip.codec]


def test_every_picture_comes_whole_and_at_its_time(clip: Clip) -> None:
    """Fragments, several in a packet, single ones; over the ends of both counters."""
    got = units(depacketizer(clip.codec), (packet for packets in rtp_packets(clip) for packet in packets))
    assert [unit.timestamp - got[0].timestamp for unit in got] == [number * 3600 for number in range(PICTURES)]
    assert [unit.after_gap for unit in got] == [True] + [False] * (PICTURES - 1)
    if clip.codec != "mjpeg":
        assert [nal_units(unit.data) for unit in got] == [nal_units(picture.data) for picture in clip.pictures]
        assert [unit.is_key for unit in got] == [number % KEY_EVERY == 0 for number in range(PICTURES)]


def test_a_loss_costs_all_up_to_the_next_key_frame(clip: Clip) -> None:
    """Whichever packet is lost: no picture is given that lacks a part, or that refers to one."""
    packets = [(number, packet) for number, some in enumerate(rtp_packets(clip)) for packet in some]
    whole = {unit.timestamp: unit.data for unit in units(depacketizer(clip.codec), (packet for _, packet in packets))}
    zero, every = min(whole), 1 if clip.codec == "mjpeg" else KEY_EVERY
    for at, (lost, _) in enumerate(packets):
        target = depacketizer(clip.codec)
        got = units(target, (packet for place, (_, packet) in enumerate(packets) if place != at))
        next_key = (lost // every + 1) * every
        numbers = {(unit.timestamp - zero) // 3600 for unit in got}
        assert set(range(PICTURES)) - numbers <= set(range(lost, next_key))
        assert all(unit.data == whole[unit.timestamp] for unit in got)


def test_a_fragment_without_its_start_is_never_used() -> None:
    """Nor one within another; the key frame behind it is."""
    sps, pps, idr = b"\x67\x42\0\x1f\xe9", b"\x68\xce\x38\x80", b"\x65\x88\x11\x22"
    target = NalDepacketizer(H264, [sps, pps])
    sent = [
        rtp(b"\x7c\x45\x99\x99", 1, 0, marker=True),  # an end alone
        rtp(b"\x7c\x85\x88\x11", 2, 3600, marker=False),  # a start
        rtp(b"\x7c\x85\x88\x11", 3, 3600, marker=True),  # another start
        rtp(b"\x7c\x05\x88\x11", 4, 7200, marker=False),  # a middle
        rtp(idr, 5, 10_800, marker=True),
    ]
    [unit] = units(target, sent)
    assert nal_units(unit.data) == [sps, pps, idr]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_packets_of_an_unknown_kind_are_passed_over(codec: Codec) -> None:
    """Empty ones, and those of types that the standards leave open: nothing is lost by them."""
    clip = encode(codec, map(numbered, range(PICTURES)), KEY_EVERY)
    target, number = depacketizer(clip.codec), 0
    got: list[Unit] = []
    for packets in rtp_packets(clip):
        for packet in packets:
            _, _, _, timestamp = struct.unpack_from(">BBHI", packet)
            for payload in (b"", b"\x7e\x01own" if clip.codec == "hevc" else b"\x1fown", packet[12:]):
                marker = bool(packet[1] & 0x80) and payload == packet[12:]
                got += units(target, [rtp(payload, number, timestamp, marker=marker)])
                number += 1
    assert [nal_units(unit.data) for unit in got] == [nal_units(picture.data) for picture in clip.pictures]
    assert not target.lost


def test_a_marker_in_the_middle_of_a_picture_is_seen_through() -> None:
    """Once it was found to lie, pictures end where the next begins."""
    sps, pps = b"\x67\x42\0\x1f\xe9", b"\x68\xce\x38\x80"
    target = NalDepacketizer(H264, [sps, pps])
    first, second = b"\x65\x88\x01", b"\x65\x08\x02"
    sent = [rtp(part, number, number // 2 * 3600, marker=True) for number, part in enumerate([first, second] * 4)]
    got = units(target, sent)
    assert [nal_units(unit.data)[2:] for unit in got] == [[first], [first, second], [first, second]]


def test_parameter_sets_may_change_on_the_way() -> None:
    """The newest are put before a key frame that brings none."""
    old, new, pps, idr = b"\x67\x42\0\x1f\xe9", b"\x67\x42\0\x20\xe9", b"\x68\xce\x38\x80", b"\x65\x88\x11"
    target = NalDepacketizer(H264, [old, pps])
    stap = b"\x18" + b"".join(struct.pack(">H", len(nal)) + nal for nal in (new, pps))
    sent = [rtp(idr, 0, 0, marker=True), rtp(stap, 1, 1, marker=True), *(rtp(idr, n, n, marker=True) for n in (2, 3))]
    assert [nal_units(unit.data)[0] for unit in units(target, sent)] == [old, new, new]


def test_nothing_is_given_before_parameter_sets_have_come() -> None:
    """A key frame alone cannot be decoded."""
    target = NalDepacketizer(H264)
    assert units(target, [rtp(b"\x65\x88\x11", number, number, marker=True) for number in range(9)]) == []
    assert not target.lost


def test_a_picture_without_end_is_not_kept() -> None:
    """One of MJPEG, one of H.264."""
    part = bytes(60_000)
    for target, starts in (
        (NalDepacketizer(H264), b"\x7c\x85"),
        (JpegDepacketizer(), struct.pack(">I4B", 0, 1, 80, 20, 15)),
    ):
        assert units(target, [rtp(starts + part, 0, 0, marker=False)]) == []
        for number in range(1, MAX_UNIT // len(part) + 3):
            more = (
                b"\x7c\x05"
                if isinstance(target, NalDepacketizer)
                else struct.pack(">I4B", number * len(part), 1, 80, 20, 15)
            )
            assert units(target, [rtp(more + part, number, 0, marker=False)]) == []
        held = target._data if isinstance(target, NalDepacketizer) else target._scan
        assert len(held) <= MAX_UNIT + 2 * len(part)


@pytest.mark.parametrize(
    ("read", "times"),
    [
        ([(5, 0), (45, 0), (85, 9)], [0, 40, 80]),  # as the camera has it
        ([(400, 0), (500, 1), (300, 1), (600, 1)], [0, 100, 100, 200]),  # in another order
        ([(5, 0), (90_005, 1), (90_045, 1)], [0, 1000, 1040]),  # set forward
        ([(90_005, 0), (5, 2), (45, 2)], [0, 2000, 2040]),  # set back
        ([(5, 0), (15_005, 15), (15_045, 15)], [0, 15_000, 15_040]),  # silent, or nothing whole
        ([(5, 0), (None, 3), (45, 3)], [0, 3000, 3040]),
        ([(None, 7), (45, 8)], [0, 45]),
    ],
)
def test_the_time_of_a_picture_is_the_cameras_unless_that_makes_no_sense(
    read: list[tuple[int | None, float]], times: list[float]
) -> None:
    """Then it goes on by the clock of this machine."""
    clock = PictureClock(1000)
    assert [clock.read(timestamp, now_s) for timestamp, now_s in read] == times


def test_what_is_read_again_from_a_wrapped_clock_goes_on() -> None:
    """Forwards over its end, and a little back."""
    clock = Unwrapped()
    assert [clock.read(value) for value in (2**32 - 10, 5, 2**32 - 1, 100)] == [
        2**32 - 10,
        2**32 + 5,
        2**32 - 1,
        2**32 + 100,
    ]


def unit(*, is_key: bool, size: int = 10) -> Unit:
    """Some unit."""
    return Unit(bytes(size), 0, is_key, after_gap=False)


def test_what_is_not_decoded_in_time_is_let_go_up_to_a_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its number is told; what follows can be decoded."""
    monkeypatch.setattr(backlog, "BEHIND_S", -1)
    waiting = Backlog()
    waiting.let_go_old()
    for number in range(8):
        waiting.put(unit(is_key=number % 5 == 0))
    taken = [waiting.take(0) for _ in range(4)]
    assert [(one[0].is_key, one[0].after_gap, one[1]) if one else None for one in taken] == [
        (True, True, 5),
        (False, False, 0),
        (False, False, 0),
        None,
    ]


def test_the_backlog_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """In bytes and in number, without any key frame; the error comes behind the last."""
    for limit, value in (("MAX_BYTES", 100), ("MAX_UNITS", 10)):
        monkeypatch.setattr(backlog, limit, value)
        waiting = Backlog()
        for _ in range(50):
            waiting.put(unit(is_key=False))
        assert waiting.take(0) is None
        waiting.put(unit(is_key=True))
        waiting.end(ValueError("the end"))
        assert waiting.take(0) == (Unit(bytes(10), 0, is_key=True, after_gap=True), 50)
        with pytest.raises(ValueError, match="the end"):
            waiting.take(0)


@pytest.mark.parametrize("name", ["h264", "hevc", "mjpeg"])
def test_a_decoder_takes_what_is_left_after_losses(name: Codec) -> None:
    """Every second packet is missing: what comes out can be decoded, or nothing comes."""
    made = encode(name, map(numbered, range(6)), 3)
    target, decoder = depacketizer(name), av.CodecContext.create(name, "r")
    every = [packet for packets in rtp_packets(made) for packet in packets]
    for one in units(target, every[::2]):
        decoder.decode(av.Packet(one.data))


def test_packets_stand_between_messages() -> None:
    """As the server of the tests frames them."""
    assert split(framed(b"abc", 2)) == [Interleaved(2, b"abc")]
