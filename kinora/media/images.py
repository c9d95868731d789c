"""Images as sources: one file, or a folder of them in the order of their names."""

from __future__ import annotations

import contextlib
import io
import os
import re
from collections.abc import Iterator
from pathlib import PurePath
from stat import S_ISREG
from types import TracebackType
from typing import BinaryIO, Self

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.beneath import open_without_links
from kinora.media.image_header import has_many_scans, read_size
from kinora.media.source_types import (
    CHANNELS,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceNote,
    SourceTruncated,
    many_scans,
)

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of the images in a folder; its other files are ignored."""
FOLDER_INTERVAL_MS = 1000.0
"""A folder has no clock: its pictures count as one second apart."""
MAX_NAMED = 3
"""The most broken files that a message names."""
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"


@attrs.frozen(eq=False)
class ImagePicture:
    """A decoded image."""

    index: int
    timestamp_ms: float
    pixels: NDArray[np.uint8]

    @property
    def width(self) -> int:
        """In pixels, after rotation."""
        return int(self.pixels.shape[1])

    @property
    def height(self) -> int:
        """In pixels, after rotation."""
        return int(self.pixels.shape[0])

    def write_to(self, out: NDArray[np.uint8]) -> None:
        """Copy the pixels into ``out``: HxWx3, uint8, BGR."""
        np.copyto(out, self.pixels)


class ImageSource:
    """A source of one picture, which is decoded when the source is opened."""

    def __init__(self, name: str, data: bytes, limits: SourceLimits) -> None:
        self.notes: list[SourceNote] = []
        check_size(name, read_size(io.BytesIO(data)), limits)
        self._pixels, self._whole = decode_image(name, data)
        self._name = name
        height, width = self._pixels.shape[:2]
        self.info = SourceInfo(
            kind="image",
            width=width,
            height=height,
            max_frame_bytes=self._pixels.nbytes,
            frames_total=1,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[ImagePicture]:  # noqa: ARG002 - there is one
        """The picture, if ``start`` is 0.

        Raises:
            SourceTruncated: afterwards, if the lower part of the picture is missing.
        """
        if start == 0:
            yield ImagePicture(0, 0.0, self._pixels)
        if not self._whole:
            raise SourceTruncated(f"{self._name} is incomplete: its lower part is missing. Copy it again.")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FolderSource:
    """The images of a folder, sorted as people sort names: ``image2`` before ``image10``.

    Links are left out: they could lead out of the folder. An image that cannot be read is skipped and its number stays
    unused, so that the numbers of the other images do not depend on it.
    """

    def __init__(self, fd: int, name: str, limits: SourceLimits) -> None:
        """``fd`` is the folder's descriptor, which this takes over unless it raises."""
        self.notes: list[SourceNote] = []
        self._fd = fd
        self._name = name
        self._images = sorted(_image_files(fd, name), key=_natural)
        self._broken: dict[int, str] = {}
        sizes = list(self._readable_sizes(limits))
        first = next(self._pictures(range(len(self._images))), None)
        if first is None:
            raise SourceError("unsupported", self._nothing_to_read())
        self.info = SourceInfo(
            kind="folder",
            width=first.width,
            height=first.height,
            max_frame_bytes=max(width * height * CHANNELS for width, height in sizes),
            frames_total=len(self._images),
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[ImagePicture]:
        """The readable images with these numbers.

        Raises:
            SourceTruncated: at the end, if images had to be skipped; it names them.
        """
        numbers = range(start, len(self._images), stride)
        yield from self._pictures(numbers)
        broken = [self._broken[number] for number in numbers if number in self._broken]
        if broken:
            more = f" and {len(broken) - MAX_NAMED} more" if len(broken) > MAX_NAMED else ""
            raise SourceTruncated(
                f"{len(broken)} of {len(numbers)} images were skipped: {' '.join(broken[:MAX_NAMED])}{more}"
            )

    def _pictures(self, numbers: range) -> Iterator[ImagePicture]:
        for number in numbers:
            if number in self._broken:
                continue
            try:
                with _readable(self._fd, self._images[number]) as file:
                    pixels, whole = decode_image(self._images[number], file.read())
            except SourceError as error:
                self._broken[number] = str(error)
                continue
            if whole:
                yield ImagePicture(number, number * FOLDER_INTERVAL_MS, pixels)
            else:
                self._broken[number] = f"{self._images[number]} is incomplete."

    def _readable_sizes(self, limits: SourceLimits) -> Iterator[tuple[int, int]]:
        for number, image in enumerate(self._images):
            try:
                with _readable(self._fd, image) as file:
                    yield check_size(image, read_size(file), limits)
            except SourceError as error:
                self._broken[number] = str(error)

    def _nothing_to_read(self) -> str:
        if self._broken:
            return f"No image in the folder {self._name} can be read: {next(iter(self._broken.values()))}"
        return f"The folder {self._name} holds no images; give one with {', '.join(sorted(SUFFIXES))} files"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def check_size(name: str, size: tuple[int, int] | None, limits: SourceLimits) -> tuple[int, int]:
    """The width and height from an image's header.

    Raises:
        SourceError: it is not an image, or has too many pixels.
    """
    if size is None:
        raise SourceError("unsupported", f"{name} is not a PNG, JPEG, WebP, BMP or TIFF image.")
    if size[0] * size[1] > limits.max_pixels:
        raise SourceError(
            "too_large",
            f"{name} is {size[0]}x{size[1]}, over the limit of {limits.max_pixels} pixels; make it smaller.",
        )
    return size


def decode_image(name: str, data: bytes) -> tuple[NDArray[np.uint8], bool]:
    """The pixels, HxWx3 BGR, turned as its EXIF orientation says, and whether the file was complete.

    Call :func:`check_size` first: the size is not bounded here.

    Raises:
        SourceError: no part of it can be decoded, or it has too many scans.
    """
    if has_many_scans(data):
        raise many_scans(name)
    pixels = _decode(data)
    if pixels is not None:
        return pixels, True
    if data.startswith(_JPEG_START):
        # With an end marker, a JPEG that breaks off can be decoded: its missing part becomes grey.
        pixels = _decode(data + _JPEG_END)
    if pixels is None:
        raise SourceError("unreadable", f"{name} is damaged or incomplete; save or copy it again.")
    return pixels, False


def _decode(data: bytes) -> NDArray[np.uint8] | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        return None
    # OpenCV's types do not say that this can be None, nor that the pixels are bytes.
    return None if pixels is None else np.asarray(pixels, np.uint8)


@contextlib.contextmanager
def _readable(folder: int, name: str) -> Iterator[BinaryIO]:
    try:
        fd = open_without_links(folder, PurePath(name))
    except OSError as error:
        raise SourceError("unreadable", f"{name} cannot be read: {error.strerror}.") from error
    with open(fd, "rb") as file:  # noqa: PTH123 - it has no path any more
        if not S_ISREG(os.fstat(fd).st_mode):
            raise SourceError("unreadable", f"{name} cannot be read: it is not a regular file any more.")
        try:
            yield file
        except OSError as error:
            raise SourceError("unreadable", f"{name} cannot be read: {error.strerror}.") from error


def _image_files(folder: int, name: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if PurePath(entry.name).suffix.lower() in SUFFIXES and entry.is_file(follow_symlinks=False):
                    yield entry.name
    except OSError as error:
        message = f"The folder {name} cannot be read: {error.strerror}."
        raise SourceError("unreadable", message) from error


def _natural(name: str) -> list[tuple[int, str]]:
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(int(part), "") if part.isdigit() else (-1, part) for part in parts] + [(-1, name)]
