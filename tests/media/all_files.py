"""About 200 small videos of all containers, codecs and oddities that FFmpeg writes here, each made on the spot."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, cast

import attrs
import av
import numpy as np
from av.audio.stream import AudioStream
from av.bitstream import BitStreamFilterContext
from av.container import OutputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tests.media.ffmpeg_answer import FILTERS
from tests.media.videos import Image, cut, ordinary_priority

WIDTH, HEIGHT = 64, 48
FRAMES = 12
FPS = 25
ONE = 1 << 16
KEYS = {"g": "6", "sc_threshold": "0"}
QUIET = {"x265-params": "log-level=none"}
SVT = {"preset": "12", "svtav1-params": "lp=1"}
VPX = {"deadline": "realtime", "cpu-used": "8", "g": "6"}
FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
Write = Callable[[Path], object]


@attrs.frozen
class Case:
    """One file, and what may be compared."""

    name: str
    """With the suffix that chooses the container."""
    write: Write
    timed: bool = True
    """False where FFmpeg's libraries give times that go back, which the command mends, and so does Kinora."""
    whole: bool = True
    """False for a damaged file."""
    counted: bool = True
    """False where FFmpeg decodes fewer pictures than are stored."""


def picture(number: int, width: int = WIDTH, height: int = HEIGHT) -> Image:
    """Four quarters of different colours, which change with the number."""
    image = np.empty((height, width, 3), np.uint8)
    light = 20 + number * 16 % 200
    for row, column in product((0, 1), (0, 1)):
        rows = slice(row * (height // 2), height if row else max(1, height // 2))
        columns = slice(column * (width // 2), width if column else max(1, width // 2))
        image[rows, columns] = (light, 220 - light if row else 60, 200 * column)
    return image


@ordinary_priority()
def write(
    path: Path,
    numbers: Sequence[int] = range(FRAMES),
    *,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    size: tuple[int, int] = (WIDTH, HEIGHT),
    options: Mapping[str, str] = KEYS,
    container: str | None = None,
    muxer: Mapping[str, str] | None = None,
    matrix: tuple[int, ...] | None = None,
    stamps: Sequence[int] | None = None,
    rate: Fraction | int = FPS,
    tick: Fraction | None = None,
) -> Path:
    """Encode pictures; ``stamps`` are their times in ticks, else they are equally far apart."""
    with av.open(str(path), "w", format=container, options=dict(muxer or {})) as out:
        stream = add_film(out, codec, pix_fmt, size, rate=rate, options=options)
        if tick is not None:
            stream.codec_context.time_base = tick
        if matrix is not None:
            stream.set_display_matrix(matrix)
        for position, number in enumerate(numbers):
            frame = VideoFrame.from_ndarray(picture(number, *size), format="bgr24").reformat(format=pix_fmt)
            if stamps is not None:
                frame.pts, frame.time_base = stamps[position], tick or Fraction(1, rate)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def add_film(
    out: OutputContainer,
    codec: str,
    pix_fmt: str,
    size: tuple[int, int],
    *,
    rate: Fraction | int = FPS,
    options: Mapping[str, str] | None = None,
) -> VideoStream:
    """A new track."""
    stream = cast(VideoStream, out.add_stream(codec, rate=rate, options=dict(options or {})))
    stream.width, stream.height, stream.pix_fmt = *size, pix_fmt
    return stream


def encoded(path: Path, **encoding: Any) -> bytes:
    """The bytes of a video written for the time being."""
    part = path.with_name(f"part-{os.getpid()}{path.suffix}")
    data = write(part, **encoding).read_bytes()
    part.unlink()
    return data


def copied(
    path: Path,
    *,
    source: str = ".mkv",
    since: int = 0,
    shift_s: int = 0,
    container: str | None = None,
    muxer: Mapping[str, str] | None = None,
    **encoding: Any,
) -> Path:
    """Packets ``since`` a number of a video in another container, copied."""
    whole = path.with_name(f"whole-{path.stem}{source}")
    write(whole, **encoding)
    with av.open(str(whole)) as inp, av.open(str(path), "w", format=container, options=dict(muxer or {})) as out:
        stream = out.add_stream_from_template(inp.streams.video[0])
        for number, packet in enumerate(inp.demux(video=0)):
            if packet.size and number >= since:
                shift = int(shift_s / packet.time_base)
                packet.stream = stream
                packet.pts = None if packet.pts is None else packet.pts + shift
                packet.dts = None if packet.dts is None else packet.dts + shift
                out.mux(packet)
    whole.unlink()
    return path


def matrix(a: float, b: float, c: float, d: float) -> tuple[int, ...]:
    """A display matrix as files have it."""
    return (round(a * ONE), round(b * ONE), 0, round(c * ONE), round(d * ONE), 0, 0, 0, 1 << 30)


# Containers and codecs

CODECS: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "mp4": {
        "libx264": {},
        "libx265": {"options": QUIET},
        "mpeg4": {},
        "mpeg2video": {},
        "mjpeg": {"pix_fmt": "yuvj420p"},
        "libvpx-vp9": {"options": VPX},
        "libsvtav1": {"options": SVT, "size": (64, 64)},
        "png": {"pix_fmt": "rgb24"},
        "jpeg2000": {},
    },
    "mov": {
        "libx264": {},
        "libx265": {"options": QUIET},
        "mpeg4": {},
        "prores_ks": {"pix_fmt": "yuv422p10le"},
        "prores": {"pix_fmt": "yuv444p10le"},
        "dnxhd": {"pix_fmt": "yuv422p", "size": (256, 128), "options": {"profile": "dnxhr_sq"}},
        "mjpeg": {"pix_fmt": "yuvj422p"},
        "png": {"pix_fmt": "rgba"},
        "qtrle": {"pix_fmt": "rgb24"},
        "rawvideo": {"pix_fmt": "uyvy422"},
        "v210": {"pix_fmt": "yuv422p10le"},
        "cfhd": {"pix_fmt": "yuv422p10le", "size": (64, 64)},
        "rpza": {"pix_fmt": "rgb555le"},
        "svq1": {"pix_fmt": "yuv410p"},
        "targa": {"pix_fmt": "bgr24"},
    },
    "mkv": {
        "libx264": {},
        "libx265": {"options": QUIET},
        "libx264rgb": {"pix_fmt": "bgr24"},
        "mpeg4": {},
        "mpeg2video": {},
        "mpeg1video": {},
        "libvpx": {"options": VPX},
        "libvpx-vp9": {"options": VPX},
        "libsvtav1": {"options": SVT, "size": (64, 64)},
        "ffv1": {},
        "rawvideo": {},
        "mjpeg": {"pix_fmt": "yuvj420p"},
        "prores_ks": {"pix_fmt": "yuv422p10le"},
        "msmpeg4": {},
        "snow": {},
    },
    "webm": {
        "libvpx": {"options": VPX},
        "libvpx-vp9": {"options": VPX},
        "libsvtav1": {"options": SVT, "size": (64, 64)},
    },
    "avi": {
        "mpeg4": {},
        "libx264": {},
        "mjpeg": {"pix_fmt": "yuvj420p"},
        "mpeg2video": {},
        "msmpeg4v2": {},
        "msmpeg4": {},
        "wmv1": {},
        "huffyuv": {"pix_fmt": "rgb24"},
        "ffv1": {},
        "utvideo": {"pix_fmt": "gbrp"},
        "rawvideo": {"pix_fmt": "bgr24"},
        "cinepak": {"pix_fmt": "rgb24"},
        "zmbv": {"pix_fmt": "bgr0"},
        "magicyuv": {"pix_fmt": "yuv422p"},
        "flashsv": {"pix_fmt": "bgr24"},
        "jpegls": {"pix_fmt": "bgr24"},
        "ffvhuff": {},
        "msvideo1": {"pix_fmt": "rgb555le"},
        "asv1": {},
        "asv2": {},
        "zlib": {"pix_fmt": "bgr24"},
        "dvvideo": {"size": (720, 576)},
    },
    "flv": {"libx264": {}, "flv": {}, "libx265": {"options": QUIET}},
    "ts": {"libx264": {}, "libx265": {"options": QUIET}, "mpeg2video": {}, "mpeg1video": {}, "mpeg4": {}},
    "m2ts": {"libx264": {}},
    "vob": {"mpeg2video": {}},
    "mpg": {"mpeg1video": {}},
    "wmv": {"wmv1": {}, "wmv2": {}},
    "asf": {"msmpeg4": {}, "mpeg4": {}},
    "3gp": {"h263": {"size": (128, 96)}, "mpeg4": {}, "libx264": {}},
    "mxf": {"mpeg2video": {}, "libx264": {}, "jpeg2000": {}},
    "nut": {"libx264": {}, "rawvideo": {}, "ffv1": {}, "mpeg4": {}},
    "ivf": {
        "libvpx": {"options": VPX},
        "libvpx-vp9": {"options": VPX},
        "libsvtav1": {"options": SVT, "size": (64, 64)},
    },
    "obu": {"libsvtav1": {"options": SVT, "size": (64, 64)}},
    "ogv": {"libvpx": {"options": VPX}},
    "h264": {"libx264": {}},
    "hevc": {"libx265": {"options": QUIET}},
    "m4v": {"mpeg4": {"container": "m4v"}},
    "m2v": {"mpeg2video": {}},
    "m1v": {"mpeg1video": {}},
    "y4m": {"wrapped_avframe": {}},
    "gif": {"gif": {"pix_fmt": "rgb8"}},
    "rm": {"rv10": {}, "rv20": {}},
    "dv": {"dvvideo": {"size": (720, 576)}},
    "wtv": {"mpeg2video": {}},
}
"""Suffix → encoder → how it is called."""


def containers_and_codecs() -> Iterator[Case]:
    """Each codec in each container that takes it."""
    for suffix, codecs in CODECS.items():
        for codec, encoding in codecs.items():
            # In these, pictures out of order have no times of their own.
            timed = codec != "libx264" or suffix not in {"avi", "mxf"}
            yield Case(f"{codec}.{suffix}", partial(write, **{"codec": codec} | dict(encoding)), timed=timed)


# Pixels and sizes

PIXELS = {
    "libx264": ["yuv422p", "yuv444p", "yuv420p10le", "gray", "yuvj420p", "nv12"],
    "libx265": ["yuv422p10le", "yuv420p12le"],
    "ffv1": [
        *("gray", "gray10le", "gray16le", "yuva420p", "yuva444p", "bgra", "bgr0", "rgb48le"),
        *("gbrp10le", "gbrp16le", "yuv411p", "yuv410p", "yuv440p"),
    ],
    "libvpx-vp9": ["yuv444p", "yuva420p"],
    "prores_ks": ["yuva444p10le"],
}
SIZES = {
    "ffv1": [(1, 1), (3, 5), (65, 47), (4, 100), (300, 2), (7, 3)],
    "libx264": [(2, 2), (16, 1024), (66, 50)],
    "mjpeg": [(17, 33)],
    "libvpx-vp9": [(1, 1), (65, 47)],
    "mpeg4": [(65, 47)],
}


def pixels_and_sizes() -> Iterator[Case]:
    """Formats of pixels, alpha and deep ones among them, and odd sizes."""
    encoding: dict[str, Any]
    options = {"libx265": QUIET, "libvpx-vp9": VPX}
    for codec, formats in PIXELS.items():
        for pix_fmt in formats:
            encoding = {"codec": codec, "pix_fmt": pix_fmt, "options": options.get(codec, {})}
            yield Case(f"{codec}-{pix_fmt}.mkv", partial(write, numbers=range(3), **encoding))
    formats_of = {"mjpeg": "yuvj420p", "ffv1": "bgr0"}
    for codec, sizes in SIZES.items():
        for size in sizes:
            encoding = {"codec": codec, "size": size, "options": options.get(codec, {})}
            pix_fmt = formats_of.get(codec, "yuv420p")
            name = f"{codec}-{size[0]}x{size[1]}.mkv"
            yield Case(name, partial(write, numbers=range(3), pix_fmt=pix_fmt, **encoding))


# The order of pictures, and their times

GROUPS = {
    "no-b": {"bf": "0", **KEYS},
    "many-b": {"bf": "4", "g": "12"},
    "pyramid": {"bf": "3", "g": "12", "x264-params": "b-pyramid=normal"},
    "open": {"bf": "3", "g": "5", "x264-params": "open-gop=1:scenecut=0"},
    "refresh": {"g": "6", "intra-refresh": "1"},
    "only-keys": {"g": "1"},
    "one-key": {"g": "999", "keyint_min": "999"},
    "interlaced": {"x264-params": "tff=1", "flags": "+ildct+ilme"},
    "lossless": {"qp": "0"},
    "slices": {"x264-params": "slices=4"},
    "zero-latency": {"tune": "zerolatency"},
}
HEVC_GROUPS = {
    "open": "open-gop=1:keyint=5:bframes=3:scenecut=0",
    "closed": "open-gop=0:keyint=5:bframes=3",
    "no-b": "bframes=0",
}
VFR = [0, 40, 45, 90, 300, 301, 400, 1000, 1040, 1500, 1501, 3000]


def orders_and_times() -> Iterator[Case]:
    """Groups of pictures, uneven times, late and early beginnings, odd rates."""
    for suffix in ("mp4", "mkv", "ts"):
        for name, options in GROUPS.items():
            yield Case(f"{name}.{suffix}", partial(write, options=options))
    for suffix in ("mp4", "ts"):
        for name, parameters in HEVC_GROUPS.items():
            options = {"x265-params": f"{parameters}:log-level=none"}
            yield Case(f"hevc-{name}.{suffix}", partial(write, codec="libx265", options=options))
    thousandth = Fraction(1, 1000)
    for suffix in ("mp4", "mov", "mkv", "webm", "ts", "flv", "nut"):
        codec, options = ("libvpx", VPX) if suffix == "webm" else ("libx264", KEYS)
        encoding: dict[str, Any] = {"codec": codec, "options": options}
        yield Case(f"vfr.{suffix}", partial(write, stamps=VFR, tick=thousandth, **encoding))
        late = [stamp + 5000 for stamp in VFR]
        yield Case(f"late.{suffix}", partial(write, stamps=late, tick=thousandth, **encoding))
    early = [stamp - 200 for stamp in VFR]
    for suffix in ("mp4", "mkv"):
        yield Case(f"early.{suffix}", partial(write, stamps=early, tick=thousandth))
    rates: dict[str, Fraction | int] = {
        "23.976": Fraction(24000, 1001),
        "1": 1,
        "1000": 1000,
        "59.94": Fraction(60000, 1001),
    }
    for name, rate in rates.items():
        for suffix in ("mp4", "mkv", "avi"):
            codec = "mpeg4" if suffix == "avi" else "libx264"
            yield Case(f"{name}-a-second.{suffix}", partial(write, codec=codec, options={}, rate=rate))
    wrap = (1 << 33) // 90_000
    yield Case("wraps.ts", partial(copied, shift_s=wrap, options={**KEYS, "bf": "0"}))
    slow = [*range(0, FPS * FRAMES, FPS)]
    yield Case("slow-and-padded.avi", partial(write, codec="mpeg4", options={}, stamps=slow))
    yield Case("day-long-gap.mp4", partial(write, stamps=[*range(11), 86_400 * FPS]))


# How containers are laid out


def layouts() -> Iterator[Case]:
    """Fragments, streams without a length, indexes at either end."""
    for name, muxer in {
        "faststart": {"movflags": "faststart"},
        "fragments": FRAGMENTS,
        "frame-fragments": {"movflags": "frag_every_frame+empty_moov"},
        "cmaf": {"movflags": "cmaf+frag_keyframe+empty_moov"},
        "dash": {"movflags": "dash+frag_keyframe"},
        "delayed-moov": {"movflags": "frag_keyframe+delay_moov"},
        "hybrid": {"movflags": "hybrid_fragmented+frag_keyframe"},
        "negative-offsets": {"movflags": "negative_cts_offsets"},
        "no-edits": {"use_editlist": "0"},
    }.items():
        yield Case(f"{name}.mp4", partial(write, muxer=muxer))
    for suffix, names in {
        "mkv": {
            "live": {"live": "1"},
            "cues-first": {"reserve_index_space": "5000"},
            "clusters": {"cluster_time_limit": "80"},
        },
        "webm": {"live": {"live": "1"}, "dash": {"dash": "1"}},
        "flv": {"no-length": {"flvflags": "no_duration_filesize"}, "keys": {"flvflags": "add_keyframe_index"}},
        "ts": {"m2ts-packets": {"mpegts_m2ts_mode": "1"}, "latm": {"mpegts_flags": "resend_headers"}},
        "nut": {"no-index": {"write_index": "0"}},
    }.items():
        codec, options = ("libvpx", VPX) if suffix == "webm" else ("libx264", KEYS)
        for name, muxer in names.items():
            yield Case(f"{name}.{suffix}", partial(write, codec=codec, options=options, muxer=muxer))


def orientations() -> Iterator[Case]:
    """All eight, in each container that can say so, and in the stream itself."""
    for suffix in ("mp4", "mov", "mkv"):
        for numbers in FILTERS:
            name = "".join("-0+"[sign + 1] for sign in numbers)
            yield Case(f"turned{name}.{suffix}", partial(write, numbers=range(2), matrix=matrix(*numbers)))
    for turn in ("rotate=90", "flip=horizontal", "rotate=180:flip=vertical"):
        arguments = f"display_orientation=insert:{turn}"
        yield Case(f"sei-{turn.replace(':', '-')}.mkv", partial(_filtered, bsf=f"h264_metadata={arguments}"))


def _filtered(path: Path, bsf: str) -> None:
    whole = write(path.with_name(f"whole-{path.name}"), numbers=range(3), options={"bf": "0"})
    with av.open(str(whole)) as inp, av.open(str(path), "w") as out:
        stream = out.add_stream_from_template(inp.streams.video[0])
        context = BitStreamFilterContext(bsf, inp.streams.video[0], stream)
        for packet in inp.demux(video=0):
            for changed in context.filter(packet if packet.size else None):
                changed.stream = stream
                out.mux(changed)
    whole.unlink()


# Edits

TICK = 512
"""The ticks of a picture in what the muxer of MP4 makes of 25 a second; a film's own clock has 1,000 a second."""
FRAME_MS = 40
EDITS: Mapping[str, Sequence[tuple[int, int]]] = {
    "start": [(9, 3)],
    "end": [(7, 0)],
    "both": [(5, 4)],
    "at-key": [(6, 6)],
    "late": [(10, -1), (12, 0)],
    "late-and-cut": [(5, -1), (6, 3)],
    "swapped": [(6, 6), (6, 0)],
    "twice": [(6, 0), (6, 0)],
    "hole": [(4, 0), (4, 8)],
    "longer": [(40, 0)],
}
"""Name → edits, each of so many pictures from that picture on; from -1: nothing is shown for as long."""


def edits() -> Iterator[Case]:
    """Films of which an edit list shows parts, or some of them again."""
    for name, entries in EDITS.items():
        for b_frames in ("0", "2"):
            options = {**KEYS, "bf": b_frames}
            case = partial(_edited, entries=entries, delay=2 if b_frames == "2" else 0, options=options)
            yield Case(f"edit-{name}-b{b_frames}.mp4", case)


def _edited(path: Path, entries: Sequence[tuple[int, int]], delay: int, **encoding: Any) -> None:
    data = write(path, **encoding).read_bytes()
    records = b"".join(
        struct.pack(">IiI", count * FRAME_MS, (first + delay) * TICK if first >= 0 else -1, ONE)
        for count, first in entries
    )
    listed = _box(b"elst", struct.pack(">II", 0, len(entries)) + records)
    path.write_bytes(_with_edits(data, listed))


def _with_edits(data: bytes, listed: bytes) -> bytes:
    """The boxes of a file whose index stands behind its pictures, with another edit list."""
    out, at = b"", 0
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        inside = data[at + 8 : at + size]
        if kind in {b"moov", b"trak"}:
            inside = _with_edits(inside, listed)
        out += _box(kind, listed if kind == b"edts" else inside)
        at += size
    return out


def _box(kind: bytes, inside: bytes) -> bytes:
    return struct.pack(">I4s", len(inside) + 8, kind) + inside


# Tracks


def tracks() -> Iterator[Case]:
    """Films with sound, several films in one file, covers."""
    for suffix in ("mp4", "mkv", "mov", "avi", "ts", "flv"):
        yield Case(f"sound.{suffix}", partial(_tracks, sound="aac"))
    for suffix in ("mp4", "mkv", "ts"):
        yield Case(f"large-second.{suffix}", partial(_tracks, more=(128, 96)))
        yield Case(f"small-second.{suffix}", partial(_tracks, more=(32, 32)))
    yield Case("default-second.mkv", partial(_tracks, more=(32, 32), default=1))
    yield Case("cover.mp4", partial(_tracks, more=(128, 96), cover=True))
    yield Case("cover-and-sound.mp4", partial(_tracks, sound="aac", more=(128, 96), cover=True))
    yield Case("long-sound.mkv", partial(_tracks, sound="aac", sounds=100))


def _tracks(
    path: Path,
    *,
    sound: str | None = None,
    more: tuple[int, int] | None = None,
    default: int | None = None,
    cover: bool = False,
    sounds: int = 10,
) -> None:
    with av.open(str(path), "w") as out:
        codec = {".ts": "mpeg2video", ".flv": "flv"}.get(path.suffix, "mpeg4")
        films = [add_film(out, codec, "yuv420p", (WIDTH, HEIGHT))]
        if more is not None:
            films.append(add_film(out, "mjpeg", "yuvj420p", more) if cover else add_film(out, codec, "yuv420p", more))
            films[1].disposition = Disposition.attached_pic if cover else films[1].disposition
        for number, film in enumerate(films if default is not None else ()):
            film.disposition = Disposition.default if number == default else Disposition(0)
        voice = None if sound is None else cast(AudioStream, out.add_stream(sound, rate=44_100, layout="mono"))
        for number in range(FRAMES):
            for film in films[: 1 if cover and number else 2]:
                image = picture(number, film.width, film.height)
                frame = VideoFrame.from_ndarray(image, format="bgr24").reformat(format=film.pix_fmt)
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                out.mux(film.encode(frame))
        if voice is not None:
            for _ in range(sounds):
                silence = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
                silence.sample_rate = 44_100
                out.mux(voice.encode(silence))
            out.mux(voice.encode(None))
        for film in films:
            out.mux(film.encode(None))


# Cuts, joins and changes


def cuts_and_joins() -> Iterator[Case]:
    """Segments, files that begin in the middle, joined ones, streams that change, files that break off."""
    no_b = {**KEYS, "bf": "0"}
    for suffix in ("mkv", "mp4", "webm", "avi", "ts", "flv"):
        encoding: dict[str, Any] = {"codec": "libvpx", "options": VPX} if suffix == "webm" else {"options": KEYS}
        if suffix == "avi":
            encoding = {"codec": "mpeg4", "options": {"g": "6"}}
        yield Case(f"segment.{suffix}", partial(_segment, **encoding))
    for suffix in ("mkv", "ts", "flv", "h264", "mp4"):
        yield Case(f"begins-late.{suffix}", partial(copied, since=3, options=no_b))
    opened = {"bf": "3", "g": "5", "x264-params": "open-gop=1:scenecut=0"}
    for suffix in ("mkv", "ts", "mp4"):
        if suffix != "ts":
            yield Case(f"open-cut.{suffix}", partial(copied, since=6, options=opened, numbers=range(24)))
        yield Case(f"copied-late.{suffix}", partial(copied, shift_s=100, options=no_b))
    yield Case("later-fragment.mp4", _later_fragment)
    for name, second in {"same": KEYS, "no-b": no_b}.items():
        yield Case(f"joined-{name}.ts", partial(_joined, second={"options": second}), timed=False)
    yield Case(
        "joined-codecs.mpg",
        partial(_joined, first={"codec": "mpeg2video"}, second={"codec": "mpeg2video"}),
        timed=False,
    )
    sizes = {"size": (96, 80)}
    for suffix in ("h264", "hevc", "m2v", "ts"):
        codec = {"hevc": "libx265", "m2v": "mpeg2video"}.get(suffix, "libx264")
        options = QUIET if codec == "libx265" else no_b if codec == "libx264" else {}
        encoding = {"codec": codec, "options": options}
        grown = partial(_joined, first=encoding, second={**encoding, **sizes})
        yield Case(f"grows.{suffix}", grown, timed=suffix != "ts", counted=suffix != "m2v")
    yield Case("grows.avi", _growing_jpegs)
    yield Case("cut.mkv", partial(_cut, options=no_b, numbers=range(60)), whole=False)
    yield Case("cut.flv", partial(_cut, options=no_b, numbers=range(60)), whole=False)
    yield Case("cut.avi", partial(_cut, codec="mpeg4", options={}, numbers=range(60)), whole=False)


def _segment(path: Path, **encoding: Any) -> None:
    """The second segment of a recording; its timestamps go on from the first."""
    whole = write(path.with_name(f"whole-{path.name}"), numbers=range(30), **encoding)
    muxer = {"segment_time": "0.4", "segment_format": "matroska"} if path.suffix == ".mkv" else {"segment_time": "0.4"}
    with (
        av.open(str(whole)) as inp,
        av.open(str(path.with_name(f"%d-{path.name}")), "w", format="segment", options=muxer) as out,
    ):
        stream = out.add_stream_from_template(inp.streams.video[0])
        for packet in inp.demux(video=0):
            if packet.size:
                packet.stream = stream
                out.mux(packet)
    path.with_name(f"1-{path.name}").rename(path)
    for left in path.parent.glob(f"*-{path.name}"):
        left.unlink()


def _later_fragment(path: Path) -> None:
    data = encoded(path, options={**KEYS, "bf": "0"}, numbers=range(24), muxer=FRAGMENTS)
    moofs = [at - 4 for at in range(len(data)) if data.startswith(b"moof", at)]
    path.write_bytes(data[: moofs[0]] + data[moofs[2] : moofs[3]])


def _joined(path: Path, second: Mapping[str, Any], first: Mapping[str, Any] | None = None) -> None:
    numbers = range(FRAMES, FRAMES + 6)
    path.write_bytes(encoded(path, **first or {}) + encoded(path, numbers=numbers, **second))


def _growing_jpegs(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = add_film(out, "mjpeg", "yuvj420p", (WIDTH, HEIGHT))
        for number in range(6):
            size = (WIDTH, HEIGHT) if number < 3 else (96, 80)
            jpeg = av.CodecContext.create("mjpeg", "w")
            jpeg.width, jpeg.height, jpeg.pix_fmt, jpeg.time_base = *size, "yuvj420p", Fraction(1, FPS)
            frame = VideoFrame.from_ndarray(picture(number, *size), format="bgr24").reformat(format="yuvj420p")
            for packet in [*jpeg.encode(frame), *jpeg.encode(None)]:
                packet.stream, packet.time_base = stream, Fraction(1, FPS)
                packet.pts = packet.dts = number
                out.mux(packet)


def _cut(path: Path, **encoding: Any) -> None:
    broken = cut(write(path, **encoding), 0.7)
    broken.replace(path)


def all_cases() -> dict[str, Case]:
    """Name → file, of all."""
    groups = (
        *(containers_and_codecs, pixels_and_sizes, orders_and_times, layouts),
        *(edits, orientations, tracks, cuts_and_joins),
    )
    return {case.name: case for group in groups for case in group()}
