"""The arguments of ``kinora run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs


@attrs.frozen(kw_only=True)
class RunArguments:
    """The arguments of ``kinora run``."""

    sources: Sequence[str]
    """As they were written, with patterns and folders."""
    out_dir: Path | None
    """The folder for the results of many sources."""
    jobs: int | None
    """How many sources are run at once; None for the setting ``max_jobs``."""
    plugins: Sequence[str]
    """Names, and paths of plugin files."""
    plugin_options: Sequence[str]
    every: Sequence[str]
    side: Sequence[str]
    replicas: Sequence[str]
    device: str
    job_options: Mapping[str, Any]
    """The ``options`` of the job request."""
    out: Path | None
    annotate: Path | None
    export: Sequence[str]
    """Each ``FORMAT=DIR``."""
    show_output: bool
    strict: bool
    as_json: bool
    source: str = ""
    """The only source; nothing if there may be many."""
