"""Smaller pictures, for work that is faster and just as good at a small size."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def scale_down(image: NDArray[np.uint8], longer_side: int) -> tuple[NDArray[np.uint8], float]:
    """The picture with its longer side at most ``longer_side`` pixels, and the scale, 1 or less.

    It may be ``image`` itself; it is never enlarged, and never less than a pixel wide or high.
    """
    height, width = image.shape[:2]
    scale = min(1.0, longer_side / max(width, height))
    if scale == 1.0:
        return image, scale
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), dtype=np.uint8), scale
