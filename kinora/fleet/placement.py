"""Which agent gets a job, and why none does: plain functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from kinora.actors.jobs.engine import Needs
from kinora.actors.requests.job_request import AUTO
from kinora.fleet.joined import Joined
from kinora.fleet.link import Device as AgentDevice
from kinora.fleet.link import Plugin
from kinora.plugins.devices import CPU, Device
from kinora.plugins.registry import PluginEntry

MAX_NAMED = 3
"""The most agents that a sentence names with the reason why a job cannot run there."""
ROOM = 1e-6
"""What is left counts as enough if it is less by this only: shares such as 0.1 do not add up exactly."""
Plugins = Mapping[str, Plugin]
AnyDevice = Device | AgentDevice


def plugins_of(entries: Iterable[PluginEntry]) -> dict[str, Plugin]:
    """Return the plugins that work, by their names."""
    return {
        entry.name: Plugin(version=entry.metadata.version, code=entry.code)
        for entry in entries
        if entry.metadata is not None and not entry.broken
    }


def choose(needs: Needs, agents: Sequence[Joined], ours: Plugins) -> Joined | None:
    """Return the agent that gets a job now; None if none can. ``ours`` are the plugins as the server has them.

    Those with the requested kind of device come first, then the one with the most cores left. An agent that was lost
    with this job before gets it only if no other one can.
    """
    fit = [agent for agent in agents if agent.available and has_room(needs, agent) and not unfit(needs, agent, ours)]
    if needs.at is not None:
        fit = [agent for agent in fit if agent.id == needs.at]
    fit = [agent for agent in fit if agent.id not in needs.avoid] or fit
    return max(fit, key=lambda agent: (has_device(needs, agent.facts.devices), agent.cpus_left), default=None)


def has_device(needs: Needs, devices: Iterable[AnyDevice]) -> bool:
    """True if one of the devices is of the requested kind; for ``auto`` any GPU is."""
    wanted = needs.device.partition(":")[0]
    kinds = {device.kind for device in devices if device.available} | {CPU}
    return len(kinds) > 1 if wanted == AUTO else wanted in kinds


def has_room(needs: Needs, agent: Joined) -> bool:
    """True if enough of an agent is left for a job."""
    left = agent.resources_left
    return (
        agent.places_left > 0
        and needs.cpus <= agent.cpus_left + ROOM
        and needs.gpus <= agent.gpus_left + ROOM
        and all(amount <= left.get(name, 0.0) + ROOM for name, amount in needs.resources.items())
    )


def unfit(needs: Needs, agent: Joined, ours: Plugins) -> str | None:
    """Return why a job can never run with an agent, as the end of a sentence about it; None if it can."""
    return next(_faults(needs, agent, ours), None)


def _faults(needs: Needs, agent: Joined, ours: Plugins) -> Iterator[str]:
    facts = agent.facts
    if needs.where == "server":
        yield "cannot have its source"
    if needs.where == "this_machine" and not facts.shares_files:
        yield "is not on the server's machine, and so cannot read its source"
    for name in needs.plugins:
        if (difference := differs(name, facts.plugins.get(name), ours.get(name))) is not None:
            yield difference
    if needs.cpus > facts.cpus:
        yield f"has {facts.cpus:g} of the {needs.cpus:g} cores that it asks for"
    if needs.gpus > agent.gpus:
        yield f"has {agent.gpus} of the {needs.gpus:g} GPUs that it asks for"
    for name, amount in needs.resources.items():
        if amount > (has := facts.resources.get(name, 0.0)):
            yield f"has {has:g} of the {amount:g} {name} that it asks for"


def differs(name: str, theirs: Plugin | None, ours: Plugin | None) -> str | None:
    """Return how an agent has a plugin otherwise than the server, as the end of a sentence; None if it is the same."""
    if theirs is None:
        return f"has no plugin {name}"
    if ours is None or theirs.code == ours.code:
        return None
    if theirs.version != ours.version:
        return f"has the plugin {name} in version {theirs.version}, and the server in {ours.version}"
    return f"has the plugin {name} with other code than the server, though of the same version"


def reason(needs: Needs, agents: Sequence[Joined], ours: Plugins) -> str | None:
    """Return why no agent has a place for a job, as a sentence; None if it only waits for its turn."""
    if not agents:
        return "It waits for an agent: none has joined this server."
    faults = {agent.id: unfit(needs, agent, ours) for agent in agents}
    if not all(faults.values()):
        return None
    named = [f"{agent} {fault}" for agent, fault in list(faults.items())[:MAX_NAMED]]
    more = len(faults) - len(named)
    if more:
        named.append(f"{more} more cannot run it either")
    return f"It waits for an agent that suits it: {'; '.join(named)}."
