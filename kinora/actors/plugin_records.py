"""How each plugin has done in all jobs since the server's start."""

from __future__ import annotations

import attrs

from kinora.actors.messages import Health
from kinora.actors.models import StageError


@attrs.define(eq=False)
class PluginRecord:
    """One plugin's; the stages that run it write here."""

    health: Health = "ok"
    """As the stage has it that has had its say last."""
    failures: int = 0
    restarts: int = 0
    last_error: StageError | None = None
    last_job: str | None = None
    """The job in which that happened."""


class PluginRecords:
    """All of them; a plugin that has not run yet has a clean one. Bounded by the plugins there are."""

    def __init__(self) -> None:
        self._records: dict[str, PluginRecord] = {}

    def of(self, plugin: str) -> PluginRecord:
        """The record of this plugin."""
        return self._records.setdefault(plugin, PluginRecord())
