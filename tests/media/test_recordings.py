"""Files as recorders, cutters and joiners make them: which picture of them is which, and what is said of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame

from kinora.media.source_types import SourceInfo, SourceLimits, SourceNote
from kinora.media.sources import SourceError, SourceTruncated, open_source
from kinora.media.videos.clock import Clock
from kinora.media.videos.video import SEEK_WORTH
from tests.media.ffmpeg_answer import by_libraries
from tests.media.videos import cut, numbered, read_number, write_video

KEYS = {"g": "20", "bf": "2", "sc_threshold": "0"}
NO_B_FRAMES = {**KEYS, "bf": "0"}
REALTIME = {"deadline": "realtime", "cpu-used": "8", "g": "20"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}


class Seen:
    """What a file gives, read from a picture on."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self.numbers: list[int] = []
        self.times: list[float] = []
        self.broken: str | None = None
        with open_source(str(path), limits=SourceLimits()) as source:
            self.info: SourceInfo = source.info
            try:
                for picture in source.frames(start):
                    image = np.empty((picture.height, picture.width, 3), np.uint8)
                    picture.write_to(image)
                    self.numbers.append(read_number(image))
                    self.times.append(picture.timestamp_ms)
            except SourceTruncated as error:
                self.broken = str(error)
            self.notes: Sequence[SourceNote] = tuple(source.notes)


def video(path: Path, numbers: Sequence[int] = range(100), **encoding: Any) -> Path:
    """A video of pictures with these numbers."""
    return write_video(path, (numbered(number) for number in numbers), **{"options": KEYS} | encoding)


def copy(
    source: Path, out: Path, *, container: str | None = None, since: int = 0, shift: int = 0, **muxer: str
) -> Path:
    """Copy packets ``since`` a number into another file, ``shift`` ticks of the source later."""
    with av.open(str(source)) as inp, av.open(str(out), "w", format=container, options=muxer) as into:
        stream = into.add_stream_from_template(inp.streams.video[0])
        for number, packet in enumerate(inp.demux(video=0)):
            if packet.size and number >= since:
                packet.stream = stream
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
                into.mux(packet)
    return out


@pytest.mark.parametrize(
    ("suffix", "encoding"),
    [
        ("mkv", {}),
        ("mp4", {}),
        ("webm", {"codec": "libvpx", "options": REALTIME}),
        ("avi", {"codec": "mpeg4", "options": {"g": "20"}}),
    ],
)
def test_segments_of_a_recording_are_whole_and_have_their_own_length(
    tmp_path: Path, suffix: str, encoding: dict[str, Any]
) -> None:
    """Their timestamps go on from the segment before, and some containers then state the end as the length."""
    whole = video(tmp_path / f"whole.{suffix}", **encoding)
    copy(whole, tmp_path / f"segment%d.{suffix}", container="segment", segment_time="1.5")
    segments = [Seen(path) for path in sorted(tmp_path.glob("segment*"))]
    assert len(segments) >= 2
    assert [number for seen in segments for number in seen.numbers] == list(range(100))
    assert [(seen.broken, seen.notes) for seen in segments] == [(None, ())] * len(segments)
    assert [seen.info.frames_total for seen in segments] == [len(seen.numbers) for seen in segments]


def test_a_later_fragment_behind_its_beginning_is_whole(tmp_path: Path) -> None:
    """As players are given them: an initialisation segment, then one fragment from the middle."""
    data = video(tmp_path / "whole.mp4", options=NO_B_FRAMES, muxer=FRAGMENTS).read_bytes()
    moofs = [at - 4 for at in range(len(data)) if data.startswith(b"moof", at)]
    (tmp_path / "later.mp4").write_bytes(data[: moofs[0]] + data[moofs[2] : moofs[4]])
    seen = Seen(tmp_path / "later.mp4")
    assert (seen.numbers, seen.times[0], seen.broken, seen.info.frames_total) == (list(range(40, 80)), 0, None, 40)


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "ts", "flv"])
def test_a_recording_that_begins_late_on_its_clock_is_whole(tmp_path: Path, suffix: str) -> None:
    """With ``-copyts`` and the like; times count from the first picture."""
    whole = video(tmp_path / "whole.mp4", options=NO_B_FRAMES)
    seen = Seen(copy(whole, tmp_path / f"late.{suffix}", shift=12_800 * 10))
    assert (seen.numbers, seen.broken, seen.info.frames_total) == (list(range(100)), None, 100)
    assert seen.times == pytest.approx([40 * number for number in range(100)], abs=1)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_last_picture_that_is_held_for_long_is_no_early_end(tmp_path: Path, suffix: str) -> None:
    """As in recordings of a screen: nothing moves at the end."""
    path = tmp_path / f"held.{suffix}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        for number in range(10):
            frame = VideoFrame.from_ndarray(numbered(number), format="bgr24")
            frame.pts, frame.time_base = number if number < 9 else 300, Fraction(1, 25)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            packet.duration = 250 * packet.duration if packet.duration else 0
            container.mux(packet)
    seen = Seen(path)
    assert (seen.numbers, seen.times[-1], seen.broken) == (list(range(10)), 12_000, None)
    assert seen.info.frames_total == 10


