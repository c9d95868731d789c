"""Names what was probably meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

CLOSE = 0.6
"""How alike two names are that are taken for one another, from 0 to 1."""
MAX_SHOWN = 100
"""The most characters of a wrong name that are repeated and compared: clients choose it."""


def no_such(what: str, name: str, known: Iterable[str], *, place: str = "") -> str:
    """A sentence without its full stop: there is no ``what`` of this name in ``place``; there are the known ones."""
    names, shown, where = list(known), name[:MAX_SHOWN], f" in {place}" if place else ""
    return f"There is no {what} {shown!r}{where}; there are: {', '.join(names) or 'none'}{nearest(shown, names)}"


def nearest(name: str, known: Iterable[str], *, prefix: str = "", close: float = CLOSE) -> str:
    """The end of a sentence, with the nearest of the known names behind ``prefix``; empty if none is close."""
    found = get_close_matches(name, list(known), n=1, cutoff=close)
    return f"; the nearest one is {prefix}{found[0]}" if found else ""
