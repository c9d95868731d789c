"""Who may take a place in a queue, so that one client cannot keep all others out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable

KEPT_PART = 5
"""In addition to its ordinary places, a queue keeps one for each so many of them for clients that have few."""
FEW_PART = 4
"""A client has few while it holds less than one in so many of the kept places."""


def has_room(places: int, taken: Counter[Hashable], client: Hashable) -> bool:
    """Return whether a client may take one more place.

    The ``places`` themselves go to the first that come: a client that is alone may have them all. Beyond them, a queue
    for 100 jobs keeps 20 further places, of which each client gets one while it holds fewer than 5 places in all.
    """
    kept = max(1, places // KEPT_PART)
    few = max(1, kept // FEW_PART)
    return taken.total() < places or (taken.total() < places + kept and taken[client] < few)
