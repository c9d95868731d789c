"""How much of a video is kept around events: ``clip = {before_s = 5, after_s = 10}``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

MAX_BEFORE_S, MAX_AFTER_S = 60.0, 300.0
"""The longest parts of a clip before and after its event."""
KEYS = "before_s, after_s"


@attrs.frozen
class ClipRule:
    """The part of a clip before and after its event, in seconds."""

    before_s: float = 5.0
    after_s: float = 10.0

    @classmethod
    def read(cls, table: Mapping[str, Any]) -> ClipRule:
        """Read what is written in ``kinora.toml``.

        Raises:
            ValueError: it has other keys, or values out of range.
        """
        for key, value in table.items():
            if key not in {"before_s", "after_s"}:
                raise ValueError(f"there is no key {key!r}; there are: {KEYS}")
            longest = MAX_BEFORE_S if key == "before_s" else MAX_AFTER_S
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= longest:
                raise ValueError(f"{key} must be a number of seconds from 0 to {longest:g}")
        return cls(**{key: float(value) for key, value in table.items()})


def check_clip(_table: object, _field: object, value: Mapping[str, Any] | None) -> None:
    """Check a setting. Raises ValueError as :meth:`ClipRule.read`."""
    if value is not None:
        ClipRule.read(value)


def widest(rules: Iterable[ClipRule]) -> ClipRule | None:
    """The rule with the longest part before and the longest part after; None without rules."""
    found = list(rules)
    if not found:
        return None
    return ClipRule(max(rule.before_s for rule in found), max(rule.after_s for rule in found))
