"""Plugins for the storms: one with large results, one that takes its time, an empty one, one with a hostile schema."""

from __future__ import annotations

import time
from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata

FAT_BYTES = 100_000
WAIT_S = 1.0


class Fat(Plugin):
    """Returns 100 kB for each frame."""

    metadata = PluginMetadata(name="storm-fat")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return text that differs from frame to frame."""
        return {"text": f"{frame.index:08}".ljust(FAT_BYTES, "x")}


class Slow(Plugin):
    """Takes a second for each frame."""

    metadata = PluginMetadata(name="storm-slow")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Wait."""
        time.sleep(WAIT_S)
        return {"index": frame.index}


class Empty(Plugin):
    """Does next to nothing."""

    metadata = PluginMetadata(name="storm-empty")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a small result."""
        return {"index": frame.index}


class Backtracking(Plugin):
    """Has an option whose pattern takes exponential time on words that do not fit."""

    metadata = PluginMetadata(
        name="storm-backtracking",
        config_schema={"type": "object", "properties": {"word": {"type": "string", "pattern": "^(a+)+$"}}},
    )

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a small result."""
        return {"index": frame.index}
