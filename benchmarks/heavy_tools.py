"""Plugins for the benchmark of replicas: heavy ones, stateless or not."""

from __future__ import annotations

from typing import Any

from benchmarks.tools import blur, detect
from kinora.plugins import Frame, Plugin, PluginMetadata


class _Detect(Plugin):
    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Some computing, which OpenCV could do in threads."""
        return detect(frame.image)


class HeavyA(_Detect):
    """The first of two equal tools."""

    metadata = PluginMetadata(name="heavy-a", stateless=True)


class HeavyB(_Detect):
    """The second of two equal tools."""

    metadata = PluginMetadata(name="heavy-b", stateless=True)


class InOrder(_Detect):
    """The same, as if it needed its frames in order: it has one process, and threads at the most."""

    metadata = PluginMetadata(name="in-order")


class InOrderToo(_Detect):
    """An equal one."""

    metadata = PluginMetadata(name="in-order-too")


class Blurring(Plugin):
    """A filter over all pixels, which needs its frames in order."""

    metadata = PluginMetadata(name="blurring")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """Some filtering."""
        return blur(frame.image)
