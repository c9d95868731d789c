"""COCO's compressed run-length code of masks, as pycocotools gives it.

The lengths of the runs of pixels outside and inside of the mask in turns, column by column, are written as text: five
bits a character, from the fourth run on as the difference to the last run but one.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms.catalogue import Mask

MAX_MASK_PIXELS = 2**26
"""The most pixels of a mask's crop that are read; a larger mask counts as unreadable."""
_FIRST, _BITS, _SIGN, _MORE = 48, 5, 0x10, 0x20
_LOW = 0x1F
_ABSOLUTE = 3
"""The first runs, which are written as they are."""
_CHARACTERS = 7
"""The most that a number below 2**34 takes."""

Pixels = NDArray[np.bool_]
"""HxW, true inside."""
Runs = NDArray[np.int64]


def mask_of(pixels: Pixels, left: int = 0, top: int = 0) -> Mask | None:
    """The mask of these pixels, which begin at ``left`` and ``top`` in the frame; None if all are false.

    Its crop is as small as can be.
    """
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    if not rows.size:
        return None
    crop = pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = crop.shape
    x, y = left + int(columns[0]), top + int(rows[0])
    return Mask(x=x, y=y, width=width, height=height, counts=run_lengths(crop))


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


def counts_in_frame(mask: Mask, width: int, height: int) -> tuple[str, int] | None:
    """The code of a mask for a whole frame of this size, and the pixels inside; None if its own is not valid."""
    try:
        crop = pixels_of(mask)
    except ValueError:
        return None
    left, right = max(0, mask.x), min(width, mask.x + mask.width)
    top, bottom = max(0, mask.y), min(height, mask.y + mask.height)
    if left >= right or top >= bottom:
        return compressed(np.array([width * height])), 0
    columns = np.zeros((height, right - left), np.bool_)
    columns[top:bottom] = crop[top - mask.y : bottom - mask.y, left - mask.x : right - mask.x]
    runs = _runs_of(columns)
    runs[0] += left * height
    behind = (width - right) * height
    runs = np.concatenate((runs, [behind])) if len(runs) % 2 == 0 else np.concatenate((runs[:-1], [runs[-1] + behind]))
    return compressed(runs), int(columns.sum())


def run_lengths(pixels: Pixels) -> str:
    """The code of these pixels."""
    return compressed(_runs_of(pixels))


def compressed(runs: Runs) -> str:
    """The text of runs."""
    left = np.array(runs, dtype=np.int64)
    left[_ABSOLUTE:] -= runs[1 : 1 - _ABSOLUTE]
    written, open_ = [], np.ones(len(left), np.bool_)
    for _ in range(_CHARACTERS):
        low, left = left & _LOW, left >> _BITS
        more = np.where(low & _SIGN, left != -1, left != 0)
        written.append(np.where(open_, low + _FIRST + _MORE * more, 0))
        open_ &= more
    characters = np.stack(written, axis=1).ravel()
    return bytes(characters[characters > 0].astype(np.uint8)).decode("ascii")


def _runs_of(pixels: Pixels) -> Runs:
    """The runs outside and inside in turns; the first may be of length 0."""
    flat = pixels.ravel(order="F")
    edges = np.concatenate(([0], np.flatnonzero(flat[1:] != flat[:-1]) + 1, [flat.size]))
    runs = np.diff(edges)
    return np.concatenate(([0], runs)) if flat[:1].any() else runs


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
