"""Tells people who have put a plugin before those whose results it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kinora.plugins.api import PluginContext

PATIENCE = 10
"""The first frames of a job, of which one at least must have a result of a plugin before; else that is told once."""


class ResultsBefore:
    """Whether any plugin before this one has had a result on the first frames."""

    def __init__(self, context: PluginContext, advice: str) -> None:
        self._context, self._advice = context, advice
        self._left = PATIENCE

    def look(self, results: Mapping[str, Any]) -> None:
        """Look at the results of a frame; after the last one of ``PATIENCE`` without any, warn."""
        if results:
            self._left = 0
        if not self._left:
            return
        self._left -= 1
        if not self._left:
            self._context.warn(f"no plugin before it has a result: {self._advice}", "medium")
