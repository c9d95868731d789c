"""Nasty RTSP cameras: each gives some good pictures, and then breaks in its own way, at every connection anew."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count, islice, repeat

import attrs

from kinora.media.camera_errors import LostReason
from kinora.media.rtsp.wire import MAX_BODY, MAX_HEAD
from tests.rtsp_clips import Clip, describe, framed, rtp_packets
from tests.rtsp_server import RtspServer, Stream, rtsp_server

Packets = Sequence[bytes]
"""The RTP packets of one picture."""
Footage = Callable[[], Iterator[Packets]]
"""Gives the pictures from now on, the first of them a key frame."""
Breaking = Callable[[Iterator[Packets]], Iterable[bytes]]
"""What is sent for the rest of the pictures, the first of them a key frame."""

FLOOD = framed(bytes(28), 1) * 500
"""Some 16 KB of RTCP."""
ELSEWHERE = "rtsp://198.51.100.1/cam"
"""An address that no test may connect to."""
KEY_EVERY = 8
"""The key frames of the clips, so that a break begins with one."""
BROKEN_PICTURES = 10
"""The pictures that are sent in a broken form before the connection ends."""
_FU_A, _START = 28, 0x80


@attrs.frozen
class Nasty:
    """One way in which cameras break."""

    reasons: frozenset[LostReason]
    """What may be said of it."""
    breaking: Breaking = lambda _: ()
    """What follows the good pictures; the connection ends behind it."""
    answers: Mapping[str, bytes] = {}
    """Method → what the connection behind the one that ends is answered in place of what is right."""
    stays: bool = False
    """True if the connection does not end."""


def half_a_key_frame(rest: Iterator[Packets]) -> Iterable[bytes]:
    """The connection drops in a key frame."""
    sent = b"".join(map(framed, next(rest)))
    return [sent[: len(sent) // 2]]


def short_length(rest: Iterator[Packets]) -> Iterable[bytes]:
    """A packet is longer than its head says."""
    packet = framed(next(rest)[0])
    return [packet[:2] + b"\0\x10" + packet[4:] + b"\xff" * 64]


def long_length(rest: Iterator[Packets]) -> Iterable[bytes]:
    """A packet is shorter than its head says, and nothing follows."""
    return [b"$\0\xff\xff" + next(rest)[0]]


def without_starts(rest: Iterator[Packets]) -> Iterator[bytes]:
    """Fragments come without those that begin them, numbered as if none were missing."""
    numbers = count(1)
    for packets in islice(rest, BROKEN_PICTURES):
        for packet in packets:
            is_start = packet[12] & 0x1F == _FU_A and packet[13] & _START
            if not is_start:
                yield framed(packet[:2] + (next(numbers) % 2**16).to_bytes(2, "big") + packet[4:])


def with_losses(rest: Iterator[Packets]) -> Iterator[bytes]:
    """Each third packet is missing, and its number with it."""
    packets = chain.from_iterable(islice(rest, BROKEN_PICTURES))
    return (framed(packet) for number, packet in enumerate(packets) if number % 3)


def flooded(rest: Iterator[Packets]) -> Iterator[bytes]:
    """RTCP comes with each picture, and then nothing but RTCP."""
    yield from (FLOOD + b"".join(map(framed, packets)) for packets in islice(rest, BROKEN_PICTURES))
    yield from repeat(FLOOD)


def resizing(other: Footage) -> Breaking:
    """The pictures have another size."""
    return lambda _: (b"".join(map(framed, packets)) for packets in islice(other(), BROKEN_PICTURES))


def answer(status: str, field: str) -> bytes:
    """The head of an answer."""
    return f"RTSP/1.0 {status}\r\nCSeq: CSEQ\r\n{field}\r\n\r\n".encode()


def nasties(other: Footage) -> dict[str, Nasty]:
    """Each way by its name; ``other`` are pictures of another size."""
    closed, refused = frozenset({LostReason.CLOSED}), frozenset({LostReason.REFUSED, LostReason.CLOSED})
    silent = frozenset({LostReason.SILENT})
    redirect = answer("302 Found", f"Location: {ELSEWHERE}")
    stale = answer("401 No", 'WWW-Authenticate: Digest realm="camera", nonce="CSEQ", stale=true')
    long_body = answer("200 OK", f"Content-Length: {MAX_BODY + 1}") + b"v=0"
    no_body = answer("200 OK", "Content-Length: 500") + b"v=0"
    return {
        "drops in a key frame": Nasty(closed, half_a_key_frame),
        "stalls": Nasty(silent, stays=True),
        "stalls in a packet": Nasty(silent, long_length, stays=True),
        "packets longer than they say": Nasty(refused, short_length),
        "a description longer than it may be": Nasty(refused, answers={"DESCRIBE": long_body}),
        "a description shorter than it says": Nasty(silent | closed, answers={"DESCRIBE": no_body}),
        "a stale nonce": Nasty(frozenset({LostReason.AUTH}) | closed, answers={"DESCRIBE": stale}),
        "redirects elsewhere": Nasty(frozenset({LostReason.REDIRECTED}) | closed, answers={"DESCRIBE": redirect}),
        "fragments without their start": Nasty(closed, without_starts),
        "loses packets": Nasty(closed, with_losses),
        "changes the size": Nasty(closed, resizing(other)),
        "floods with RTCP": Nasty(silent, flooded, stays=True),
        "a head without end": Nasty(refused, answers={"OPTIONS": b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEAD}),
        "a head that does not go on": Nasty(silent | closed, answers={"OPTIONS": b"RTSP/1.0 200 OK\r\nX: "}),
    }


class NastyCamera:
    """A camera at the path ``cam`` that breaks when it is told to, one connection at a time."""

    def __init__(self, server: RtspServer, clip: Clip, footage: Footage) -> None:
        self.server = server
        self.next_break: Callable[[int], Nasty | None] = lambda _: None
        """Asked before each key frame but a connection's first, with the pictures so far; None: it goes on."""
        self._footage = footage
        self._answers: Mapping[str, bytes] = {}
        """Those of the next connection, after which all is well again."""
        server.streams["cam"] = Stream(describe(clip), _Pieces(self))
        server.meet = self._meet

    @property
    def url(self) -> str:
        """Its URL."""
        return self.server.url("cam")

    def pieces(self) -> Iterator[bytes]:
        """What is sent over one connection."""
        pictures = self._footage()
        for number, packets in enumerate(pictures, 1):
            yield b"".join(map(framed, packets))
            if number % KEY_EVERY == 0 and (nasty := self.next_break(number)) is not None:
                self._answers, self.server.stays = nasty.answers, nasty.stays
                yield from nasty.breaking(pictures)
                return

    def _meet(self) -> None:
        self.server.answers, self._answers = dict(self._answers), {}


@attrs.frozen
class _Pieces:
    """The pieces of a camera, made anew for each connection."""

    camera: NastyCamera

    def __iter__(self) -> Iterator[bytes]:
        return self.camera.pieces()


def repeated(clip: Clip) -> Footage:
    """A clip that begins anew with each connection, as fast as it is taken."""
    return lambda: iter([*rtp_packets(clip)])


@contextmanager
def nasty_camera(clip: Clip, footage: Footage) -> Iterator[NastyCamera]:
    """A running camera; when the block is left, all its connections have ended."""
    with rtsp_server() as server:
        yield NastyCamera(server, clip, footage)