@pytest.mark.parametrize("second", [range(100, 130), range(100, 104)])
@pytest.mark.parametrize("options", [KEYS, NO_B_FRAMES], ids=["B-frames", "no B-frames"])
def test_joined_transport_streams_give_every_picture_once(
    tmp_path: Path, second: range, options: dict[str, str]
) -> None:
    """``cat a.ts b.ts``: none is lost or doubled at the join, time goes on, and nothing is damaged."""
    first = video(tmp_path / "a.ts", range(40)).read_bytes()
    (tmp_path / "all.ts").write_bytes(first + video(tmp_path / "b.ts", second, options=options).read_bytes())
    seen = Seen(tmp_path / "all.ts")
    assert (seen.numbers, seen.broken) == ([*range(40), *second], None)
    assert seen.info.frames_total == len(seen.numbers)
    steps = np.diff(seen.times)
    assert steps.min() > 0
    assert steps.max() < 200


@pytest.mark.parametrize("hours", [(0, 1), (1, 0), (0, 1, 0)], ids=str)
def test_joined_recordings_of_different_hours_are_whole(tmp_path: Path, hours: tuple[int, ...]) -> None:
    """As of a camera that records what moves, ``cat 10.ts 11.ts``: the hours between are not lost pictures."""
    whole, pieces = video(tmp_path / "whole.mp4", range(40), options=NO_B_FRAMES), list[bytes]()
    for hour in hours:
        pieces.append(copy(whole, tmp_path / "piece.ts", shift=12_800 * 3600 * hour).read_bytes())
    (tmp_path / "all.ts").write_bytes(b"".join(pieces))
    seen = Seen(tmp_path / "all.ts")
    assert (seen.numbers, seen.broken) == ([*range(40)] * len(hours), None)
    assert seen.times == pytest.approx([40 * number for number in range(40 * len(hours))], abs=1)


def test_joined_segments_of_one_transport_stream_are_whole(tmp_path: Path) -> None:
    """``cat segment*.ts``: their time goes on, and only the numbering of their packets begins anew."""
    copy(video(tmp_path / "whole.mkv"), tmp_path / "segment%d.ts", container="segment", segment_time="0.7")
    segments = sorted(tmp_path.glob("segment*.ts"))
    assert len(segments) > 2
    (tmp_path / "all.ts").write_bytes(b"".join(path.read_bytes() for path in segments))
    seen = Seen(tmp_path / "all.ts")
    assert (seen.numbers, seen.broken, seen.info.frames_total) == (list(range(100)), None, 100)
    assert seen.times == pytest.approx([40 * number for number in range(100)], abs=1)


def test_a_transport_stream_with_a_hole_is_damaged(tmp_path: Path) -> None:
    """Lost packets are not taken for a join; the pictures around them come, at their times."""
    data = video(tmp_path / "a.ts").read_bytes()
    middle = len(data) // 2 // 188 * 188
    (tmp_path / "a.ts").write_bytes(data[:middle] + data[middle + 40 * 188 :])
    seen = Seen(tmp_path / "a.ts")
    assert 50 < len(seen.numbers) < 100
    assert seen.times == sorted(seen.times)
    assert seen.times[-1] == pytest.approx(99 * 40, abs=1)
    assert seen.broken is not None


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_a_file_that_begins_between_key_frames_says_what_is_left_out(tmp_path: Path, suffix: str) -> None:
    """All from its first key frame on is there, so it is not damaged; the pictures before cannot be decoded."""
    whole = video(tmp_path / f"whole.{suffix}", options=NO_B_FRAMES)
    seen = Seen(copy(whole, tmp_path / f"late.{suffix}", since=33))
    assert (seen.numbers, seen.broken) == (list(range(40, 100)), None)
    assert seen.info.frames_total == 60
    assert [note.message for note in seen.notes] == [
        f"late.{suffix} begins between key frames: its first 7 pictures refer to earlier ones and cannot be decoded."
    ]


def test_a_picture_has_the_same_number_wherever_the_reading_begins(tmp_path: Path) -> None:
    """Also where the first packets have no picture."""
    whole = video(tmp_path / "whole.mkv", options=NO_B_FRAMES)
    late = copy(whole, tmp_path / "late.mkv", since=13)
    assert Seen(late, SEEK_WORTH + 3).numbers == list(range(20 + SEEK_WORTH + 3, 100))


