"""Plugins for the benchmark of a plugin at the side: one of 5 ms, and two of 500 ms."""

from __future__ import annotations

import time
from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata

QUICK_S = 0.005
SLOW_S = 0.5


def _compute(seconds: float) -> None:
    """Use a core for so long, counted without the time in which others have it."""
    began = time.thread_time()
    while time.thread_time() - began < seconds:
        pass


class Quick(Plugin):
    """Computes for 5 ms; it needs its frames in order, so it has one process."""

    metadata = PluginMetadata(name="quick")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return something small."""
        _compute(QUICK_S)
        return {"metrics": {"index": frame.index}}


class Waits(Plugin):
    """Waits for 500 ms, as for a GPU or an answer over the network."""

    metadata = PluginMetadata(name="waits")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return something small."""
        time.sleep(SLOW_S)
        return {"metrics": {"index": frame.index}}


class Computes(Plugin):
    """Computes for 500 ms."""

    metadata = PluginMetadata(name="computes")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return something small."""
        _compute(SLOW_S)
        return {"metrics": {"index": frame.index}}
