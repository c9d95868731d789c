"""The kinds of video files that are written. Light to import: it needs no FFmpeg."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import attrs

H264 = {"libx264": {"preset": "veryfast", "crf": "20"}, "mpeg4": {"q": "4"}}
VP9 = {
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "30", "b": "0"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8", "crf": "10", "b": "8M"},
}


@attrs.frozen
class VideoKind:
    """A kind of video file."""

    container: str
    """FFmpeg's name of it."""
    codecs: Mapping[str, Mapping[str, str]]
    """Encoder → its options; the first that FFmpeg was built with is taken."""
    options: Mapping[str, str] = {}
    """The container's options."""
    longest_s: float = math.inf
    """The most seconds from one picture to the next."""
    fixed_rate: bool = False
    """True if all pictures are equally far apart in it; others come as near to their times as that allows."""


_FAST_START = {"movflags": "faststart"}
_LONGEST_S = 2**31 / 90_000
MP4 = VideoKind("mp4", H264, _FAST_START, _LONGEST_S)
KINDS: Mapping[str, VideoKind] = {
    ".mp4": MP4,
    ".m4v": MP4,
    ".mov": VideoKind("mov", H264, _FAST_START, _LONGEST_S),
    ".mkv": VideoKind("matroska", H264),
    ".webm": VideoKind("webm", VP9),
    ".avi": VideoKind("avi", {"mpeg4": {"q": "3"}}, fixed_rate=True),
}
"""Suffix → the kind that it names."""


def kind_of(path: Path) -> VideoKind | None:
    """The kind that the suffix of a path names, MP4 if it has none; None if no such kind is written."""
    return KINDS.get(path.suffix.lower()) if path.suffix else MP4
