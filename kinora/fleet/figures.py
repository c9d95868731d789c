"""What is counted of agents: plain numbers that the link adds to, and that ``/metrics`` reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import attrs

MAX_NAMES = 50
"""The agents' names that are counted for themselves. Beyond it a name that no agent has any more is forgotten; if
there is none, the new one is counted as ``OTHER``."""
OTHER = "other"


@attrs.define(kw_only=True)
class AgentFigures:
    """The counts of all agents of one name, since the server's start."""

    frames: int = 0
    """Frames that came from them and were taken."""
    received_bytes: int = 0
    """Of the messages from them."""
    sent_bytes: int = 0
    """Of the messages to them."""
    refused_events: int = 0
    """Events of attempts that do not run there any more."""


class FleetFigures:
    """The counts of all agents, by their names."""

    def __init__(self) -> None:
        self.lost = 0
        """Agents whose lease ended, or whose process did. One that leaves in good order does not count."""
        self._by_name: dict[str, AgentFigures] = {}

    def join(self, name: str, present: Collection[str]) -> AgentFigures:
        """Return the counts to add to for an agent that joins; ``present`` are the names of the others."""
        name = self._room_for(name, present)
        return self._by_name.setdefault(name, AgentFigures())

    def label(self, name: str) -> str:
        """Return the name under which an agent is counted."""
        return name if name in self._by_name else OTHER

    def all(self) -> Mapping[str, AgentFigures]:
        """Return the counts by name."""
        return self._by_name

    def _room_for(self, name: str, present: Collection[str]) -> str:
        if name in self._by_name or len(self._by_name) < MAX_NAMES:
            return name
        gone = next((old for old in self._by_name if old not in present and old != OTHER), None)
        if gone is None:
            return OTHER
        del self._by_name[gone]
        return name
