"""The health and the failures of each plugin, over all jobs since the server's start."""

from __future__ import annotations

import attrs

from kinora.actors.messages import Health
from kinora.actors.models import StageError


@attrs.define(eq=False)
class PluginRecord:
    """The record of one plugin, updated by the stages that run it."""

    health: Health = "ok"
    """The health in the stage that reported last; ``ok`` after the plugins were looked for again."""
    failures: int = 0
    restarts: int = 0
    last_error: StageError | None = None
    last_job: str | None = None
    """The job of that error."""


class PluginRecords:
    """The records of all plugins; a plugin that has not run yet has an empty one. Bounded by the number of plugins."""

    def __init__(self) -> None:
        self._records: dict[str, PluginRecord] = {}

    def of(self, plugin: str) -> PluginRecord:
        """Return the record of this plugin."""
        return self._records.setdefault(plugin, PluginRecord())

    def trust_again(self) -> None:
        """Take all plugins for healthy, as after they were looked for again: they may have been mended."""
        for record in self._records.values():
            record.health = "ok"
