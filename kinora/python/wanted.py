"""What a run is to do, as it was asked for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import attrs

from kinora.python.errors import RunError
from kinora.python.plugins import WantedPlugin


@attrs.frozen(kw_only=True)
class Wanted:
    """The source, the plugins and the options of a run."""

    source: str
    plugins: tuple[WantedPlugin, ...]
    device: str = "auto"
    options: Mapping[str, Any] = attrs.field(factory=dict)
    """The job's options; those not given have their defaults."""

    def request(self, entries: list[dict[str, Any]], source: str) -> dict[str, Any]:
        """The JSON of ``POST /v1/jobs``, with these entries of plugins."""
        return {
            "source": source,
            "plugins": entries,
            "device_requested": self.device,
            "options": dict(self.options),
        }


def source_text(source: object) -> str:
    """The source as text.

    Raises:
        RunError: it is anything else, such as the number that OpenCV gives a camera, or a list.
    """
    match source:
        case str() | os.PathLike():
            return str(os.fspath(source))
        case int():
            raise RunError(f'A camera of this machine is named "webcam:{source}", not {source}')
        case _:
            kind = type(source).__name__
            raise RunError(f"A run has one source, as text or a path, and not a {kind}: call run once for each")
