"""What a check has found."""

from __future__ import annotations

from typing import Literal

import attrs


@attrs.frozen
class Finding:
    """A sentence about one thing, and what mends it if that is needed."""

    check: str
    """What was looked at, in a word or two."""
    state: Literal["ok", "warning", "failed"]
    """``failed`` if Kinora cannot work like this, ``warning`` if something works less well."""
    found: str
    mend: str = ""
    """What to do; empty if ``ok``."""


def ok(check: str, found: str) -> Finding:
    """The finding that all is well."""
    return Finding(check, "ok", found)


def warning(check: str, found: str, mend: str) -> Finding:
    """The finding that Kinora works, though less well."""
    return Finding(check, "warning", found, mend)


def failed(check: str, found: str, mend: str) -> Finding:
    """The finding that Kinora cannot work like this."""
    return Finding(check, "failed", found, mend)
