"""A job as the server shows it in the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

DIGEST, COUNT = "chaos-digest", "chaos-count"


@attrs.frozen
class Final:
    """A job in the end."""

    state: Mapping[str, Any]
    frames: Sequence[Mapping[str, Any]]

    @property
    def job_id(self) -> str:
        """Its id."""
        return str(self.state["job_id"])

    @property
    def label(self) -> str:
        """The label of its order."""
        return str(self.state["plugins"][DIGEST]["options"]["label"])

    @property
    def digests(self) -> list[str]:
        """The digests in the order of the frames."""
        return [frame["results"][DIGEST]["sha1"] for frame in self.frames]

    def warned(self, *codes: str, plugin: str | None = None) -> int:
        """How often it was warned of these things."""
        groups = self.state["warning_groups"]
        return sum(group["count"] for group in groups if group["code"] in codes and group["plugin"] == plugin)

    def results(self, plugin: str) -> dict[int, Mapping[str, Any]]:
        """Index → the plugin's result."""
        return {frame["index"]: frame["results"][plugin] for frame in self.frames if plugin in frame["results"]}

    def lost(self, plugin: str) -> int:
        """The number of frames that lack the plugin's result."""
        return len(self.frames) - len(self.results(plugin))

    def __str__(self) -> str:
        """For a line of the report."""
        return f"job {self.job_id} ({self.label}, {self.state['source']})"
