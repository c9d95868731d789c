"""Which plugins must be inspected if only some are needed, so that these are what they would be among all."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from kinora.plugins.discovery import Candidate


def is_builtin(candidate: Candidate) -> bool:
    """Whether it is one of Kinora's own plugins."""
    return candidate.origin.kind == "builtin"


def may_be_needed(candidate: Candidate, names: Collection[str]) -> bool:
    """Whether a plugin called by one of ``names`` may be in this place.

    The name of a built-in plugin is known beforehand, that of others only once they are imported.
    """
    return not is_builtin(candidate) or candidate.name in names


def suffices(working: Collection[str], left_out: Iterable[Candidate], names: Collection[str]) -> bool:
    """Whether all ``names`` are among those of the ``working`` plugins, and none of the places left out may have one.

    A built-in plugin has the first right to its name.
    """
    return set(names) <= set(working) and not any(candidate.name in working for candidate in left_out)
