"""Whatever an RTSP camera sends: no error but those of its own kinds comes of it, and little of it is held.

``make fuzz`` has many more examples than the suite.
"""

from __future__ import annotations

import gc
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from contextlib import closing, suppress
from functools import cache
from types import FunctionType, ModuleType

import attrs
import av
from hypothesis import given
from hypothesis import strategies as st

from kinora.media.camera_errors import CameraError
from kinora.media.network.auth import Credentials, Prover, parse_challenges
from kinora.media.network.url_access import RTSP, SourceUrl
from kinora.media.rtsp.connection import READ_BYTES, Connection
from kinora.media.rtsp.description import find_track
from kinora.media.rtsp.reader import CameraReader
from kinora.media.rtsp.session import Redirected, Session
from kinora.media.rtsp.units import MAX_UNIT
from kinora.media.rtsp.wire import MAX_BODY, MAX_HEAD, Splitter, WireError
from tests.media.test_rtsp_parsing import MESSAGES, SECRET, depacketizer, split, units
from tests.media.videos import numbered
from tests.rtsp_clips import Clip, Codec, describe, encode, framed, rtp, rtp_packets

CODECS: Sequence[Codec] = ("h264", "hevc", "mjpeg")
PICTURES, KEY_EVERY = 6, 3
TIME_S = 60.0
"""Far more than any of it takes."""
URL = "rtsp://camera.local/cam"


@attrs.frozen
class Edit:
    """A change of some bytes: those at a place, given in thousandths of the whole, make room for others."""

    at: int
    removed: int
    put: bytes
    again: int
    """The bytes before the place that come once more."""


ODD = (
    *(b"\r\n\r\n", b"\r\n", b"\0\0\1", b"\xff", b"\x7c\x85"),
    *(b"$\0\xff\xff", b"$\0\0\0", b"$\1\0\x08\x80\xc9\0\1\0\0\0\7"),
    *(b"Content-Length: 9\r\n", b"Content-Length: 99999999\r\n", b"Session: \0;timeout=0\r\n"),
    b"RTSP/1.0 200 OK\r\n\r\n",
    b"RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm=a, nonce=b, stale=TRUE\r\n\r\n",
    b"RTSP/1.0 302 Go\r\nLocation: rtsp://elsewhere/\r\n\r\n",
    *(b"OPTIONS * RTSP/1.0\r\n\r\n", b"TEARDOWN * RTSP/1.0\r\n\r\n"),
)
"""What has a meaning where it stands."""
PIECES = st.one_of(st.binary(max_size=12), st.sampled_from(ODD))
EDITS = st.lists(
    st.builds(Edit, at=st.integers(0, 1000), removed=st.integers(0, 60), put=PIECES, again=st.integers(0, 300)),
    max_size=6,
)


@cache
def clip(codec: Codec) -> Clip:
    """A few pictures, with key frames among them."""
    return encode(codec, map(numbered, range(PICTURES)), KEY_EVERY)


@cache
def packets(codec: Codec) -> Sequence[bytes]:
    """Those of a clip."""
    return [packet for some in rtp_packets(clip(codec)) for packet in some]


@cache
def conversation(codec: Codec) -> bytes:
    """All that a good camera sends, from its first answer on."""
    description = describe(clip(codec)).encode()
    heads = [
        b"Public: OPTIONS, DESCRIBE",
        b"Content-Type: application/sdp\r\nContent-Length: %d" % len(description),
        b"Transport: RTP/AVP/TCP;interleaved=0-1\r\nSession: 7;timeout=60",
        b"Session: 7",
    ]
    answers = [b"RTSP/1.0 200 OK\r\n" + head + b"\r\n\r\n" for head in heads]
    answers[1] += description
    return b"".join([*answers, *map(framed, packets(codec))])


def edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    """The bytes with these changes."""
    for edit in edits:
        at = len(data) * edit.at // 1000
        data = data[:at] + edit.put + data[max(0, at - edit.again) : at] + data[at + edit.removed :]
    return data


def held_bytes(root: object) -> int:
    """The bytes that an object holds, itself or by others."""
    seen, waiting, total = set[int](), [root], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, type | ModuleType | FunctionType):
            continue
        seen.add(id(one))
        total += len(one) if isinstance(one, bytes | bytearray | str) else 0
        waiting += gc.get_referents(one)
    return total


@given(
    st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([MESSAGES, b"RTSP/1.0 200 OK\r\n", b"$\0", b"\r\n"])))
)
def test_no_bytes_break_the_splitter(pieces: list[bytes]) -> None:
    """It takes them, or says that they are no messages."""
    with suppress(WireError):
        split(*pieces)


@given(st.sampled_from(CODECS), EDITS, st.integers(500, 70_000))
def test_the_splitter_holds_one_message_at_most(codec: Codec, edits: list[Edit], size: int) -> None:
    """And what was read with it."""
    splitter, data = Splitter(), edited(conversation(codec), edits) * 4
    with suppress(WireError):
        for at in range(0, len(data), size):
            splitter.feed(data[at : at + size])
            while splitter.next() is not None:
                pass
            assert held_bytes(splitter) <= MAX_HEAD + MAX_BODY + READ_BYTES + size


