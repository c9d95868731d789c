"""What clients see of agents, and what tells it: a view of the fleet that ``/v1/agents`` and ``/metrics`` read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from kinora.actors.field_types import Count, JobId, Time
from kinora.fleet.figures import FleetFigures

AgentKind = Literal["local", "ray", "joined"]
"""Who started an agent: the server itself, Ray for it, or somebody else."""
AgentStatus = Literal["ready", "busy", "away", "leaving"]
LOST_KEPT_S = 3600.0
"""The time for which a lost agent is still told of."""
LOST_KEPT = 100
"""The most lost agents that are told of; beyond it the oldest are forgotten."""


class AgentLoad(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent's processes use, as it has said last."""

    busy_cpus: float
    """The cores in use over the last second, in tenths."""
    memory: Count
    """In bytes."""
    workers: Count


class AgentDevice(msgspec.Struct, frozen=True, kw_only=True):
    """A device of an agent's machine."""

    id: str
    """``cpu``, ``cuda:0``, …"""
    kind: str
    """``cpu`` or ``cuda``."""
    name: str
    available: bool


class DifferingPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that an agent lacks or has otherwise than the server; it gets no job with it."""

    name: str
    reason: str
    """A sentence: how it differs."""


class AgentState(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that works for this server."""

    id: str
    name: str
    """As its operator has called it, or else the name of its machine."""
    kind: AgentKind
    """``local`` if the server has started it, ``ray`` if Ray has for it, else ``joined``."""
    host: str
    pid: int
    status: AgentStatus
    """``ready`` for a job, ``busy`` with all its places taken, ``away`` while its connection is broken, ``leaving``
    while it gets no more jobs and is about to end."""
    since: Time
    """When it connected, or when its connection broke if it is ``away``."""
    joined_at: Time
    lost_at: Time | None
    """When it counts as lost, and its jobs go elsewhere, unless it comes back; null unless it is ``away``."""
    reason: str | None
    """A sentence: why it gets no job now; null if it may get one."""
    jobs: tuple[JobId, ...]
    """The jobs that run there."""
    places: Count
    """The most jobs at once."""
    places_free: Count
    cpus: float
    cpus_free: float
    """The cores that no job there has asked for."""
    gpus_free: float
    """The GPUs that no job there has asked for; ``devices`` tells which there are."""
    memory: Count
    """The memory of its machine in bytes."""
    devices: tuple[AgentDevice, ...]
    resources: Mapping[str, float]
    """Further things that jobs may ask for, and how much of each there is."""
    resources_free: Mapping[str, float]
    load: AgentLoad | None
    """Null until it has said so."""
    shares_files: bool
    """True if it reads the server's files and webcams itself."""
    kinora: str
    """Its version of Kinora."""
    versions: Mapping[str, str]
    """The versions of Python and of libraries."""
    differing: tuple[DifferingPlugin, ...]
    """The plugins that it has otherwise than the server, or not at all."""
    unacknowledged: Count
    """What it has told, mostly frames, that the server has not yet taken and stored."""


class LostAgent(msgspec.Struct, frozen=True, kw_only=True):
    """An agent that was lost, or has left, in the last hour."""

    id: str
    name: str
    kind: AgentKind
    host: str
    lost_at: Time
    left: bool
    """True if it has said so and handed its jobs back, as when its operator ends it."""
    reason: str
    """A sentence."""
    jobs: tuple[JobId, ...]
    """The jobs that ran there, and went elsewhere."""


class FleetView(Protocol):
    """Tells of all agents of a server."""

    figures: FleetFigures

    def agents(self) -> Sequence[AgentState]:
        """Return the agents of now, in the order in which they came."""

    def lost(self) -> Sequence[LostAgent]:
        """Return those lost within ``LOST_KEPT_S``, the newest first."""

    def leases(self) -> Mapping[str, float]:
        """Return the seconds that each agent's lease still lasts, by its id; 0 once it has ended."""
