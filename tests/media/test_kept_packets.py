"""What is kept of live sources: the newest packets, within bounds, and clips made of them without decoding."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import attrs
import av
import numpy as np
import pytest

from kinora.media.packets.packet_keeper import BEGINNING_BYTES, PACKET_BYTES, PacketKeeper
from kinora.media.packets.packet_memory import CODECS, KEPT_BYTES, KeptPacket, PacketMemory, PacketWriter, read_packets
from kinora.media.source_types import SourceError, SourceLimits
from kinora.media.videos.cut_clip import Cut
from kinora.media.videos.kept_clip import cut_kept
from tests.media.videos import numbered, read_number, write_video
from tests.rtsp_clips import Codec, encode

KEY_EVERY = 10
STEP_US = 40_000
MIB = 2**20


def packet(number: int, size: int = 100, key_every: int = KEY_EVERY) -> KeptPacket:
    """A packet that came ``number`` seconds after the first."""
    return KeptPacket(bytes([number % 256]) * size, number * 1_000_000, float(number), number % key_every == 0)


def writing(memory: PacketMemory, keep_s: float = 1e9) -> PacketWriter:
    """A decoder that keeps packets."""
    return PacketWriter(os.dup(memory.fd), "h264", keep_s)


def numbers(memory: PacketMemory) -> list[int]:
    """The packets that are kept; each is whole."""
    _, packets = read_packets(memory.fd)
    assert all(one.data == bytes([round(one.came_s) % 256]) * len(one.data) for one in packets)
    return [round(one.came_s) for one in packets]


@pytest.fixture
def memory() -> Iterator[PacketMemory]:
    """A memory that is closed after the test."""
    made = PacketMemory()
    yield made
    made.close()


def test_packets_are_kept_from_a_key_frame_on(memory: PacketMemory) -> None:
    """As they were given."""
    writer, given = writing(memory), [packet(number) for number in range(5, 25)]
    for one in given:
        writer.add(one)
    assert read_packets(memory.fd) == ("h264", given[5:])


def test_old_packets_go_up_to_the_last_key_frame_that_is_old(memory: PacketMemory) -> None:
    """So that what is young enough can be decoded."""
    writer = writing(memory, keep_s=15)
    for number in range(48):
        writer.add(packet(number))
    assert numbers(memory) == list(range(30, 48))


@pytest.mark.parametrize("keep_s", [1e9, 30])
def test_what_is_kept_has_a_bound(memory: PacketMemory, keep_s: float) -> None:
    """Of bytes, over many rounds, and of real memory; what is kept for a short time takes less."""
    writer = writing(memory, keep_s)
    for number in range(170):
        writer.add(packet(number, MIB - 17))
        if number % 20 == 0:
            assert os.fstat(memory.fd).st_blocks * 512 <= KEPT_BYTES + 2 * MIB
    kept = numbers(memory)
    assert kept == list(range(kept[0], 170))
    assert len(kept) == 60 if keep_s > 60 else 40
    if keep_s < len(kept):
        assert os.fstat(memory.fd).st_blocks * 512 <= 42 * MIB


def test_a_group_of_pictures_that_is_too_large_is_not_kept(memory: PacketMemory) -> None:
    """The next one is."""
    writer = writing(memory)
    for number in range(75):
        writer.add(packet(number, MIB, key_every=70))
    assert numbers(memory) == list(range(70, 75))
    writer.add(packet(140, KEPT_BYTES))
    assert numbers(memory) == []
    writer.add(KeptPacket(b"of no time", 2**63, 141.0, is_key=True))
    assert numbers(memory) == []


def test_a_reader_leaves_out_what_is_overwritten_while_it_reads(
    memory: PacketMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decoder does not wait for it."""
    writer = writing(memory)
    for number in range(60):
        writer.add(packet(number, MIB))
    read, more = os.pread, iter(range(60, 90))

    def slow_pread(fd: int, size: int, at: int) -> bytes:
        data = read(fd, size, at)
        if size > MIB:
            for number in islice(more, 30):
                writer.add(packet(number, MIB))
        return data

    monkeypatch.setattr(os, "pread", slow_pread)
    assert numbers(memory) == list(range(30, 60))


