"""Opens sources of pictures: a video, an image, a folder of images, the URL of a video or an image.

Needs FFmpeg and OpenCV: import it in worker processes and the command line, never in the server.
"""

from __future__ import annotations

from pathlib import Path

from kinora.media.image_header import is_image, read_size
from kinora.media.images import FolderSource, ImageSource
from kinora.media.remote_file import HEAD_BYTES, RemoteFile
from kinora.media.source_types import Picture, Source, SourceError, SourceInfo, SourceLimits, SourceTruncated
from kinora.media.url_access import is_url
from kinora.media.video import VideoSource
from kinora.media.video_file import VideoFile

__all__ = [
    "Picture",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLimits",
    "SourceTruncated",
    "open_again",
    "open_source",
]

MAX_IMAGE_BYTES = 64 * 2**20
"""The limit on an image behind a URL: its server may send without end."""


def open_source(location: str, *, limits: SourceLimits, name: str | None = None) -> Source:
    """Open the video, image or folder at ``location``, an absolute path whose links have been resolved, or a URL.

    ``name`` stands for a path in messages; None: its last part.

    Raises:
        SourceError: it cannot be opened; nothing is left open.
    """
    if is_url(location):
        return _open_url(location, limits)
    path = Path(location)
    return _open_path(path, path.name if name is None else name, limits)


def open_again(location: str, *, limits: SourceLimits) -> Source:
    """Like :func:`open_source`, for pictures that have been read before.

    Raises:
        SourceError: it cannot be opened, or is a stream, whose past pictures are gone.
    """
    source = open_source(location, limits=limits)
    if source.info.kind == "stream":
        raise SourceError("unreadable", "The source is a live stream: its past pictures cannot be shown again.")
    return source


def _open_url(url: str, limits: SourceLimits) -> Source:
    with RemoteFile(url, limits.url_hosts) as file:
        if not file.head:
            raise _empty(file.name)
        if is_image(file.head):
            return ImageSource(file.name, _download(file), limits)
        video = VideoFile.remote(file)
    return VideoSource(video, limits)


def _download(file: RemoteFile) -> bytes:
    data = bytearray()
    while piece := file.read(MAX_IMAGE_BYTES):
        data += piece
        if len(data) > MAX_IMAGE_BYTES:
            raise SourceError(
                "too_large", f"{file.name} is larger than {MAX_IMAGE_BYTES // 2**20} MiB; give a smaller image."
            )
    return bytes(data)


def _open_path(path: Path, name: str, limits: SourceLimits) -> Source:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is not an absolute path")
    try:
        if path.is_dir():
            return FolderSource(path, name, limits)
        if not path.is_file():
            raise _no_file(path, name)
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            if read_size(file) is not None:
                file.seek(0)
                return ImageSource(name, file.read(), limits)
    except OSError as error:
        raise SourceError("unreadable", f"{name} cannot be read: {error.strerror}.") from error
    if not head:
        raise _empty(name)
    return VideoSource(VideoFile.local(path, name, head), limits)


def _empty(name: str) -> SourceError:
    return SourceError("unreadable", f"{name} is empty; copy or download it again.")


def _no_file(path: Path, name: str) -> SourceError:
    if path.exists():
        return SourceError("unsupported", f"{name} is not a regular file; give a video, an image or a folder.")
    return SourceError("unreadable", f"{name} does not exist; check the path.")
