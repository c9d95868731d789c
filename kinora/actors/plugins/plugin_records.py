"""The health and the failures of each plugin, over all jobs since the server's start."""

from __future__ import annotations

from collections import Counter

import attrs

from kinora.actors.messages import Code, Health
from kinora.actors.models import StageError
from kinora.runtime.histogram import Histogram


@attrs.define(eq=False)
class PluginRecord:
    """The record of one plugin, updated by the stages that run it."""

    health: Health = "ok"
    """The health in the stage that reported last; ``ok`` after the plugins were looked for again."""
    restarts: int = 0
    last_error: StageError | None = None
    last_job: str | None = None
    """The job of that error."""
    run: Histogram = attrs.field(factory=Histogram)
    """The time inside the plugin of each frame that it answered, with a result or an exception."""
    queue: Histogram = attrs.field(factory=Histogram)
    """The time for which each frame waited for the plugin."""
    failed: Counter[Code] = attrs.field(factory=Counter)
    """The failures by their kind."""
    disabled: int = 0
    """The jobs that went on without it, as it had failed too often in a row."""
    fallbacks: int = 0
    """The times that it was prepared on the CPU because its device had failed."""

    @property
    def failures(self) -> int:
        """All failures."""
        return self.failed.total()


class PluginRecords:
    """The records of all plugins; a plugin that has not run yet has an empty one. Bounded by the number of plugins."""

    def __init__(self) -> None:
        self._records: dict[str, PluginRecord] = {}

    def of(self, plugin: str) -> PluginRecord:
        """Return the record of this plugin."""
        return self._records.setdefault(plugin, PluginRecord())

    def all(self) -> dict[str, PluginRecord]:
        """Return plugin → its record, in the order in which the plugins were first asked for."""
        return dict(self._records)

    def trust_again(self) -> None:
        """Take all plugins for healthy, as after they were looked for again: they may have been mended."""
        for record in self._records.values():
            record.health = "ok"
