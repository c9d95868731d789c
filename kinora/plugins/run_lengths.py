"""Masks as COCO's compressed run lengths: how many pixels in a row are off, on, off …, column by column."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CHARACTERS = 7
"""The most that a number below 2**34 takes, at 5 bits each."""
_LOW, _SIGN, _MORE, _FIRST = 0x1F, 0x10, 0x20, 48


def run_lengths(mask: NDArray[np.bool_]) -> str:
    """The code of a mask of shape (height, width), as pycocotools gives it in ``counts``."""
    flat = mask.ravel(order="F")
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [len(flat)]]))
    return _compressed(np.concatenate([[0], counts]) if len(flat) and flat[0] else counts)


def _compressed(counts: NDArray[np.int64]) -> str:
    """From the fourth on each number is told by its difference from the one before the last."""
    left = counts.astype(np.int64)
    left[3:] -= counts[1:-2]
    written, open_ = [], np.ones(len(left), bool)
    for _ in range(_CHARACTERS):
        low = left & _LOW
        left = left >> 5
        more = np.where(low & _SIGN, left != -1, left != 0)
        written.append(np.where(open_, low + _FIRST + _MORE * more, 0))
        open_ &= more
    characters = np.stack(written, axis=1).ravel()
    return bytes(characters[characters > 0].astype(np.uint8)).decode("ascii")
