"""Plugins for the RTSP benchmark: they read the number that a picture shows, at once or slowly."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins import Frame, Plugin, PluginMetadata

BITS = 8
SLOW_S = 0.1


def number_in(image: NDArray[Any]) -> int:
    """The number in a picture, by one pixel of each of its bars."""
    bar = image.shape[1] // BITS
    return int(np.packbits(image[0, bar // 2 :: bar, 1][:BITS] > 125, bitorder="little")[0])


class Seen(Plugin):
    """A tool that takes no time."""

    metadata = PluginMetadata(name="seen")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The number in the picture, and the time by the clock that all processes of a machine share."""
        return {"number": number_in(frame.image), "at": time.monotonic()}


class Slow(Seen):
    """A tool that takes longer than a camera's frame."""

    metadata = PluginMetadata(name="slow")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The same, after a while."""
        found = super().process_frame(frame)
        time.sleep(SLOW_S)
        return found
