"""Numbers for names, in the order in which they come."""

from __future__ import annotations

from collections.abc import ItemsView


class Numbering:
    """Gives each name the next number when it comes first."""

    def __init__(self, first: int) -> None:
        self._first = first
        self._numbers: dict[str, int] = {}

    def number_of(self, name: str) -> int:
        """Return the number of a name."""
        return self._numbers.setdefault(name, self._first + len(self._numbers))

    def items(self) -> ItemsView[str, int]:
        """The names and their numbers, in their order."""
        return self._numbers.items()
