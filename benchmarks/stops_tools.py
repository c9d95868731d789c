"""A plugin for the stops that hangs in Python; the others are those of the cancels and of the storms."""

from __future__ import annotations

from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata


class Spinning(Plugin):
    """Never gives a frame back."""

    metadata = PluginMetadata(name="spinning")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Loop for ever."""
        count = frame.index
        while True:
            count += 1
