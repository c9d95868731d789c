"""Plugins of the agents benchmark: quick ones, one that says when it was done, and one that hangs."""

from __future__ import annotations

import ctypes
import signal
import time
from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata

PACE_S = 0.02
"""The time that the paced plugin takes for a frame."""
FOREVER_S = 1000


class _Quick(Plugin):
    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a small result."""
        return {"index": frame.index}


class Quick1(_Quick):
    """A quick tool."""

    metadata = PluginMetadata(name="quick-1")


class Quick2(_Quick):
    """A quick tool."""

    metadata = PluginMetadata(name="quick-2")


class Quick3(_Quick):
    """A quick tool."""

    metadata = PluginMetadata(name="quick-3")


class Paced(Plugin):
    """Takes its time, then says when it was done, by a clock that all processes of the machine share."""

    metadata = PluginMetadata(name="paced")

    def process_frame(self, frame: Frame) -> dict[str, Any]:  # noqa: ARG002 - it looks at nothing
        """Return the time of its end."""
        time.sleep(PACE_S)
        return {"done_s": time.monotonic()}


class Hung(Plugin):
    """A hung tool, which neither Python nor SIGTERM can reach."""

    metadata = PluginMetadata(name="hung")

    def process_frame(self, frame: Frame) -> dict[str, Any]:  # noqa: ARG002 - it looks at nothing
        """Never return."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        ctypes.PyDLL(None).sleep(FOREVER_S)
        return {}
