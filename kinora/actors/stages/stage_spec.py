"""StageSpec: the plugin of a stage of a job, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

SLOTS_PER_STAGE = 2
"""For one frame in the stage and one that waits for it."""
REORDER_FRAMES = 2
"""The frames that may be done before one that takes longer, where several are at work. Beyond it the stage takes no
further frame."""


@attrs.frozen(kw_only=True)
class StageSpec:
    """The plugin of a stage, and its limits."""

    job_id: str
    plugin: str
    options: Mapping[str, Any]
    every: int = 1
    """It works on every Nth frame."""
    side: bool = False
    """It works at the side of the others."""
    device: str
    plugin_timeout_ms: int
    prepare_timeout_ms: int
    max_failures: int
    """Consecutive deaths of the plugin's process that disable it."""
    max_errors: int
    """Consecutive exceptions that disable it."""
    replicas: int = 1
    """The most processes that may work on its frames at once; more than one only if the plugin is stateless."""
    fixed_replicas: bool = False
    """True if the client has set their number; else further ones work on idle cores only."""
    max_batch: int = 1
    """The most frames that the plugin takes at once."""
    batch_wait_ms: float = 0.0
    """How long the first frame of a batch may wait for others."""
    root_path: str = ""
    """The beginning of each address that is told to clients, as behind a proxy."""

    @property
    def slots(self) -> int:
        """The slots of the ring that its frames need so that all its replicas can be at work."""
        return SLOTS_PER_STAGE + (0 if self.replicas == 1 else self.replicas - 1 + REORDER_FRAMES)
