"""The names of files that can be read: one list for folders, for the media folder and for uploads.

What a file is in truth its first bytes say. The name only decides what is offered, and what of a folder is read.
Imports no decoder, so that the server can use it.
"""

from __future__ import annotations

from pathlib import PurePath

# fmt: off
IMAGES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp", ".mpo", ".png", ".apng", ".webp",
    ".gif", ".bmp", ".dib", ".tif", ".tiff", ".btf", ".heic", ".heif", ".hif", ".avif",
    ".pbm", ".pgm", ".ppm", ".pnm",
})
# fmt: on
"""Suffixes of images, in lower case; some hold several pictures."""
# fmt: off
VIDEOS = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mj2", ".ismv", ".insv", ".lrv",
    ".mkv", ".webm", ".avi", ".divx", ".flv", ".f4v", ".ts", ".mts", ".m2ts", ".m2t",
    ".tp", ".trp", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".mpv", ".vob", ".mod",
    ".tod", ".ogv", ".ogm", ".wmv", ".asf", ".mxf", ".nut", ".dv", ".y4m", ".rm",
    ".rmvb", ".wtv", ".ivf", ".obu", ".h264", ".264", ".avc", ".h265", ".265", ".hevc",
    ".mjpeg", ".mjpg",
})
# fmt: on
"""Suffixes of videos, in lower case."""


def is_named_image(name: str) -> bool:
    """True if a file of this name is expected to be an image."""
    return suffix(name) in IMAGES


def is_named_media(name: str) -> bool:
    """True if a file of this name is expected to be an image or a video."""
    return suffix(name) in IMAGES | VIDEOS


def suffix(name: str) -> str:
    """The name's suffix in lower case, with its dot; empty if it has none."""
    return PurePath(name).suffix.lower()
