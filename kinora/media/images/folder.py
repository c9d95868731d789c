"""A folder of images as a source, in the order of their names."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath
from stat import S_ISREG
from types import TracebackType
from typing import BinaryIO, Self

from kinora.media.files.beneath import open_beneath, open_without_links
from kinora.media.files.other_files import LOOKED_AT
from kinora.media.images.albums import STILL_INTERVAL_MS, Pixels
from kinora.media.images.folder_list import UNNAMED, FolderList, describe, in_natural_order, note_left_out
from kinora.media.images.image_header import MAGIC_BYTES, is_image, read_size
from kinora.media.images.image_source import MAX_NAMED, ImagePicture, check_size, more_than_named, unreadable_image
from kinora.media.images.pixels import pixels_of
from kinora.media.source_types import (
    CHANNELS,
    Source,
    SourceError,
    SourceInfo,
    SourceLimits,
    SourceNote,
    SourceTruncated,
)

OpenFile = Callable[[int, str], Source]
"""Opens the file of a descriptor, which it takes over unless it raises; messages call it by the name."""


class FolderSource:
    """The images of a folder, sorted as people sort names: ``image2`` before ``image10``.

    Each file gives one picture. An image that cannot be read is skipped and its number stays unused, so that the
    numbers of the other images do not depend on it.
    """

    def __init__(
        self,
        fd: int,
        listed: FolderList,
        *,
        within: str | None,
        name: str,
        limits: SourceLimits,
        open_file: OpenFile,
    ) -> None:
        """``fd`` is the folder's descriptor, which this takes over unless it raises; ``within`` as for the list."""
        self.notes: list[SourceNote] = []
        self._fd = fd
        self._links = listed.links
        self._within = () if within is None else (within,)
        self._open_file = open_file
        self._images = in_natural_order([*listed.images, *filter(self._begins_as_image, listed.unnamed)])
        self._broken: dict[int, str] = {}
        self._several = False
        """True once it was told that files hold several pictures."""
        left_out = listed.left_out + Counter({UNNAMED: len(listed.images) + len(listed.unnamed) - len(self._images)})
        sizes = list(self._readable_sizes(limits))
        first = next(self._pictures(range(len(self._images))), None)
        if first is None:
            raise SourceError("unsupported", self._nothing_to_read(name, describe(left_out)))
        if (note := note_left_out(name, left_out, len(self._images))) is not None:
            self.notes.append(note)
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
            raise SourceTruncated(
                f"{len(broken)} of {len(numbers)} images were skipped:"
                f" {' '.join(broken[:MAX_NAMED])}{more_than_named(len(broken))}"
            )

    def _pictures(self, numbers: range) -> Iterator[ImagePicture]:
        for number in numbers:
            if number in self._broken:
                continue
            try:
                pixels = self._first_picture(self._images[number])
            except (SourceError, SourceTruncated) as error:
                self._broken[number] = str(error)
                continue
            yield ImagePicture(number, number * STILL_INTERVAL_MS, pixels, shown(self._images[number]))

    def _first_picture(self, name: str) -> Pixels:
        """The picture of a file, or the first of several."""
        with self._open_file(self._open(name), shown(name)) as source:
            pictures = source.frames()
            picture = next(pictures, None)
            if picture is None:
                raise SourceError("unreadable", f"No picture of {shown(name)} can be decoded.")
            pixels = pixels_of(picture)
            if source.info.frames_total == 1:
                next(pictures, None)  # raises if the picture is not whole
            if source.info.frames_total != 1 or source.notes:
                self._note_several(shown(name))
        return pixels

    def _note_several(self, name: str) -> None:
        if not self._several:
            self._several = True
            self.notes.append(
                SourceNote(
                    f"{name} holds several pictures. A folder gives the first of each such file:"
                    " process the file by itself for all of them."
                )
            )

    def _readable_sizes(self, limits: SourceLimits) -> Iterator[tuple[int, int]]:
        for number, image in enumerate(self._images):
            try:
                with open(self._open(image), "rb") as file:  # noqa: PTH123 - it has no path any more
                    yield self._size(image, file, limits)
            except (SourceError, OSError) as error:
                self._broken[number] = str(_told(image, error))

    def _size(self, image: str, file: BinaryIO, limits: SourceLimits) -> tuple[int, int]:
        size = read_size(file)
        if size is None:
            file.seek(0)
            raise unreadable_image(shown(image), file.read(LOOKED_AT))
        check_size(shown(image), size, limits)
        return size

    def _begins_as_image(self, name: str) -> bool:
        try:
            with open(self._open(name), "rb") as file:  # noqa: PTH123 - as above
                return is_image(file.read(MAGIC_BYTES))
        except (SourceError, OSError):
            return False

    def _open(self, name: str) -> int:
        try:
            if name in self._links:
                fd = open_beneath(Path(self._links[name]), self._within)
            else:
                fd = open_without_links(self._fd, PurePath(name))
        except OSError as error:
            raise _told(name, error) from error
        if S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise SourceError("unreadable", f"{shown(name)} cannot be read: it is not a regular file any more.")

    def _nothing_to_read(self, name: str, left_out: str) -> str:
        if self._broken:
            return f"No image in the folder {name} can be read: {next(iter(self._broken.values()))}"
        found = f"; it has {left_out}" if left_out else ""
        return f"The folder {name} holds no images{found}. Give a folder of .jpg, .png or other images."

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def shown(name: str) -> str:
    """A file's name as text; what is not Unicode in it is replaced."""
    return os.fsencode(name).decode(errors="replace")


def _told(name: str, error: SourceError | OSError) -> SourceError:
    if isinstance(error, SourceError):
        return error
    return SourceError("unreadable", f"{shown(name)} cannot be read: {error.strerror}.")
