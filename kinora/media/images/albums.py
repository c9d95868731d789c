"""The pictures in an image file: mostly one, but TIFF has pages, HEIC has several photos, and WebP can move."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Protocol

import attrs
import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.media.images import heif_picture, webp
from kinora.media.images.heif import Heif, NotReadable, is_heif
from kinora.media.images.image_header import has_many_scans, is_torn_png, read_size
from kinora.media.images.jpeg_row import JPEG_START, read_jpegs
from kinora.media.images.tiff import MAX_PAGES, Page, is_tiff, read_pages, start_with
from kinora.media.source_types import CHANNELS, SourceError, many_scans

STILL_INTERVAL_MS = 1000.0
"""Pictures without a clock, as a TIFF's pages, count as one second apart."""
_JPEG_END = b"\xff\xd9"
_VIEWS = b"MPF\0"
"""In the head of a JPEG behind which there are others, such as the second view of a stereo camera."""
_VIEWS_WITHIN = 2**18

Pixels = NDArray[np.uint8]
Size = tuple[int, int]


@attrs.frozen(eq=False)
class Decoded:
    """A picture: HxWx3, uint8, BGR, upright."""

    pixels: Pixels
    whole: bool = True
    """False if its lower part is missing."""


class Album(Protocol):
    """The pictures of one file, which are decoded when they are asked for."""

    @property
    def sizes(self) -> Sequence[Size]:
        """Width and height of each as stored; a picture of the other orientation has them exchanged."""

    @property
    def times_ms(self) -> Sequence[float]:
        """The time of each; never decreases."""

    @property
    def moves(self) -> bool:
        """True if the times are the file's own."""

    @property
    def left_out(self) -> str | None:
        """A sentence that says which pictures are not among them; None if all are."""

    def decode(self, numbers: Sequence[int]) -> Iterator[Decoded | SourceError]:
        """Give for each of these numbers, which increase, its picture, or why there is none.

        The sizes are not bounded here.
        """


def open_album(name: str, data: bytes) -> Album:
    """The pictures in an image's data; messages call it ``name``.

    Raises:
        SourceError: it is no image, or none that can be read.
    """
    if is_heif(data):
        return HeifAlbum(name, data)
    size = read_size(io.BytesIO(data))
    if size is None:
        raise damaged_image(name)
    if is_tiff(data):
        return TiffAlbum(name, data)
    if webp.is_animated(data):
        return WebpAlbum(name, data, size)
    return SinglePicture(name, data, size)


def damaged_image(name: str) -> SourceError:
    """The error for an image that cannot be decoded."""
    return SourceError("unreadable", f"{name} is damaged or incomplete; save or copy it again.")


class SinglePicture:
    """A file of one picture."""

    moves = False
    times_ms = (0.0,)

    def __init__(self, name: str, data: bytes, size: Size) -> None:
        self.sizes = (size,)
        self.left_out = _other_views(name, data, size)
        self._name = name
        self._data = data

    def decode(self, numbers: Sequence[int]) -> Iterator[Decoded | SourceError]:
        """The picture."""
        for _ in numbers:
            yield _result(self._name, self._data)


class TiffAlbum:
    """The pages of a TIFF."""

    moves = False

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._data = bytearray(data)
        self._pages = read_pages(io.BytesIO(data))
        self.sizes = [page.size for page in self._pages]
        self.times_ms = _one_second_apart(len(self.sizes))
        more = len(self._pages) == MAX_PAGES
        self.left_out = f"{name} has {MAX_PAGES} pages or more: further ones are left out." if more else None

    def decode(self, numbers: Sequence[int]) -> Iterator[Decoded | SourceError]:
        """Decode each page as if it were the first."""
        for number in numbers:
            yield self._page(self._pages[number])

    def _page(self, page: Page) -> Decoded | SourceError:
        if page.unreadable is not None:
            return SourceError(
                "unsupported",
                f"{self._name} has {page.unreadable}; save it as grey or colour of 8 or 16 bits, which can be read.",
            )
        if page.unread_packing is not None:
            how = f"is compressed by {page.unread_packing}: save it with LZW, Deflate or none"
            return SourceError("unsupported", f"{self._name} {how}.")
        start_with(page, self._data)
        return _result(self._name, self._data)


class HeifAlbum:
    """The photos of a HEIC, HEIF or AVIF file."""

    moves = False
    left_out = None

    def __init__(self, name: str, data: bytes) -> None:
        self._name = name
        self._file = io.BytesIO(data)
        try:
            self._heif = Heif(self._file)
            self._stills = [self._heif.still(item, self._file) for item in self._heif.items]
        except NotReadable as error:
            raise self._refused(error) from error
        self.sizes = [still.size for still in self._stills]
        self.times_ms = _one_second_apart(len(self.sizes))

    def decode(self, numbers: Sequence[int]) -> Iterator[Decoded | SourceError]:
        """Put each photo together from its tiles."""
        for number in numbers:
            try:
                yield Decoded(heif_picture.decode(self._heif, self._stills[number], self._file))
            except NotReadable as error:
                yield self._refused(error)

    def _refused(self, error: NotReadable) -> SourceError:
        return SourceError("unreadable", f"{self._name} is a HEIC, HEIF or AVIF file, but {error}; convert it to JPEG.")


