"""Opens sources of pictures: a video, an image, a folder of images, the URL of a video or an image.

Needs FFmpeg and OpenCV: import it in worker processes and the command line, never in the server.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import BufferedReader
from itertools import chain, islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from kinora.media.beneath import open_beneath
from kinora.media.camera import CameraSource, is_multipart
from kinora.media.image_header import is_image, is_jpeg, read_size
from kinora.media.images import FolderSource, ImageSource
from kinora.media.jpeg_row import read_jpegs
from kinora.media.remote_file import HEAD_BYTES, RemoteFile
from kinora.media.source_types import (
    MAX_IMAGE_BYTES,
    Picture,
    Source,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceTruncated,
)
from kinora.media.url_access import is_url
from kinora.media.video import VideoSource
from kinora.media.video_file import LocalFile, VideoFile

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


Found = Callable[[int | None], object]
"""Called once the file or folder is open, with its descriptor, before anything in it is read; with None for a URL."""


def open_source(
    location: str, *, limits: SourceLimits, name: str | None = None, found: Found = lambda _: None
) -> Source:
    """Open the video, image or folder at ``location``, an absolute path whose links have been resolved, or a URL.

    A path is opened beneath the folder of ``limits.folders`` that it is in: no link put there meanwhile leads out.
    ``name`` stands for a path in messages; None: its last part.

    Raises:
        SourceError: it cannot be opened; nothing is left open.
    """
    if is_url(location):
        found(None)
        return _open_url(location, limits)
    path = Path(location)
    return _open_path(path, path.name if name is None else name, limits, found)


def open_again(location: str, *, limits: SourceLimits, found: Found = lambda _: None) -> Source:
    """Like :func:`open_source`, for pictures that have been read before.

    Raises:
        SourceError: it cannot be opened, or is a stream, whose past pictures are gone.
    """
    source = open_source(location, limits=limits, found=found)
    if source.info.kind == "stream":
        raise SourceError("unreadable", "The source is a live stream: its past pictures cannot be shown again.")
    return source


def _open_url(url: str, limits: SourceLimits) -> Source:
    file = RemoteFile(url, limits.url_hosts)
    try:
        return _open_remote(file, limits)
    except BaseException:
        file.close()
        raise


def _open_remote(file: RemoteFile, limits: SourceLimits) -> Source:
    """Open what a server sends; the source takes the connection over, unless this raises."""
    if not file.head:
        raise _empty(file.name)
    if is_image(file.head) and not (file.endless and is_jpeg(file.head)):
        with file:
            return ImageSource(file.name, _download(file), limits)
    if is_jpeg(file.head):
        return _open_jpegs(file, limits)
    video = VideoFile.remote(file)
    if is_multipart(file.head, file.content_type):
        return CameraSource(video, limits)
    try:
        return VideoSource(video, limits)
    except SourceError as error:
        raise _is_page(file) or error from error


def _open_jpegs(file: RemoteFile, limits: SourceLimits) -> Source:
    """Open what may be one picture or the stream of a camera: a second picture, or the end, tells."""
    jpegs = read_jpegs(file.name, file)
    begin = list(islice(jpegs, 2))
    if len(begin) > 1:
        return CameraSource(VideoFile.remote(file), limits, chain(begin, jpegs))
    with file:
        return ImageSource(file.name, begin[0], limits)


def _download(file: RemoteFile) -> bytes:
    data = bytearray()
    while piece := file.read(MAX_IMAGE_BYTES):
        data += piece
        if len(data) > MAX_IMAGE_BYTES:
            raise SourceError(
                "too_large", f"{file.name} is larger than {MAX_IMAGE_BYTES // 2**20} MiB; give a smaller image."
            )
    return bytes(data)


def _open_path(path: Path, name: str, limits: SourceLimits, found: Found) -> Source:
    if not path.is_absolute():
        raise ValueError(f"{str(path)!r} is not an absolute path")
    fd = _open_file(path, name, limits)
    try:
        found(fd)
        return _open_descriptor(fd, path, name, limits)
    except BaseException:
        os.close(fd)
        raise


def _open_descriptor(fd: int, path: Path, name: str, limits: SourceLimits) -> Source:
    """Open what a descriptor is of; the source takes that over, unless this raises."""
    mode = os.fstat(fd).st_mode
    if S_ISDIR(mode):
        return FolderSource(fd, name, limits)
    if not S_ISREG(mode):
        raise _not_regular(name)
    file = BufferedReader(LocalFile(fd, str(path)))
    head = file.read(HEAD_BYTES)
    if read_size(file) is not None:
        file.seek(0)
        image = ImageSource(name, file.read(), limits)
        os.close(fd)
        return image
    if not head:
        raise _empty(name)
    video = VideoFile.local(fd, str(path), name, head)
    return CameraSource(video, limits) if is_multipart(head) else VideoSource(video, limits)


def _open_file(path: Path, name: str, limits: SourceLimits) -> int:
    try:
        return open_beneath(path, limits.folders)
    except OSError as error:
        raise _not_opened(name, error) from error


def _not_opened(name: str, error: OSError) -> SourceError:
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR:
            return SourceError("unreadable", f"{name} does not exist; check the path.")
        case errno.EXDEV | errno.ELOOP:
            return SourceError("unreadable", f"{name} is not in the media folder: a link leads out of it.")
        case errno.ENXIO:
            return _not_regular(name)
        case _:
            return SourceError("unreadable", f"{name} cannot be read: {error.strerror}.")


def _not_regular(name: str) -> SourceError:
    return SourceError("unsupported", f"{name} is not a regular file; give a video, an image or a folder.")


def _is_page(file: RemoteFile) -> SourceError | None:
    if not file.content_type.lower().startswith("text/"):
        return None
    return SourceError(
        "unsupported", f"{file.name} is text (such as a web page), not a video: give the address of the video itself."
    )


def _empty(name: str) -> SourceError:
    return SourceError("unreadable", f"{name} is empty; copy or download it again.")
