"""Joined: an agent as the server knows it, from its first Hello until it is lost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import attrs
import trio

from kinora.actors.jobs.engine import Needs
from kinora.actors.times import utc_now
from kinora.fleet.assigned import Assigned
from kinora.fleet.figures import AgentFigures
from kinora.fleet.link import Attempt, Facts, FromServer, Load
from kinora.plugins.devices import CPU


class Line(Protocol):
    """The connection to an agent."""

    def send(self, message: FromServer) -> None:
        """Send a message behind all others; never waits."""

    def end(self, reason: str) -> None:
        """Close it."""


@attrs.define(eq=False, kw_only=True)
class Joined:
    """One process of an agent."""

    id: str
    """As clients see it."""
    instance: str
    facts: Facts
    granted_s: float
    """The time of the last grant of its lease, by the book's clock."""
    line: Line | None = None
    """None while it is away."""
    joined_at: str = attrs.field(factory=utc_now)
    since: str = attrs.field(factory=utc_now)
    """When it came, or went away."""
    load: Load | None = None
    leaving: str | None = None
    """The reason, as a sentence, why it gets no more jobs; None if it may get one."""
    expelled: bool = False
    """True once it has broken the rules of the link: its lease is not renewed."""
    lost: str | None = None
    """The reason, as a sentence, why it counts as lost."""
    figures: AgentFigures = attrs.field(factory=AgentFigures)
    """What is counted of it, and of others of its name."""
    gone: trio.Event = attrs.field(factory=trio.Event)
    """Set once it is lost or has left."""
    assigned: dict[Attempt, Assigned] = attrs.field(factory=dict)
    held: list[Needs] = attrs.field(factory=list)
    """What the holders of its places need."""

    @property
    def available(self) -> bool:
        """True if it may get jobs."""
        return self.line is not None and self.leaving is None and not self.expelled and self.lost is None

    @property
    def busy(self) -> bool:
        """True while a job has a place there, or an attempt has not ended."""
        return bool(self.held or self.assigned)

    @property
    def places_left(self) -> int:
        """The number of places that no job has."""
        return max(0, self.facts.places - len(self.held))

    @property
    def cpus_left(self) -> float:
        """The cores that no job has asked for."""
        return self.facts.cpus - sum(needs.cpus for needs in self.held)

    @property
    def gpus(self) -> int:
        """The number of its GPUs."""
        return sum(device.available and device.kind != CPU for device in self.facts.devices)

    @property
    def gpus_left(self) -> float:
        """The GPUs that no job has asked for."""
        return self.gpus - sum(needs.gpus for needs in self.held)

    @property
    def resources_left(self) -> Mapping[str, float]:
        """What is left of each further resource."""
        return {
            name: amount - sum(needs.resources.get(name, 0.0) for needs in self.held)
            for name, amount in self.facts.resources.items()
        }

    def connect(self, line: Line | None) -> None:
        """Note its connection; None while it is away."""
        self.line, self.since = line, utc_now()

    def send(self, message: FromServer) -> None:
        """Send a message; without effect while it is away."""
        if self.line is not None:
            self.line.send(message)

    def lose(self, reason: str) -> None:
        """Let it count as lost, with all that it works on; a second time has no effect."""
        self.lost = self.lost or reason
        for assigned in self.assigned.values():
            assigned.lose(reason)
        if self.line is not None:
            self.line.end(reason)
        self.gone.set()
