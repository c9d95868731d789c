"""Keeps pictures as arrays, which any interpreter with numpy can read: a plugin's own may have no other library."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image


def keep_picture(jpeg: bytes, path: Path) -> None:
    """Write the pixels of a JPEG as HxWx3, uint8, BGR, in numpy's format. Blocks."""
    with Image.open(BytesIO(jpeg)) as picture:
        np.save(path, np.asarray(picture.convert("RGB"))[..., ::-1])