class WebpAlbum:
    """The pictures of an animated WebP file, each made from the one before."""

    moves = True
    left_out = None

    def __init__(self, name: str, data: bytes, size: Size) -> None:
        self._name = name
        self._size = size
        self._steps = webp.read_steps(data)
        if not self._steps:
            raise damaged_image(name)
        self.sizes = [size] * len(self._steps)
        self.times_ms = [0.0, *accumulate(float(step.duration_ms) for step in self._steps[:-1])]

    def decode(self, numbers: Sequence[int]) -> Iterator[Decoded | SourceError]:
        """Decode all pictures up to the last that is wanted."""
        if not numbers:
            return
        width, height = self._size
        canvas = np.zeros((height, width, CHANNELS + 1), np.uint8)
        wanted = set(numbers)
        for number, step in enumerate(self._steps[: max(wanted, default=-1) + 1]):
            room = canvas[step.y : step.y + step.height, step.x : step.x + step.width]
            part = _webp_part(step)
            whole = part is not None and part.shape[:2] == room.shape[:2]
            if part is not None and whole:
                room[:] = _over(part, room) if step.blends else _with_alpha(part)
            if number in wanted:
                yield Decoded(canvas[..., :CHANNELS].copy()) if whole else damaged_image(self._name)
            if step.clears:
                room[:] = 0


def _webp_part(step: webp.Step) -> Pixels | None:
    if read_size(io.BytesIO(step.still)) != (step.width, step.height):
        return None
    return _decode(step.still, cv2.IMREAD_UNCHANGED)


def _with_alpha(part: Pixels) -> Pixels:
    if part.shape[2] > CHANNELS:
        return part
    return np.dstack([part, np.full(part.shape[:2], 255, np.uint8)])


def _over(part: Pixels, under: Pixels) -> Pixels:
    """``part`` laid over ``under``, both BGR with alpha, which is not multiplied in."""
    if part.shape[2] == CHANNELS or part[..., CHANNELS].min() == 255:  # noqa: PLR2004 - opaque
        return _with_alpha(part)
    alpha, alpha_under = part[..., CHANNELS:] / np.float32(255), under[..., CHANNELS:] / np.float32(255)
    kept = alpha_under * (1 - alpha)
    covered = alpha + kept
    colours = (part[..., :CHANNELS] * alpha + under[..., :CHANNELS] * kept) / np.maximum(covered, 1e-6)
    return np.dstack([colours, covered * 255]).round().astype(np.uint8)


def has_views(data: bytes) -> bool:
    """True if these are a JPEG whose head says that others follow it."""
    return data.startswith(JPEG_START) and _VIEWS in data[:_VIEWS_WITHIN]


def _other_views(name: str, data: bytes, size: Size) -> str | None:
    """What to say of a JPEG with other pictures of the same size behind it; smaller ones are previews and maps."""
    if not has_views(data):
        return None
    try:
        views = sum(read_size(io.BytesIO(jpeg)) == size for jpeg in read_jpegs(name, io.BytesIO(data)))
    except SourceError:  # what follows is something else, such as a video
        return None
    return f"1 of {views} pictures of {name} is read: the others are further views of it." if views > 1 else None


def decode_image(name: str, data: bytes | bytearray) -> Decoded:
    """Decode one image with OpenCV, and turn it as its EXIF orientation says. The size is not bounded here.

    Raises:
        SourceError: no part of it can be decoded, or it has too many scans.
    """
    if has_many_scans(data):
        raise many_scans(name)
    if is_torn_png(data):
        raise damaged_image(name)
    pixels = _decode(data)
    if pixels is not None:
        return Decoded(pixels)
    if data.startswith(JPEG_START):
        # With an end marker, a JPEG that breaks off can be decoded: its missing part becomes grey.
        pixels = _decode(data + _JPEG_END)
    if pixels is None:
        raise damaged_image(name)
    return Decoded(pixels, whole=False)


def _result(name: str, data: bytes | bytearray) -> Decoded | SourceError:
    try:
        return decode_image(name, data)
    except SourceError as error:
        return error


def _decode(data: bytes | bytearray, how: int = cv2.IMREAD_COLOR) -> Pixels | None:
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), how)
    except cv2.error:
        return None
    # OpenCV's types do not say that this can be None, nor that the pixels are bytes.
    return None if pixels is None else np.asarray(pixels, np.uint8)


def _one_second_apart(count: int) -> list[float]:
    return [number * STILL_INTERVAL_MS for number in range(count)]
