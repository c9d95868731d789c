"""Plugins whose jobs the cancel benchmark cancels: an idle one, a busy one, a hung one, a large one."""

from __future__ import annotations

import ctypes
import signal
import time
from typing import Any

import numpy as np

from kinora.plugins import Frame, Plugin, PluginContext, PluginMetadata

GIB = 2**30
FOREVER_S = 1000


def hang() -> None:
    """Native code that keeps the GIL, in a process that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ctypes.PyDLL(None).sleep(FOREVER_S)


class Idle(Plugin):
    """An idle tool: it has done its frame and waits for the next."""

    metadata = PluginMetadata(name="idle")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return a small result."""
        return {"index": frame.index}


class Busy(Plugin):
    """Multiplies matrices without end."""

    metadata = PluginMetadata(name="busy")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Work for ever."""
        matrix = np.random.default_rng(frame.index).random((500, 500))
        while True:
            matrix = matrix @ matrix
            matrix /= matrix.max()


class Hung(Plugin):
    """A hung tool, which neither Python nor SIGTERM can reach."""

    metadata = PluginMetadata(name="hung")

    def process_frame(self, frame: Frame) -> dict[str, Any]:  # noqa: ARG002 - it looks at nothing
        """Never return."""
        hang()
        return {}


class Large(Plugin):
    """Holds 1 GiB of resident memory and sleeps."""

    metadata = PluginMetadata(name="large")

    def prepare(self, context: PluginContext) -> None:  # noqa: ARG002 - it needs nothing
        """Touch every page."""
        self._held = np.ones(GIB, np.uint8)

    def process_frame(self, frame: Frame) -> dict[str, Any]:  # noqa: ARG002 - it looks at nothing
        """Never return."""
        time.sleep(FOREVER_S)
        return {}
