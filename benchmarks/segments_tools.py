"""A plugin for the benchmark of segments: it does next to nothing, so that the job is bound by its decoders."""

from __future__ import annotations

from typing import Any

from kinora.plugins import Frame, Plugin, PluginMetadata


class Trivial(Plugin):
    """Looks at one pixel."""

    metadata = PluginMetadata(name="trivial", stateless=True)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Return something small."""
        return {"metrics": {"blue": int(frame.image[0, 0, 0])}}
