"""Opens sources of pictures: a video, an image, a folder of images, the URL of a video, an image or a camera.

Needs FFmpeg and OpenCV: import it in worker processes and the command line, never in the server.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from functools import partial
from io import BufferedReader, BytesIO
from itertools import chain, islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG

import attrs

from kinora.media.files.beneath import folder_around, open_beneath
from kinora.media.files.other_files import LOOKED_AT, what_it_is
from kinora.media.images.albums import open_album
from kinora.media.images.folder import FolderSource
from kinora.media.images.folder_list import list_folder
from kinora.media.images.image_header import is_film, is_gif, is_image, is_jpeg
from kinora.media.images.image_source import ImageSource
from kinora.media.images.jpeg_row import read_jpegs
from kinora.media.images.tiff import is_camera_raw, is_tiff
from kinora.media.live.camera import CameraSource, is_multipart
from kinora.media.live.webcam import WebcamSource, require_device
from kinora.media.network.auth import Credentials
from kinora.media.network.remote_file import HEAD_BYTES, RemoteFile
from kinora.media.network.served import Served
from kinora.media.network.served_file import ServedSource
from kinora.media.network.url_access import is_rtsp, is_url
from kinora.media.rtsp.source import RtspSource
from kinora.media.source_names import PUSH, device_of, is_watched
from kinora.media.source_types import (
    MAX_IMAGE_BYTES,
    Picture,
    Source,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceTruncated,
)
from kinora.media.videos.jpeg_file import JpegFile, is_named_row, is_row
from kinora.media.videos.video import VideoSource
from kinora.media.videos.video_file import VideoFile

__all__ = [
    "Picture",
    "Source",
    "SourceError",
    "SourceInfo",
    "SourceLimits",
    "SourceTruncated",
    "open_again",
    "open_served",
    "open_source",
]


Found = Callable[[Sequence[int | str] | None], object]
"""Called once the file or folder is open, before anything in it is read, with all that will be read: its descriptor,
and for a folder the paths that its links lead to; with None for a URL."""

OpenRemote = Callable[[RemoteFile, SourceLimits], Source]
"""Opens what a server sends; the source takes the connection over, unless this raises."""


def open_source(
    location: str,
    *,
    limits: SourceLimits,
    name: str | None = None,
    found: Found = lambda _: None,
    credentials: Credentials | None = None,
) -> Source:
    """Open the video, image or folder at ``location``, an absolute path whose links have been resolved, or a URL.

    A path is opened beneath the folder of ``limits.folders`` that it is in: no link put there meanwhile leads out.
    ``name`` stands for the location in messages; None, or a URL itself: its last part. ``credentials`` go to the host
    of a URL alone.

    Raises:
        SourceError: it cannot be opened; nothing is left open.
    """
    if is_rtsp(location):
        found(None)
        return RtspSource(location, limits, credentials, None if name == location else name)
    if is_url(location):
        found(None)
        file = RemoteFile(location, limits.url_hosts, credentials, None if name == location else name)
        return _open_remote_file(file, limits, _open_remote)
    if (device := device_of(location)) is not None:
        require_device(device, name or location)
        found([])
        return WebcamSource(device, name or location, limits)
    path = Path(location)
    return _open_path(path, path.name if name is None else name, limits, found)


def open_served(served: Served, file_name: str, name: str, *, limits: SourceLimits, found: Found) -> Source:
    """Open a file of our own server as if it were here. Messages call it ``name``, and tell nothing of its address.

    Raises:
        SourceError: it cannot be opened; nothing is left open.
    """
    source = ServedSource.of(served, name, file_name)
    found(None)
    return _open_stored(VideoFile.served(source), limits)


def open_again(location: str, *, limits: SourceLimits, found: Found = lambda _: None) -> Source:
    """Like :func:`open_source`, for pictures that have been read before.

    Raises:
        SourceError: it cannot be opened, or is a stream, whose past pictures are gone.
    """
    if is_rtsp(location) or is_watched(location) or location == PUSH:
        raise _past()
    source = open_source(location, limits=limits, found=found)
    if source.info.kind == "stream":
        raise _past()
    return source


def _open_remote_file(file: RemoteFile, limits: SourceLimits, how: OpenRemote) -> Source:
    try:
        return how(file, limits)
    except BaseException:
        file.close()
        raise


def _open_remote(file: RemoteFile, limits: SourceLimits) -> Source:
    """Open what a server sends; the source takes the connection over, unless this raises."""
    if not file.head:
        raise _empty(file.name)
    if is_jpeg(file.head) and (file.endless or is_named_row(file.name)):
        return _open_jpegs(file, limits)
    if is_image(file.head) and not is_gif(file.head):
        return _open_remote_image(file, limits)
    return _open_remote_video(file, limits)


def _open_remote_image(file: RemoteFile, limits: SourceLimits) -> Source:
    with file:
        data = _download(file)
    if is_film(BytesIO(data)):
        return _open_remote_file(file.again(), limits, _open_remote_video)
    if is_jpeg(data) and is_row(file.name, BytesIO(data)):
        return _open_remote_file(file.again(), limits, _open_jpegs)
    return _open_image(file.name, data, limits)


def _open_remote_video(file: RemoteFile, limits: SourceLimits) -> Source:
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
        return _open_image(file.name, begin[0], limits)


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
        if S_ISDIR(os.fstat(fd).st_mode):
            return _open_folder(fd, path, name, limits, found)
        found([fd])
        return _open_descriptor(fd, path.name, name, limits)
    except BaseException:
        os.close(fd)
        raise


def _open_folder(fd: int, path: Path, name: str, limits: SourceLimits, found: Found) -> Source:
    within = folder_around(path, limits.folders)
    listed = list_folder(fd, path, within, name)
    found([fd, *listed.links.values()])
    return FolderSource(fd, listed, within=within, name=name, limits=limits, open_file=partial(_open_in_folder, limits))


def _open_in_folder(limits: SourceLimits, fd: int, name: str) -> Source:
    try:
        return _open_descriptor(fd, name, name, limits)
    except BaseException:
        os.close(fd)
        raise


def _open_descriptor(fd: int, file_name: str, name: str, limits: SourceLimits) -> Source:
    """Open the file that a descriptor is of; the source takes that over, unless this raises."""
    if not S_ISREG(os.fstat(fd).st_mode):
        raise _not_regular(name)
    return _open_stored(VideoFile.local(fd, file_name, name), limits)


def _open_stored(stored: VideoFile, limits: SourceLimits) -> Source:
    """Open a file that can be read from anywhere; the source takes it over, unless this raises."""
    name = stored.name
    with BufferedReader(stored.open()) as file:
        head = file.read(LOOKED_AT)
        if not head:
            raise _empty(name)
        video = attrs.evolve(stored, head=head[:HEAD_BYTES])
        if not is_image(head) or is_film(file):
            return _open_stored_video(video, head, limits)
        file.seek(0)
        if is_jpeg(head) and is_row(name, file):
            return JpegFile(video, limits)
        file.seek(0)
        image = _open_image(name, file.read(), limits)
    stored.close()
    return image


def _open_image(name: str, data: bytes, limits: SourceLimits) -> Source:
    """Open an image; in a TIFF, a camera may have put data of another kind.

    Raises:
        SourceError: it cannot be read.
    """
    if is_tiff(data) and is_camera_raw(BytesIO(data)):
        raise SourceError("unsupported", f"{name} is a camera's raw file: convert it to JPEG or PNG.")
    return ImageSource(name, open_album(name, data), limits)


def _open_stored_video(file: VideoFile, head: bytes, limits: SourceLimits) -> Source:
    if is_multipart(head):
        return JpegFile(file, limits)
    what = what_it_is(head)
    try:
        return VideoSource(file, limits)
    except SourceError as error:
        if error.kind == "unsupported" and what is not None:
            raise SourceError("unsupported", f"{file.name} is {what}.") from error
        raise


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


def _past() -> SourceError:
    return SourceError("unreadable", "A live stream shows each picture once: this one is past, and was not kept.")


def _empty(name: str) -> SourceError:
    return SourceError("unreadable", f"{name} is empty; copy or download it again.")
