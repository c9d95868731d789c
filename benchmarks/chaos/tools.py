"""The plugins of the chaos: one without memory, and one that counts."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Any

from kinora.plugins import Frame, Plugin, PluginContext, PluginMetadata

PROCESS_NAME = "chaos-plugin"
PACE_S = 0.001
"""The time that the counter waits at each frame, so that a job meets a fault or two."""


class _Named(Plugin):
    """A plugin whose process can be told from a decoder's."""

    def prepare(self, context: PluginContext) -> None:  # noqa: ARG002 - the interface's
        Path("/proc/self/comm").write_text(PROCESS_NAME, encoding="ascii")


class Digest(_Named):
    """Gives the SHA-1 of the frame."""

    metadata = PluginMetadata(name="chaos-digest", stateless=True)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return the digest."""
        return {"sha1": hashlib.sha1(frame.image.tobytes(), usedforsecurity=False).hexdigest()}


class Count(_Named):
    """Counts the frames that it has seen."""

    metadata = PluginMetadata(name="chaos-count")
    _seen = 0

    def process_frame(self, frame: Frame) -> dict[str, Any]:  # noqa: ARG002 - it only counts
        """Return the number of this frame among those seen, from 1."""
        time.sleep(PACE_S)
        self._seen += 1
        return {"seen": self._seen}
