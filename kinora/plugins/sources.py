"""Opens whatever pictures can come from: a video, an image, a folder of images.

Needs FFmpeg and OpenCV: import it in worker processes and the command line, never in the server.
"""

from __future__ import annotations

from pathlib import Path

from kinora.plugins.image_header import read_size
from kinora.plugins.images import FolderSource, ImageSource
from kinora.plugins.source_types import Picture, Source, SourceError, SourceInfo, SourceLimits, SourceTruncated
from kinora.plugins.video import VideoSource

__all__ = ["Picture", "Source", "SourceError", "SourceInfo", "SourceLimits", "SourceTruncated", "open_source"]


def open_source(location: str, *, limits: SourceLimits) -> Source:
    """Open the video, image or folder at ``location``, an absolute path whose links have been resolved.

    Raises:
        SourceError: it cannot be opened; nothing is left open.
    """
    path = Path(location)
    if not path.is_absolute():
        raise ValueError(f"{location!r} is no absolute path")
    try:
        if path.is_dir():
            return FolderSource(path, limits)
        if not path.is_file():
            raise _no_file(path)
        with path.open("rb") as file:
            empty = not file.read(1)
            is_image = read_size(file) is not None
    except OSError as error:
        raise SourceError("unreadable", f"{path.name} cannot be read: {error.strerror}.") from error
    if empty:
        raise SourceError("unreadable", f"{path.name} is empty; copy or download it again.")
    return ImageSource(path, limits) if is_image else VideoSource(path, limits)


def _no_file(path: Path) -> SourceError:
    if path.exists():
        return SourceError("unsupported", f"{path.name} is no ordinary file; give a video, an image or a folder.")
    return SourceError("unreadable", f"{path.name} does not exist; check the path.")