SDP_LINES = st.one_of(
    st.text(max_size=40),
    st.sampled_from(
        [
            *("m=video 0 RTP/AVP 96", "m=video 0 RTP/AVP 26", "m=video x", "m=audio 0 RTP/AVP 0", "a=control:", "a="),
            *("a=rtpmap:96 H264/90000", "a=rtpmap:96 H265/0", "a=rtpmap:96 JPEG/1", "a=rtpmap:x", "a=framesize:96 9-9"),
            *("a=fmtp:96 sprop-parameter-sets=Z0IAH+k=,aM44gA==", "a=fmtp:96 sprop-vps=%%%;=;;", "a=fmtp:96"),
        ]
    ),
)


@given(st.lists(SDP_LINES, max_size=12), st.binary(max_size=20))
def test_no_description_breaks_the_parser(lines: list[str], rest: bytes) -> None:
    """It finds a track, or says what is missing."""
    with suppress(CameraError):
        find_track("cam", "\n".join(lines).encode("utf-8", "replace") + rest)


@given(st.sampled_from(CODECS), EDITS)
def test_no_change_of_a_description_breaks_the_parser(codec: Codec, edits: list[Edit]) -> None:
    """The same of one that was right."""
    with suppress(CameraError):
        find_track("cam", edited(describe(clip(codec)).encode(), edits))


@given(st.lists(st.text(max_size=60), max_size=4), st.text(max_size=10))
def test_no_challenge_breaks_the_prover(values: list[str], mixed: str) -> None:
    """It proves, or does not; whatever is proved can be told from what is sent."""
    prover = Prover(Credentials("me", SECRET))
    for some in (values, [f'Digest realm="{mixed}", nonce={mixed}, qop="auth,{mixed}"']):
        prover.take(parse_challenges(some))
        assert SECRET not in (prover.prove("PLAY", "rtsp://c") or "")


HEADS = st.sampled_from(
    [
        *(b"\x67", b"\x65\x88", b"\x7c\x85", b"\x7c\x45", b"\x18\0\x03abc", b"\x62\x01\x93", b"\x60\x01\0"),
        *(b"\0\0\0\0\x01\xff\x05\x05", b"\0\0\0\0\x41\x50\x05\x05"),
    ]
)
PACKETS = st.lists(
    st.tuples(HEADS, st.binary(max_size=30), st.integers(0, 9), st.integers(0, 3), st.booleans()), max_size=20
)


@given(PACKETS, st.lists(st.binary(max_size=40), max_size=5))
def test_no_packets_break_a_depacketizer(packets: list[tuple[bytes, bytes, int, int, bool]], odd: list[bytes]) -> None:
    """They become units, or nothing."""
    for codec in CODECS:
        target = depacketizer(codec)
        sent = [rtp(head + body, number, time, marker=marker) for head, body, number, time, marker in packets]
        for found in units(target, [*sent, *odd]):
            assert found.data


@given(st.sampled_from(CODECS), st.lists(st.tuples(st.integers(0, 1000), EDITS), max_size=8))
def test_no_change_of_packets_breaks_a_depacketizer(codec: Codec, changes: list[tuple[int, list[Edit]]]) -> None:
    """Nor a decoder, which takes the units or says that it does not."""
    sent = list(packets(codec))
    for place, edits in changes:
        at = place * (len(sent) - 1) // 1000
        sent[at] = edited(sent[at], edits)
    target, decoder = depacketizer(codec), av.CodecContext.create(codec, "r")
    for found in units(target, sent):
        with suppress(av.FFmpegError):
            decoder.decode(av.Packet(found.data))


@given(st.sampled_from(CODECS), st.binary(min_size=1, max_size=12), st.booleans(), st.integers(0, 2))
def test_a_depacketizer_holds_one_picture_at_most(codec: Codec, head: bytes, marker: bool, step: int) -> None:
    """Whatever comes without end."""
    target, part = depacketizer(codec), head + bytes(60_000)
    for number in range(2 * MAX_UNIT // len(part)):
        units(target, [rtp(part, number, number * step, marker=marker)])
    assert held_bytes(target) <= 2 * MAX_UNIT + len(part)


@given(st.sampled_from(CODECS), EDITS)
def test_no_change_of_a_conversation_breaks_a_session(codec: Codec, edits: list[Edit]) -> None:
    """It gives what is whole, and ends with what a user is told; the socket is closed."""
    ours, theirs = connected()
    talking = threading.Thread(target=_talk, args=(theirs, edited(conversation(codec), edits)))
    talking.start()
    with suppress(CameraError, Redirected):
        until = time.monotonic() + TIME_S
        url, me = SourceUrl.parse(URL, RTSP), Credentials("me", "x")
        session = Session.begin(Connection(ours, "cam"), url, "cam", me, until)
        with closing(CameraReader(session, "cam")) as reader:
            while (taken := reader.take(until)) is not None:
                assert taken[0].data
            raise AssertionError("no end was told")
    talking.join()
    assert ours.fileno() == -1


def connected() -> tuple[socket.socket, socket.socket]:
    """The two ends of a connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        return ours, listener.accept()[0]


def _talk(side: socket.socket, data: bytes) -> None:
    """Say it all, and hear what comes until the other side has gone."""
    with side, suppress(OSError):
        side.sendall(data)
        side.shutdown(socket.SHUT_WR)
        while side.recv(READ_BYTES):
            pass
