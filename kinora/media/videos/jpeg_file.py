"""Files of JPEGs one behind the other as sources: raw MJPEG, and what a camera has sent over HTTP."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from contextlib import closing
from itertools import islice
from types import TracebackType
from typing import BinaryIO, Self

from kinora.media.files.kinds import suffix
from kinora.media.images.albums import Decoded, decode_image, has_views
from kinora.media.images.image_header import read_size
from kinora.media.images.image_source import ImagePicture, check_size
from kinora.media.images.jpeg_row import read_jpegs
from kinora.media.source_types import CHANNELS, SourceError, SourceInfo, SourceLimits, SourceNote, SourceTruncated
from kinora.media.videos.video_errors import no_video
from kinora.media.videos.video_file import VideoFile

FPS = 25.0
"""The rate that is assumed: such files have no times."""
COUNTED_BYTES = 256 * 2**20
"""The file's size up to which its pictures are counted when it is opened; that takes about a second."""
_SUFFIXES = (".mjpeg", ".mjpg")


def is_named_row(name: str) -> bool:
    """True if a file of this name is expected to be a row of pictures."""
    return suffix(name) in _SUFFIXES


def is_row(name: str, file: BinaryIO) -> bool:
    """True if what is called so and begins as a JPEG is a row of pictures, and not a photo with others of it behind.

    Those are previews and maps of another size, and further views, which its head announces.
    """
    if is_named_row(name):
        return True
    try:
        begin = list(islice(read_jpegs(name, file), 2))
    except SourceError:  # what follows is something else, such as a video
        return False
    sizes = {read_size(io.BytesIO(picture)) for picture in begin}
    return len(begin) > 1 and len(sizes) == 1 and None not in sizes and not has_views(begin[0])


class JpegFile:
    """The pictures of such a file. One that cannot be read is skipped, and its number stays unused."""

    def __init__(self, file: VideoFile, limits: SourceLimits) -> None:
        """Take the file over, unless this raises."""
        self._file = file
        self._limits = limits
        self._broken = dict[int, str]()
        most_bytes, total = self._look_through()
        first = next((decoded for _, decoded in self._decoded(0, 1)), None)
        if first is None:
            reason = next(iter(self._broken.values()), None)
            raise no_video(file.name) if reason is None else SourceError("unreadable", reason)
        height, width = first.pixels.shape[:2]
        message = f"{file.name} does not say when its pictures were taken: they count as 1/{FPS:.0f} s apart."
        self.notes = [SourceNote(message, "low", "SOURCE_GUESSED")]
        self.info = SourceInfo(
            kind="video",
            width=width,
            height=height,
            max_frame_bytes=max(most_bytes, first.pixels.nbytes),
            frames_total=total,
            fps=None,
            duration_ms=None,
        )

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[ImagePicture]:
        """The readable pictures with these numbers.

        Raises:
            SourceTruncated: afterwards, if pictures were damaged, or the file breaks off.
        """
        self._broken.clear()
        for index, decoded in self._decoded(start, stride):
            yield ImagePicture(index, index * 1000 / FPS, decoded.pixels)
        if self._broken:
            count, reason = len(self._broken), next(iter(self._broken.values()))
            raise SourceTruncated(f"{self._file.name} is damaged or incomplete in {count} of its pictures: {reason}")

    def _decoded(self, start: int, stride: int) -> Iterator[tuple[int, Decoded]]:
        for index, jpeg in enumerate(self._jpegs()):
            if index < start or (index - start) % stride:
                continue
            try:
                check_size(self._file.name, read_size(io.BytesIO(jpeg)) or (0, 0), self._limits)
                decoded = decode_image(self._file.name, jpeg)
            except SourceError as error:
                self._broken[index] = str(error)
                continue
            if not decoded.whole:
                self._broken[index] = f"the lower part of number {index} is missing."
            yield index, decoded

    def _jpegs(self) -> Generator[bytes]:
        """Every picture as it is stored; the end of the file if it cannot be read any further is a broken picture."""
        with self._file.open() as opened:
            count = 0
            try:
                for jpeg in read_jpegs(self._file.name, opened):
                    yield jpeg
                    count += 1
            except SourceError as error:
                self._broken[count] = str(error)

    def _look_through(self) -> tuple[int, int | None]:
        """Find the size of the largest picture as decoded, and the number of pictures; None if they are too many."""
        most, count, seen = 0, 0, 0
        with closing(self._jpegs()) as jpegs:
            for jpeg in jpegs:
                count, seen = count + 1, seen + len(jpeg)
                width, height = read_size(io.BytesIO(jpeg)) or (0, 0)
                if width * height <= self._limits.max_pixels:
                    most = max(most, width * height * CHANNELS)
                if seen > COUNTED_BYTES:
                    return most, None
        return most, count

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
