"""The plugin of the jobs on nasty cameras: it reads the number that a picture shows."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins import Frame, Plugin, PluginMetadata

BITS = 8


def number_in(image: NDArray[Any]) -> int:
    """The number in a picture, by one pixel of each of its bars."""
    bar = image.shape[1] // BITS
    return int(np.packbits(image[4, bar // 2 :: bar, 1][:BITS] > 125, bitorder="little")[0])


class LiveSeen(Plugin):
    """A tool that takes no time."""

    metadata = PluginMetadata(name="live-seen", stateless=True)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The number in the picture, and the time by the clock that all processes of a machine share."""
        return {"number": number_in(frame.image), "at": time.monotonic()}