def test_the_main_track_is_read_and_told(tmp_path: Path) -> None:
    """The default one, then the largest, not the first; and never a cover."""
    path = tmp_path / "many.mkv"
    sizes = [(64, 48), (160, 120), (320, 240)]
    with av.open(str(path), "w") as container:
        streams = []
        for width, height in sizes:
            stream = container.add_stream("mpeg4", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        streams[0].disposition = Disposition(0)
        streams[1].disposition = Disposition.default
        streams[2].disposition = Disposition(0)
        for number in range(5):
            for stream, size in zip(streams, sizes, strict=True):
                container.mux(stream.encode(VideoFrame.from_ndarray(numbered(number, *size), format="bgr24")))
        for stream in streams:
            container.mux(stream.encode(None))
    seen = Seen(path)
    assert (seen.info.width, seen.info.height, seen.numbers) == (160, 120, list(range(5)))
    assert [(note.message, note.severity) for note in seen.notes] == [
        ("many.mkv has 3 video tracks: only track 1, of 160x120, is read.", "low")
    ]


def test_a_change_of_size_is_told_once(tmp_path: Path) -> None:
    """However often it changes."""
    parts = [
        write_video(tmp_path / "part.h264", [numbered(number, *size)] * 3, options={"bf": "0"}).read_bytes()
        for number, size in enumerate([(160, 120), (120, 160), (160, 120), (96, 64)])
    ]
    (tmp_path / "a.h264").write_bytes(b"".join(parts))
    seen = Seen(tmp_path / "a.h264")
    assert seen.numbers == [number for number in range(4) for _ in range(3)]
    (note,) = seen.notes
    assert (note.code, note.severity) == ("SOURCE_RESIZED", "low")
    assert note.message.startswith(
        "a.h264 changes its size from 160x120 to 120x160: each frame has its own, and an annotated video"
    )


def refusal(path: Path) -> str:
    """The sentence with which a file is refused."""
    with pytest.raises(SourceError) as caught, open_source(str(path), limits=SourceLimits()):
        pass
    return str(caught.value)


def test_a_refusal_names_the_true_reason(tmp_path: Path) -> None:
    """Copy protection, an unknown codec, a cover without a film: none of them is damage."""
    key = "00112233445566778899aabbccddeeff"
    protection = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": key, "encryption_kid": key}
    assert "is encrypted" in refusal(video(tmp_path / "film.mp4", range(3), muxer=protection))
    plain = video(tmp_path / "plain.mp4", range(3)).read_bytes()
    (tmp_path / "new.mp4").write_bytes(plain.replace(b"avc1", b"zzzz"))
    assert "a format that is unknown here" in refusal(tmp_path / "new.mp4")
    assert "only a cover picture" in refusal(song_with_cover(tmp_path / "song.m4a"))
    with av.open(str(tmp_path / "sound.mka"), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    assert "only sound" in refusal(tmp_path / "sound.mka")


def song_with_cover(path: Path) -> Path:
    """A sound file with a picture on its cover."""
    with av.open(str(path), "w", format="mp4") as container:
        sound = container.add_stream("aac", rate=8000, layout="mono")
        cover = container.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.sample_rate = 8000
        picture = VideoFrame.from_ndarray(numbered(1, 64, 48), format="bgr24").reformat(format="yuvj420p")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))
    return path


@pytest.mark.parametrize("part", [0.5, 0.7])
@pytest.mark.parametrize(
    "how", ["frag_keyframe+empty_moov+default_base_moof", "frag_every_frame+empty_moov", "dash+frag_keyframe"]
)
def test_fragments_that_break_off_are_damaged(tmp_path: Path, how: str, part: float) -> None:
    """As of a recorder that lost its power: nothing states how long the film was to be, but the last piece is torn."""
    path = video(tmp_path / "a.mp4", muxer={"movflags": how})
    assert Seen(path).broken is None
    seen = Seen(cut(path, part))
    assert 0 < len(seen.numbers) < 100
    assert "damaged or incomplete" in str(seen.broken)


def test_mp4_files_joined_by_their_bytes_are_told(tmp_path: Path) -> None:
    """``cat a.mp4 b.mp4``: all that players and FFmpeg show is the first."""
    first, second = (video(tmp_path / name, range(20)).read_bytes() for name in ("a.mp4", "b.mp4"))
    (tmp_path / "all.mp4").write_bytes(first + second)
    seen = Seen(tmp_path / "all.mp4")
    assert (seen.numbers, seen.broken) == (list(range(20)), None)
    (note,) = seen.notes
    assert note.message == (
        "all.mp4 is 2 files one behind the other, and MP4 cannot be joined like that: only the first is read."
        " Process each by itself."
    )


