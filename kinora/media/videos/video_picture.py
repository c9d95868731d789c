"""Decoded frames, and how they become upright pictures."""

from __future__ import annotations

import attrs
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from kinora.media.videos.orientation import Orientation


class Converter:
    """Turns decoded frames into upright BGR pictures. It keeps buffers, so each stream needs its own."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, frame: VideoFrame, orientation: Orientation, out: NDArray[np.uint8]) -> None:
        """Write ``frame`` into ``out``, which has its upright size: HxWx3, uint8, BGR."""
        # One thread: at this size the work is done before others have woken up.
        bgr = self._reformatter.reformat(frame, format="bgr24", threads=1)
        orientation.apply(np.asarray(bgr.to_ndarray(), np.uint8), out)  # a view


@attrs.frozen(eq=False)
class VideoPicture:
    """A decoded frame that has not been converted yet."""

    index: int
    timestamp_ms: float
    _frame: VideoFrame
    _converter: Converter
    received_s: float | None = None
    """When it came, by :func:`~kinora.media.arrival.clock_s`; None if the source is not live."""
    _orientation: Orientation = attrs.field(init=False)

    @_orientation.default
    def _find_orientation(self) -> Orientation:
        return Orientation.of(self._frame)

    @property
    def width(self) -> int:
        """In pixels, after rotation."""
        return self._orientation.size(self._frame.width, self._frame.height)[0]

    @property
    def height(self) -> int:
        """In pixels, after rotation."""
        return self._orientation.size(self._frame.width, self._frame.height)[1]

    @property
    def file(self) -> None:
        """None: all pictures are in one file."""

    def write_to(self, out: NDArray[np.uint8]) -> None:
        """Convert straight into ``out``: HxWx3, uint8, BGR, C-contiguous."""
        self._converter.convert(self._frame, self._orientation, out)
