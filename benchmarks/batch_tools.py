"""Plugins for the benchmark of batches: a call costs 10 ms, as on a GPU, and each of its frames 1 ms."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import attrs

from kinora.plugins import Frame, Plugin, PluginMetadata

CALL_S, FRAME_S = 0.010, 0.001


class OneByOne(Plugin):
    """Takes a frame at a time."""

    metadata = PluginMetadata(name="one-by-one", max_batch=1)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """A call for one frame."""
        return self.process_batch([frame])[0]

    def process_batch(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """One call, which waits for a device and leaves the cores alone."""
        time.sleep(CALL_S + FRAME_S * len(frames))
        return [{"together": len(frames)} for _ in frames]


class Together(OneByOne):
    """Takes up to eight."""

    metadata = attrs.evolve(OneByOne.metadata, name="together", max_batch=8)