@pytest.mark.parametrize("behind", [bytes(5000), b"\0\0\xff\xffmdax" + bytes(90), b"TAG" + bytes(125)])
def test_what_lies_behind_an_mp4_is_no_damage(tmp_path: Path, behind: bytes) -> None:
    """Zeros of a recorder's full disk, and what other programs append."""
    for muxer in (FRAGMENTS, {}):
        path = video(tmp_path / "a.mp4", range(20), muxer=muxer)
        path.write_bytes(path.read_bytes() + behind)
        seen = Seen(path)
        assert (seen.numbers, seen.broken, seen.notes) == (list(range(20)), None, ())


def test_a_cut_file_is_still_damaged(tmp_path: Path) -> None:
    """What is forgiven to segments is not forgiven to what breaks off."""
    for name in ("a.mkv", "a.mp4"):
        path = video(tmp_path / name, options=NO_B_FRAMES, muxer={"movflags": "faststart"} if name == "a.mp4" else {})
        seen = Seen(cut(path, 0.7))
        assert 20 < len(seen.numbers) < 100
        assert seen.broken is not None


@pytest.mark.parametrize("suffix", ["mkv", "avi", "flv"])
def test_damage_in_the_middle_costs_no_more_pictures_than_ffmpeg_loses(tmp_path: Path, suffix: str) -> None:
    """Wherever it is."""
    codec = {"codec": "mpeg4"} if suffix == "avi" else {}
    whole = video(tmp_path / f"a.{suffix}", range(30), options=NO_B_FRAMES, **codec).read_bytes()
    for part in range(10, 90, 8):
        at = len(whole) * part // 100
        (tmp_path / f"a.{suffix}").write_bytes(whole[:at] + bytes(3) + whole[at + 3 :])
        seen = Seen(tmp_path / f"a.{suffix}")
        assert len(seen.numbers) >= len(by_libraries(tmp_path / f"a.{suffix}"))


@pytest.mark.parametrize("options", [KEYS, NO_B_FRAMES], ids=["B-frames", "no B-frames"])
def test_a_damaged_last_picture_is_told(tmp_path: Path, options: dict[str, str]) -> None:
    """The decoder is silent about it: it has given other pictures that it had held back by then."""
    whole = video(tmp_path / "whole.mkv", range(30), options=options)
    with av.open(str(whole)) as inp, av.open(str(tmp_path / "a.mkv"), "w") as out:
        stream = out.add_stream_from_template(inp.streams.video[0])
        for number, packet in enumerate(inp.demux(video=0)):
            if packet.size:
                changed = Packet(bytes(packet.size)) if number == 29 else packet
                changed.pts, changed.dts, changed.time_base = packet.pts, packet.dts, packet.time_base
                changed.stream = stream
                out.mux(changed)
    seen = Seen(tmp_path / "a.mkv")
    assert seen.numbers == list(range(len(seen.numbers)))
    assert 26 < len(seen.numbers) < 30
    assert seen.broken is not None


def test_a_clock_set_back_is_told_from_pictures_out_of_order() -> None:
    """The times of decoding tell: pictures out of order are shown as soon as may be, and the rest at their times."""
    clock = Clock(0, 1.0, 40.0)
    assert [clock.read(*stamps) for stamps in [(0, 0), (40, 40), (1280, 80), (120, 120), (1320, 160)]] == [
        *(0, 40, 1280, 1280, 1320)
    ]
    clock = Clock(0, 1.0, 40.0)
    assert [clock.read(*stamps) for stamps in [(3000, 3000), (3040, 0), (0, 40), (40, 80)]] == [3000, 3040, 3080, 3120]


def test_a_clock_set_to_a_later_time_goes_on_where_that_may_be() -> None:
    """In a broadcast's stream; a long pause between two pictures of a file is one."""
    stamps = [0, 40, 86_400_000, 86_400_040]
    clock = Clock(0, 1.0, 40.0, may_jump=True)
    assert [clock.read(stamp, stamp) for stamp in stamps] == [0, 40, 80, 120]
    clock = Clock(0, 1.0, 40.0)
    assert [clock.read(stamp, stamp) for stamp in stamps] == stamps


def test_a_slow_camera_does_not_set_its_clock_anew() -> None:
    """What its clock steps on by has passed here too; a step by far more than that is another matter."""
    clock = Clock(0, 1.0, 40.0, may_jump=True)
    assert [clock.read(60_000 * n, 60_000 * n, now_s=60.0 * n) for n in range(3)] == [0, 60_000, 120_000]
    assert clock.read(300_000, 300_000, now_s=125.0) == 120_040
