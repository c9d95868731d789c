"""Tells who has written a name that there is not which one was meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.6
"""How alike two names are that are taken for one another, from 0 to 1."""


def nearest(name: str, known: Iterable[str], *, prefix: str = "", close: float = CLOSE) -> str:
    """The end of a sentence: which of the known names is the nearest one, behind ``prefix``; empty if none is close."""
    found = get_close_matches(name, list(known), n=1, cutoff=close)
    return f"; the nearest one is {prefix}{found[0]}" if found else ""
