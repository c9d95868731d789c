"""Image files as sources: all the pictures that are in one."""

from __future__ import annotations

from collections.abc import Iterator
from types import TracebackType
from typing import Self

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.media.files.other_files import what_it_is
from kinora.media.images.albums import Album, Decoded, damaged_image
from kinora.media.images.image_header import is_image
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote, SourceTruncated

MAX_NAMED = 3
"""The most broken pictures that a message names."""


@attrs.frozen(eq=False)
class ImagePicture:
    """A decoded picture."""

    index: int
    timestamp_ms: float
    pixels: NDArray[np.uint8]
    file: str | None = None
    """The name of its file in the folder; None if the source is a single file."""
    received_s: float | None = None
    """When it was pushed; None if it comes from a file."""

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
    """The pictures of an image file. The first is decoded when the source is opened.

    A picture that cannot be read is skipped, and its number stays unused.
    """

    def __init__(self, name: str, album: Album, limits: SourceLimits) -> None:
        self.notes = [SourceNote(album.left_out)] if album.left_out else []
        self._name = name
        self._album = album
        self._count = len(album.sizes)
        self._broken = {number: error for number in range(self._count) if (error := self._too_large(number, limits))}
        """Number → why it is not read."""
        self._kept: tuple[int, Decoded] | None = None
        """The picture, if there is only one."""
        first = next(self._read(range(self._count)), None)
        if first is None:
            raise self._broken[0]
        self._kept = first if self._count == 1 else None
        height, width = first[1].pixels.shape[:2]
        self.info = SourceInfo(
            kind="video" if album.moves else "image",
            width=width,
            height=height,
            max_frame_bytes=max(w * h for n, (w, h) in enumerate(album.sizes) if n not in self._broken) * CHANNELS,
            frames_total=self._count,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[ImagePicture]:
        """The readable pictures with these numbers.

        Raises:
            SourceTruncated: afterwards, if pictures had to be skipped, or the lower part of one is missing.
        """
        numbers = range(start, self._count, stride)
        for number, decoded in self._read(numbers):
            yield ImagePicture(number, self._album.times_ms[number], decoded.pixels)
            if not decoded.whole:
                raise SourceTruncated(f"{self._name} is incomplete: its lower part is missing. Copy it again.")
        if broken := [number for number in numbers if number in self._broken]:
            named = ", ".join(f"number {number} ({self._broken[number]})" for number in broken[:MAX_NAMED])
            raise SourceTruncated(
                f"{len(broken)} of {len(numbers)} pictures were skipped: {named}{more_than_named(len(broken))}"
            )

    def _read(self, numbers: range) -> Iterator[tuple[int, Decoded]]:
        if self._kept is not None:
            yield from [self._kept] if self._kept[0] in numbers else []
            return
        wanted = [number for number in numbers if number not in self._broken]
        for number, result in zip(wanted, self._album.decode(wanted), strict=True):
            if isinstance(result, SourceError):
                self._broken[number] = result
            else:
                yield number, result

    def _too_large(self, number: int, limits: SourceLimits) -> SourceError | None:
        try:
            check_size(self._name, self._album.sizes[number], limits)
        except SourceError as error:
            return error
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def unreadable_image(name: str, head: bytes) -> SourceError:
    """The error for a file that should be an image, begins like this, and states no size."""
    if is_image(head):
        return damaged_image(name)
    what = what_it_is(head)
    return SourceError(
        "unsupported", f"{name} is {what}." if what else f"{name} is not a picture that can be read here."
    )


def check_size(name: str, size: tuple[int, int], limits: SourceLimits) -> None:
    """Raise a SourceError if an image of this size has too many pixels."""
    if size[0] * size[1] > limits.max_pixels:
        raise SourceError(
            "too_large",
            f"{name} is {size[0]}x{size[1]}, over the limit of {limits.max_pixels} pixels; make it smaller.",
        )


def more_than_named(count: int) -> str:
    """The end of a list that names only ``MAX_NAMED`` of so many."""
    return f" and {count - MAX_NAMED} more" if count > MAX_NAMED else ""
