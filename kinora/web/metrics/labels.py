"""The bound on label values, so that no number of plugins can fill Prometheus."""

from __future__ import annotations

MAX_PLUGINS = 50
"""The plugins that have a label of their own: the first that were seen since the start. Others share ``OTHER``."""
OTHER = "other"


class Labels:
    """Gives the first ``most`` names a label each, for good, and all others ``OTHER``."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()

    def of(self, name: str) -> str:
        """Return the label of a name; an empty one stays as it is."""
        if name and name not in self._known:
            if len(self._known) >= self._most:
                return OTHER
            self._known.add(name)
        return name
