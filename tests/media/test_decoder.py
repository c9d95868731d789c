"""The decoder's worker: its messages and their order, and that it writes only into the slots it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from kinora.media.messages import (
    DECODER,
    DecoderAnswer,
    DecoderRequest,
    Ended,
    FrameReady,
    Map,
    MapLarger,
    Mapped,
    NeedsLarger,
    Noted,
    Open,
    Opened,
    Refused,
    Slot,
)
from kinora.media.source_types import SourceLimits
from kinora.runtime.shared_memory.frames import FrameRing, RingReader
from tests.media.channels import Peer, running
from tests.media.videos import cut, numbered, read_number, write_video

FRAMES = 20

Decoding = Peer[DecoderRequest, DecoderAnswer]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """Pictures 0 to 19."""
    return write_video(tmp_path / "a.mp4", (numbered(n) for n in range(FRAMES)), muxer={"movflags": "faststart"})


@contextmanager
def decoding(path: Path, slots: int, **work: Any) -> Iterator[tuple[Decoding, RingReader]]:
    """A decoder that has opened the file and mapped a ring, which is then sealed."""
    with running(DECODER) as peer:
        opened = peer.ask(Open(location=str(path), name="clip", limits=SourceLimits(max_pixels=10**6)))
        assert isinstance(opened, Opened)
        ring = FrameRing(slots, opened.info.max_frame_bytes)
        peer.send(Map(slots=ring.slots, slot_bytes=ring.slot_bytes, **work), [ring.fd])
        assert peer.receive() == Mapped()
        ring.seal()
        yield peer, RingReader(ring.fd, ring.slots, ring.slot_bytes)


def drain(peer: Decoding, reader: RingReader, slots: int) -> tuple[list[tuple[int, int]], DecoderAnswer]:
    """Give each slot back at once; the frames as index and number seen, and the last message."""
    for slot in range(slots):
        peer.send(Slot(slot))
    seen: list[tuple[int, int]] = []
    while isinstance(message := peer.receive(), FrameReady):
        image = reader.view(message.slot, message.height, message.width)
        seen.append((message.index, read_number(image)))
        peer.send(Slot(message.slot))
    return seen, message


@pytest.mark.parametrize("slots", [2, 5])
def test_every_frame_is_written_once_and_then_the_end_is_told(video: Path, slots: int) -> None:
    """With a ring of any size, all frames come in order, each in a slot that was free."""
    with decoding(video, slots) as (peer, reader):
        seen, end = drain(peer, reader, slots)
    assert seen == [(number, number) for number in range(FRAMES)]
    assert end == Ended(None)


def test_start_stride_and_max_frames_choose_the_frames(video: Path) -> None:
    """From 3, every fourth, at most three."""
    with decoding(video, 2, start=3, stride=4, max_frames=3) as (peer, reader):
        seen, end = drain(peer, reader, 2)
    assert seen == [(3, 3), (7, 7), (11, 11)]
    assert end == Ended(None)


def test_only_slots_that_were_given_are_written_to(video: Path) -> None:
    """With one credit there is one frame, in that slot, and the other slots stay as they were."""
    with decoding(video, 3) as (peer, reader):
        ready = peer.ask(Slot(1))
        assert isinstance(ready, FrameReady)
        assert (ready.slot, ready.index, ready.width, ready.height) == (1, 0, 160, 120)
        assert reader.view(1, 120, 160).any()
        assert not reader.view(0, 120, 160).any()
        assert not reader.view(2, 120, 160).any()


def test_a_broken_file_ends_truncated_with_the_reason(video: Path) -> None:
    """The readable frames come first."""
    with decoding(cut(video, 0.7), 2) as (peer, reader):
        seen, end = drain(peer, reader, 2)
    assert 0 < len(seen) < FRAMES
    assert isinstance(end, Ended)
    assert end.truncated is not None
    assert "clip is damaged" in end.truncated


def test_pictures_of_a_folder_come_in_their_own_sizes(tmp_path: Path) -> None:
    """Each message has the size of its picture; the largest fits a slot."""
    sizes = [(64, 48), (160, 120), (96, 200)]
    for number, size in enumerate(sizes):
        cv2.imwrite(str(tmp_path / f"{number}.png"), numbered(number, *size))
    with decoding(tmp_path, 2) as (peer, reader):
        seen, _ = drain(peer, reader, 2)
    assert seen == [(0, 0), (1, 1), (2, 2)]


def test_a_frame_that_fits_in_no_slot_waits_for_a_larger_ring(tmp_path: Path) -> None:
    """The decoder asks for one, fills no slot of the old ring any more, and goes on in the new one."""
    sizes = [(160, 120)] * 3 + [(320, 240)] * 3 + [(96, 64)] * 2
    parts = [
        write_video(tmp_path / f"{n}.h264", [numbered(n, *size)], options={"bf": "0"}).read_bytes()
        for n, size in enumerate(sizes)
    ]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    with decoding(tmp_path / "a.h264", 2) as (peer, reader):
        seen, noted = drain(peer, reader, 2)
        assert seen == [(0, 0), (1, 1), (2, 2)]
        assert isinstance(noted, Noted)
        assert noted.note.message.startswith("clip changes its size from 160x120 to 320x240: ")
        assert peer.receive() == NeedsLarger(320 * 240 * 3)
        ring = FrameRing(3, 320 * 240 * 3)
        peer.send(Slot(0))  # was on its way when the decoder asked
        peer.send(MapLarger(slots=ring.slots, slot_bytes=ring.slot_bytes), [ring.fd])
        assert peer.receive() == Mapped()
        ring.seal()
        more, end = drain(peer, RingReader(ring.fd, ring.slots, ring.slot_bytes), ring.slots)
    assert more == [(number, number) for number in range(3, 8)]
    assert end == Ended(None)


@pytest.mark.parametrize(
    ("name", "kind"), [("missing.mp4", "unreadable"), ("text.mp4", "unsupported"), ("large.png", "too_large")]
)
def test_what_cannot_be_opened_is_answered_with_the_kind_of_error(tmp_path: Path, name: str, kind: str) -> None:
    """The worker answers and then waits for its end; it does not crash."""
    (tmp_path / "text.mp4").write_text("just words")
    cv2.imwrite(str(tmp_path / "large.png"), np.zeros((101, 100, 3), np.uint8))
    with running(DECODER) as peer:
        answer = peer.ask(Open(location=str(tmp_path / name), name=name, limits=SourceLimits(max_pixels=10_000)))
    assert isinstance(answer, Refused)
    assert answer.kind == kind
    assert name in answer.message


def test_the_server_may_leave_at_any_time(video: Path) -> None:
    """Before a word, after opening, after mapping, in the middle: the worker just ends."""
    with running(DECODER):
        pass
    with running(DECODER) as peer:
        peer.ask(Open(location=str(video), name="clip"))
    with decoding(video, 2):
        pass
    with decoding(video, 2) as (peer, _):
        peer.send(Slot(0))
        peer.send(Slot(1))
