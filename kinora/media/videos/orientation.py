"""The ways in which a stored picture can lie, and how it is set upright: by the rules of FFmpeg's ``autorotate``."""

from __future__ import annotations

import math
import struct
from typing import Any, Self, cast

import attrs
import cv2
import numpy as np
from av.buffer import Buffer
from av.sidedata.sidedata import Type
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_MATRIX = struct.Struct("=9i")
_QUARTER = 90
_FLIP_CODES = {(True, False): 1, (False, True): 0, (True, True): -1}
"""(mirror, upend) → OpenCV's code of a flip."""


def _unknown_kind(cls: type[Type], value: Any) -> Type:
    kind = object.__new__(cls)
    kind._name_, kind._value_ = f"UNKNOWN_{value}", value
    return kind


# Without this PyAV 18.1 gives no side data at all of a frame that has one of a newer kind, such as FFmpeg 8's EXIF.
Type._missing_ = classmethod(_unknown_kind)  # type: ignore[assignment, method-assign]


@attrs.frozen
class Orientation:
    """The way from a stored picture to an upright one: transpose, then mirror and upend, then turn."""

    transpose: bool = False
    """Rows become columns."""
    mirror: bool = False
    """Left becomes right."""
    upend: bool = False
    """Top becomes bottom."""
    degrees: int = 0
    """Clockwise, about the centre, within the picture's own size; only where a matrix turns by no quarter."""

    @classmethod
    def of(cls, frame: VideoFrame) -> Self:
        """The orientation that a frame's display matrix gives; upright if it has none."""
        data = frame.side_data.get("DISPLAYMATRIX")
        return cls() if data is None else cls.by_matrix(_MATRIX.unpack(bytes(cast(Buffer, data))))

    @classmethod
    def by_matrix(cls, matrix: tuple[int, ...]) -> Self:
        """The orientation that a display matrix, nine numbers by rows, gives."""
        a, b, _, c, d = matrix[:5]
        if not math.hypot(a, c) or not math.hypot(b, d):  # it would squeeze the picture into a line
            return cls()
        degrees = round(math.degrees(math.atan2(b / math.hypot(b, d), a / math.hypot(a, c))))
        quarters, rest = divmod(degrees, _QUARTER)
        if rest:
            return cls(degrees=degrees)
        if quarters % 2:
            return cls(transpose=True, mirror=c < 0, upend=b < 0)
        return cls(mirror=a < 0, upend=d < 0)

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Width and height of the upright picture whose stored one has this size."""
        return (height, width) if self.transpose else (width, height)

    def apply(self, stored: Pixels, out: Pixels) -> None:
        """Write the upright picture of ``stored`` into ``out``, both HxWx3."""
        flip = _FLIP_CODES.get((self.mirror, self.upend))
        if self.degrees:
            _turn(stored, self.degrees, out)
        elif self.transpose:
            cv2.transpose(stored, dst=out)
            if flip is not None:
                cv2.flip(out, flip, dst=out)
        elif flip is not None:
            cv2.flip(stored, flip, dst=out)
        else:
            np.copyto(out, stored)


def _turn(stored: Pixels, degrees: int, out: Pixels) -> None:
    height, width = stored.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    cv2.warpAffine(stored, matrix, (width, height), dst=out)
