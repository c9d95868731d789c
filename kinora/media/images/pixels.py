"""The pixels of a picture, by themselves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kinora.media.source_types import CHANNELS, Picture


def pixels_of(picture: Picture) -> NDArray[np.uint8]:
    """The picture's pixels, which stay valid: HxWx3, uint8, BGR."""
    pixels = np.empty((picture.height, picture.width, CHANNELS), np.uint8)
    picture.write_to(pixels)
    return pixels
