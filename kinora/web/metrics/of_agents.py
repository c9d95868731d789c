"""The figures of agents, by their names; agents of one name are added up."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric

from kinora.fleet.agent_state import AgentState, FleetView
from kinora.fleet.figures import AgentFigures
from kinora.web.metrics.families import counter, counters, gauges

PRESENT = frozenset({"ready", "busy", "leaving"})
"""The states of an agent that is connected."""
_LABEL = "agent"


def of_agents(fleet: FleetView) -> Iterable[Metric]:
    """What agents do, have and have told."""
    yield counter("kinora_agents_lost", "Agents that were lost, with the jobs they had.", fleet.figures.lost)
    yield gauges(
        "kinora_agent_up", "Agents of this name that are connected; 0 for an hour after a loss.", _LABEL, _up(fleet)
    )
    for name, text, value in _GAUGES:
        yield gauges(name, text, _LABEL, _added(fleet, value))
    yield gauges("kinora_agent_lease_seconds", "How long the lease lasts, the shortest.", _LABEL, _leases(fleet))
    yield from _of_counts(fleet.figures.all())


_GAUGES: tuple[tuple[str, str, Callable[[AgentState], float]], ...] = (
    ("kinora_agent_jobs", "Jobs that run there.", lambda agent: len(agent.jobs)),
    ("kinora_agent_places", "The most jobs at once.", lambda agent: agent.places),
    ("kinora_agent_cpus", "Its cores.", lambda agent: agent.cpus),
    (
        "kinora_agent_busy_cpus",
        "The cores that its processes use.",
        lambda agent: agent.load.busy_cpus if agent.load else 0,
    ),
    ("kinora_agent_memory_bytes", "The memory of its processes.", lambda agent: agent.load.memory if agent.load else 0),
    ("kinora_agent_workers", "Its worker processes.", lambda agent: agent.load.workers if agent.load else 0),
    (
        "kinora_agent_unacknowledged_events",
        "What it has told and is not stored.",
        lambda agent: agent.unacknowledged,
    ),
)


def _up(fleet: FleetView) -> Mapping[str, float]:
    gone = {fleet.figures.label(agent.name): 0.0 for agent in fleet.lost() if not agent.left}
    return {**gone, **_added(fleet, lambda agent: agent.status in PRESENT)}


def _added(fleet: FleetView, value: Callable[[AgentState], float]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for agent in fleet.agents():
        label = fleet.figures.label(agent.name)
        found[label] = found.get(label, 0.0) + value(agent)
    return found


def _leases(fleet: FleetView) -> Mapping[str, float]:
    found: dict[str, float] = {}
    leases = fleet.leases()
    for agent in fleet.agents():
        label, lease_s = fleet.figures.label(agent.name), leases.get(agent.id, 0.0)
        found[label] = min(lease_s, found.get(label, lease_s))
    return found


def _of_counts(counts: Mapping[str, AgentFigures]) -> Iterable[Metric]:
    yield counters(
        "kinora_agent_frames",
        "Frames that came from there and were taken.",
        [_LABEL],
        [([name], count.frames) for name, count in counts.items()],
    )
    yield counters(
        "kinora_agent_refused_events",
        "Events of attempts that do not run there any more.",
        [_LABEL],
        [([name], count.refused_events) for name, count in counts.items()],
    )
    yield counters(
        "kinora_agent_link_bytes",
        "Bytes of the messages between agent and server, by direction as the server sees it.",
        [_LABEL, "direction"],
        [
            ([name, direction], size)
            for name, count in counts.items()
            for direction, size in (("received", count.received_bytes), ("sent", count.sent_bytes))
        ],
    )
