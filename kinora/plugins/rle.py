"""COCO's compressed run-length code of masks, as pycocotools gives it.

The lengths of the runs of pixels outside and inside of the mask in turns, column by column, are written as text: five
bits a character, from the fourth run on as the difference to the last run but one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.catalogue import Mask

MAX_MASK_PIXELS = 2**27
"""The most pixels of a mask's crop that are read; a larger mask counts as unreadable."""
_FIRST, _BITS, _SIGN, _MORE = 48, 5, 0x10, 0x20
_LOW = 0x1F
_ABSOLUTE = 3
"""The first runs, which are written as they are."""

Pixels = NDArray[np.bool_]
"""HxW, true inside."""


def mask_of(pixels: Pixels, left: int = 0, top: int = 0) -> Mask | None:
    """The mask of these pixels, whose corner is there in the frame, cut to what is true; None if nothing is."""
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return None
    crop = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape
    x, y = left + int(columns[0]), top + int(rows[0])
    return Mask(x=x, y=y, width=width, height=height, counts=compressed(_runs_of(crop)))


def pixels_of(mask: Mask) -> Pixels:
    """The pixels of a mask's crop.

    Raises:
        ValueError: its code is not valid, or its crop is too large.
    """
    size = mask.width * mask.height
    if not 0 < size <= MAX_MASK_PIXELS or mask.width < 0:
        raise ValueError(f"a mask of {mask.width}x{mask.height} pixels")
    runs = np.array(list(_runs_in(mask.counts, size)), dtype=np.int64)
    ends = np.cumsum(runs)
    if runs.size and ends[-1] > size:
        raise ValueError("the code goes beyond the mask")
    inside = np.zeros(size, np.bool_)
    for begin, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist(), strict=False):
        inside[begin:end] = True
    return inside.reshape((mask.height, mask.width), order="F")


def compressed(runs: Sequence[int]) -> str:
    """The text of runs."""
    return "".join(_number(run - runs[place - 2] if place >= _ABSOLUTE else run) for place, run in enumerate(runs))


def runs_of_text(counts: str) -> list[int]:
    """The runs in a text.

    Raises:
        ValueError: it is not such a code.
    """
    return list(_runs_in(counts, MAX_MASK_PIXELS))


def _runs_of(pixels: Pixels) -> list[int]:
    flat = pixels.ravel(order="F")
    edges = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]))
    runs: list[int] = np.diff(edges).tolist()
    return [0, *runs] if flat[0] else runs


def _number(value: int) -> str:
    letters = []
    while True:
        bits, value = value & _LOW, value >> _BITS
        more = value != (-1 if bits & _SIGN else 0)
        letters.append(chr((bits | _MORE if more else bits) + _FIRST))
        if not more:
            return "".join(letters)


def _runs_in(counts: str, longest: int) -> Iterable[int]:
    runs = [0, 0]
    for place, number in enumerate(_numbers_in(counts)):
        run = number + (runs[-2] if place >= _ABSOLUTE else 0)
        if not 0 <= run <= longest:
            raise ValueError("the code of a mask has a run without a length")
        runs.append(run)
        yield run


def _numbers_in(counts: str) -> Iterable[int]:
    value = shift = 0
    for letter in counts:
        code = ord(letter) - _FIRST
        if not 0 <= code <= _LOW | _MORE or shift > 40:  # noqa: PLR2004 - no run is that long
            raise ValueError("the code of a mask has a character that does not belong there")
        value |= (code & _LOW) << shift
        shift += _BITS
        if not code & _MORE:
            yield value - (1 << shift if code & _SIGN else 0)
            value = shift = 0
    if shift:
        raise ValueError("the code of a mask ends in the middle of a number")