def test_a_memory_of_nonsense_has_no_packets(memory: PacketMemory) -> None:
    """Whatever its decoder has written."""
    assert read_packets(memory.fd) == (None, [])
    for number in range(20):
        writing(memory).add(packet(0))
        os.pwrite(memory.fd, os.urandom(16 * number), number)
        with suppress(SourceError):
            codec, packets = read_packets(memory.fd)
            made_of(codec, packets, Path("never"), at_ms=0, came_s=0, start_ms=0, end_ms=1000)
    os.pwrite(memory.fd, b"\xff" * 4096 * 20, 0)
    assert read_packets(memory.fd) == (None, [])


def test_what_came_before_it_is_known_that_packets_are_kept_is_kept_too(memory: PacketMemory) -> None:
    """From the last key frame on, and within a bound."""
    keeper, other, large = PacketKeeper("h264"), PacketKeeper("h264"), PacketKeeper("h264")
    for number in range(15):
        keeper.put(packet(number))
        large.put(packet(number, BEGINNING_BYTES // 8))
    keeper.begin(writing(memory))
    keeper.put(packet(15))
    assert numbers(memory) == list(range(10, 16))
    other.begin(None)
    assert not other.wants
    for number in range(15, 21):
        large.put(packet(number, BEGINNING_BYTES // 8))
    large.begin(writing(memory))
    assert numbers(memory) == [20]
    small = PacketKeeper("h264")
    for number in range(BEGINNING_BYTES // PACKET_BYTES):
        small.put(packet(number, 1, key_every=BEGINNING_BYTES))
    small.begin(writing(memory))
    small.put(packet(1))
    assert numbers(memory) == []


made_of = partial(cut_kept, limits=SourceLimits())


def kept(codec: Codec, b_frames: int = 0, after: int = 0) -> list[KeptPacket]:
    """60 pictures, which came when they were coded; the source's clock is set anew before the picture ``after``."""
    pictures = encode(codec, (numbered(number) for number in range(60)), KEY_EVERY, b_frames).pictures
    return [
        KeptPacket(
            one.data,
            one.pts * STEP_US + (0 if number >= after else 10**12),
            100 + number * STEP_US / 1e6,
            codec == "mjpeg" or number % KEY_EVERY == 0,
        )
        for number, one in enumerate(pictures)
    ]


def cut(packets: Sequence[KeptPacket], out: Path, *, event: int = 30, start_ms: float, end_ms: float) -> Cut:
    """A clip, in whose job's time the first picture is shown at 10 s."""
    at_ms, came_s = 10_000 + event * STEP_US / 1000, 100 + event * STEP_US / 1e6
    return made_of("h264", packets, out, at_ms=at_ms, came_s=came_s, start_ms=start_ms, end_ms=end_ms)


def shown(out: Path) -> list[int]:
    """The numbers in the pictures of a clip, which are shown one after the other."""
    with av.open(str(out)) as container:
        frames = list(container.decode(video=0))
    assert [round((frame.time or 0) * 1e6) for frame in frames] == [number * STEP_US for number in range(len(frames))]
    return [read_number(np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)) for frame in frames]


@pytest.mark.parametrize(("codec", "b_frames"), [("h264", 0), ("h264", 2), ("hevc", 0), ("hevc", 2), ("mjpeg", 0)])
def test_a_clip_has_the_pictures_of_its_time(tmp_path: Path, codec: Codec, b_frames: int) -> None:
    """From a key frame on, each at its time; Safari is told of H.265 as it wants it."""
    out, packets = tmp_path / "clip.mp4", kept(codec, b_frames)
    packets = packets[: 1 + next(number for number, one in enumerate(packets) if one.time_us > 47 * STEP_US)]
    event = next(number for number, one in enumerate(packets) if one.time_us == 30 * STEP_US)
    done = made_of(codec, packets, out, at_ms=11_200, came_s=packets[event].came_s, start_ms=11_000, end_ms=11_800)
    first = 25 if codec == "mjpeg" else 20
    seen = shown(out)
    assert seen == list(range(first, first + len(seen)))
    assert seen[-1] in range(45, 46 + b_frames)  # those that another one refers to are there
    assert done == Cut(10_000 + first * 40, len(seen) * 40, codec)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width) == (codec, 160)
        assert codec != "hevc" or stream.codec_context.codec_tag == "hvc1"
    assert out.read_bytes()[4:64].find(b"moov") > 0


@pytest.mark.parametrize(("codec", "encoder"), [("vp9", "libvpx-vp9"), ("av1", "libsvtav1")])
def test_pictures_of_the_web_have_clips(tmp_path: Path, codec: str, encoder: str) -> None:
    """As they were sent."""
    options = {"g": str(KEY_EVERY), "deadline": "realtime", "preset": "12"}
    write_video(tmp_path / "sent.webm", map(numbered, range(60)), codec=encoder, options=options)
    with av.open(str(tmp_path / "sent.webm")) as container:
        sent = [one for one in container.demux(video=0) if one.size]
    packets = [KeptPacket(bytes(one), 1000 * (one.pts or 0), 0.0, one.is_keyframe) for one in sent]
    packets = [attrs.evolve(one, came_s=100 + one.time_us / 1e6) for one in packets][KEY_EVERY:]
    out = tmp_path / "clip.mp4"
    done = made_of(codec, packets, out, at_ms=11_200, came_s=101.2, start_ms=11_000, end_ms=11_800)
    assert done == Cut(10_800, 1_040, codec)
    assert shown(out) == list(range(20, 46))


def test_a_clip_is_of_what_is_left(tmp_path: Path) -> None:
    """It begins later and ends earlier than wanted, also if the picture of its event is gone."""
    out = tmp_path / "clip.mp4"
    packets = kept("h264")[20:50]
    assert cut(packets, out, start_ms=10_000, end_ms=20_000) == Cut(10_800, 1_200, "h264")
    assert cut(packets, out, event=5, start_ms=10_000, end_ms=20_000) == Cut(10_800, 1_200, "h264")
    with pytest.raises(SourceError, match="no pictures"):
        cut(packets, out, start_ms=10_000, end_ms=10_100)
    with pytest.raises(SourceError, match="not kept"):
        cut([], out, start_ms=10_000, end_ms=20_000)


def test_a_clip_does_not_go_beyond_a_change_of_the_clock(tmp_path: Path) -> None:
    """What lies behind it has no place in its time."""
    out = tmp_path / "clip.mp4"
    assert cut(kept("h264", after=20), out, start_ms=0, end_ms=20_000) == Cut(10_800, 1_600, "h264")
    assert shown(out) == list(range(20, 60))


def test_a_clip_of_a_slow_source_has_all_its_pictures(tmp_path: Path) -> None:
    """A minute between two pictures is no change of the clock if a minute has passed."""
    slow = [attrs.evolve(one, time_us=60_000_000 * n, came_s=60.0 * n) for n, one in enumerate(kept("mjpeg")[:5])]
    out = tmp_path / "clip.mp4"
    done = made_of("mjpeg", slow, out, at_ms=120_000, came_s=120, start_ms=60_000, end_ms=200_000)
    assert done == Cut(60_000, 180_000, "mjpeg")


def test_what_cannot_be_decoded_makes_no_clip(tmp_path: Path) -> None:
    """Whatever was sent, nothing is left of it."""
    noise = [KeptPacket(os.urandom(1000), number, float(number), is_key=True) for number in range(20)]
    for codec in CODECS:
        with pytest.raises(SourceError, match="No clip can be made"):
            made_of(codec, noise, tmp_path / "out.mp4", at_ms=0, came_s=5, start_ms=0, end_ms=100)
    assert list(tmp_path.iterdir()) == []
