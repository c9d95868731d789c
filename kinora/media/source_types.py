"""The types of a source of pictures: its limits, its description, its pictures and its errors.

Light to import, so that the server can use them without loading a decoder.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Protocol, Self

import attrs

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CHANNELS = 3
"""Blue, green, red: one byte each."""

MAX_IMAGE_BYTES = 64 * 2**20
"""The limit on an image behind a URL, and on each picture of a camera: their server may send without end. A larger one
is refused and not kept."""

MAX_JPEG_SCANS = 100
"""The scans of a JPEG beyond which it is refused, as by libjpeg's tools. A decoder goes over the whole picture once for
each; encoders write about ten."""

ErrorKind = Literal["unsupported", "too_large", "unreadable"]
"""Not a video or image; beyond a limit; missing, forbidden or broken."""


class SourceError(Exception):
    """The source cannot be opened at all; ``str()`` of the error is a sentence that says what to do."""

    def __init__(self, kind: ErrorKind, message: str) -> None:
        super().__init__(kind, message)
        self.kind: ErrorKind = kind
        self.message = message

    def __str__(self) -> str:
        """The sentence alone."""
        return self.message


def many_scans(name: str) -> SourceError:
    """The error for a JPEG that would take minutes to decode."""
    return SourceError(
        "too_large", f"{name} is a JPEG of more than {MAX_JPEG_SCANS} scans; save it again, as a baseline JPEG."
    )


class SourceTruncated(Exception):
    """The source ended early, or parts of it are damaged; all readable pictures have been given."""


@attrs.frozen
class SourceLimits:
    """The limits on sources."""

    max_pixels: int = 50_000_000
    """The most pixels (width times height) of one picture; checked before they are decoded."""
    url_hosts: tuple[str, ...] = ()
    """The hosts that URLs may lead to, each with or without its port; ``*`` for all that have a public address."""
    folders: tuple[str, ...] = ()
    """The folders that paths may lead to, absolute; empty for any."""


def opencv_limits(limits: SourceLimits) -> dict[str, str]:
    """Variables that make OpenCV refuse an image over the limit, should its header have been misread.

    OpenCV reads them when it is imported. They hold for whatever the process reads with OpenCV.
    """
    names = ("PIXELS", "WIDTH", "HEIGHT")
    return {f"OPENCV_IO_MAX_IMAGE_{name}": str(limits.max_pixels) for name in names}


@attrs.frozen
class SourceNote:
    """What a user should know about a source that can be read: a sentence, told once as a warning of the job."""

    message: str
    severity: Literal["low", "medium", "high"] = "medium"
    code: Literal["SOURCE_LEFT_OUT", "SOURCE_GUESSED", "SOURCE_RESIZED"] = "SOURCE_LEFT_OUT"


def changes_size(name: str, before: tuple[int, int], after: tuple[int, int], *, film: bool = False) -> SourceNote:
    """The note on a source whose pictures are not all of one size. ``film``: a video can be made of it later."""
    video = ", and an annotated video fits all into the first" if film else ""
    return SourceNote(
        f"{name} changes its size from {before[0]}x{before[1]} to {after[0]}x{after[1]}:"
        f" each frame has its own{video}.",
        "low",
        "SOURCE_RESIZED",
    )


@attrs.frozen(kw_only=True)
class SourceInfo:
    """The facts about a source that are known before its pictures are read."""

    kind: Literal["video", "image", "folder", "stream"]
    """A stream has no known end, and its past pictures cannot be read again."""
    width: int
    """Of the first picture, in pixels, after rotation; others may differ."""
    height: int
    max_frame_bytes: int
    """A size that the pictures of the source fit in, as HxWx3 bytes; those of a stream may grow beyond it."""
    frames_total: int | None
    """Exact if the file states it, else estimated from its duration."""
    fps: float | None
    duration_ms: float | None
    mark: str = ""
    """Differs, with near certainty, once the source was replaced or changed; empty if nothing tells."""


class Picture(Protocol):
    """One picture of a source. It is valid until the next one is asked for."""

    @property
    def index(self) -> int:
        """Its number in the source, from 0."""

    @property
    def timestamp_ms(self) -> float:
        """Milliseconds since the first picture; never decreases."""

    @property
    def width(self) -> int:
        """In pixels, after rotation."""

    @property
    def height(self) -> int:
        """In pixels, after rotation."""

    @property
    def file(self) -> str | None:
        """The name of its file in the folder; None if the source is a single file."""

    @property
    def received_s(self) -> float | None:
        """When it came, by :func:`~kinora.media.arrival.clock_s`; None if the source is not live."""

    def write_to(self, out: NDArray[np.uint8]) -> None:
        """Write the pixels into ``out``: HxWx3, uint8, BGR, C-contiguous."""


class Source(Protocol):
    """An opened source; a context manager that closes the file."""

    @property
    def info(self) -> SourceInfo:
        """The facts about it."""

    @property
    def notes(self) -> Sequence[SourceNote]:
        """What is known so far that a user should be told; it grows while pictures are read."""

    def frames(self, start: int = 0, stride: int = 1) -> Iterator[Picture]:
        """Pictures ``start``, ``start + stride``, … in order; each call begins anew.

        Raises:
            SourceTruncated: after the last readable picture, if there should have been more.
        """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
