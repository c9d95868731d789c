"""The options of a job, as a program gives them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from kinora.python.errors import RunError

Policy = Literal["wait", "latest"]


def job_options(further: Mapping[str, Any] | None, **named: object) -> dict[str, Any]:
    """All options of a job; those that are None have their defaults.

    Raises:
        RunError: one is not for loops.
    """
    if further and "segments" in further:
        raise RunError("options: leave segments out, since a loop takes one frame after the other")
    return {**{name: value for name, value in named.items() if value is not None}, **(further or {})}
