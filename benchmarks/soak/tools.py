"""The plugins of the soak: one that works, and one that fails in a different way now and then."""

from __future__ import annotations

import os
from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata

RAISES, EXITS, RUBBISH = 37, 211, 53
"""At each frame whose index is a multiple of such a number, the flaky plugin does this."""


class Mean(Plugin):
    """Gives the mean of the frame, and as many boxes as its index says."""

    metadata = PluginMetadata(name="soak-mean", stateless=True)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a result of changing size."""
        box = {"x": 1, "y": 1, "width": 9, "height": 9, "confidence": 0.5, "class": "box"}
        return {"metrics": {"mean": float(frame.image.mean())}, "detections": [box] * (frame.index % 7)}


class Flaky(Plugin):
    """Raises, dies and talks rubbish."""

    metadata = PluginMetadata(name="soak-flaky", stateless=True)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a result, or fail.

        Raises:
            ValueError: now and then.
        """
        number = frame.index + 1
        if number % EXITS == 0:
            os._exit(3)
        if number % RAISES == 0:
            raise ValueError(f"frame {frame.index} is one of those")
        print("frame", frame.index)
        return {"detections": "none"} if number % RUBBISH == 0 else {"number": number}
