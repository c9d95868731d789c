"""StageSpec: the plugin of a stage of a job, and its limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class StageSpec:
    """The plugin of a stage, and its limits."""

    job_id: str
    plugin: str
    options: Mapping[str, Any]
    device: str
    plugin_timeout_ms: int
    prepare_timeout_ms: int
    max_failures: int
    """Consecutive deaths of the plugin's process that disable it."""
    max_errors: int
    """Consecutive exceptions that disable it."""
    root_path: str = ""
    """The beginning of each address that is told to clients, as behind a proxy."""
