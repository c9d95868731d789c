"""BookView: what clients see of the agents in an AgentBook."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import attrs

from kinora.actors.times import time_text, utc_now
from kinora.fleet.agent_book import AgentBook
from kinora.fleet.agent_state import (
    LOST_KEPT,
    LOST_KEPT_S,
    AgentDevice,
    AgentKind,
    AgentLoad,
    AgentState,
    AgentStatus,
    LostAgent,
)
from kinora.fleet.differing import differing
from kinora.fleet.joined import Joined
from kinora.fleet.placement import plugins_of
from kinora.plugins.registry import PluginEntry
from kinora.runtime.clocks.boot_clock import boot_s

RAY = "ray-"
"""The beginning of the names of agents that Ray has started."""


@attrs.frozen
class _Gone:
    at_s: float
    shown: LostAgent


class BookView:
    """A FleetView of the agents in a book.

    Args:
        book: its ``on_lost`` is taken.
        plugins: returns the plugins of the server as they are now.
        clock: as that of the book.
    """

    def __init__(
        self, book: AgentBook, plugins: Callable[[], Iterable[PluginEntry]], clock: Callable[[], float] = boot_s
    ) -> None:
        self.figures = book.figures
        self._book = book
        self._plugins = plugins
        self._clock = clock
        self._began = datetime.now(UTC) - timedelta(seconds=clock())
        """The time at which the clock stood at 0: so the same moment of it is always shown as the same time."""
        self._gone: deque[_Gone] = deque(maxlen=LOST_KEPT)
        book.on_lost = self._note_lost

    def agents(self) -> Sequence[AgentState]:
        """Return the agents of now, in the order in which they came."""
        return [self._shown(agent) for agent in self._book.all()]

    def lost(self) -> Sequence[LostAgent]:
        """Return those lost within ``LOST_KEPT_S``, the newest first."""
        since = self._clock() - LOST_KEPT_S
        return [gone.shown for gone in reversed(self._gone) if gone.at_s >= since]

    def leases(self) -> Mapping[str, float]:
        """Return the seconds until each agent is lost unless its lease is renewed, by its id."""
        return {agent.id: self._book.lease_left_s(agent) for agent in self._book.all()}

    def _note_lost(self, agent: Joined) -> None:
        facts = agent.facts
        shown = LostAgent(
            id=agent.id,
            name=facts.name,
            kind=kind_of(agent),
            host=facts.host,
            lost_at=utc_now(),
            left=agent.leaving is not None,
            reason=agent.lost or "",
            jobs=jobs_of(agent),
        )
        self._gone.append(_Gone(self._clock(), shown))

    def _shown(self, agent: Joined) -> AgentState:
        facts, load, status = agent.facts, agent.load, status_of(agent)
        others = tuple(differing(facts.plugins, plugins_of(self._plugins())))
        return AgentState(
            id=agent.id,
            name=facts.name,
            kind=kind_of(agent),
            host=facts.host,
            pid=facts.pid,
            status=status,
            since=agent.since,
            joined_at=agent.joined_at,
            lost_at=self._lost_at(agent) if status == "away" else None,
            reason=reason_of(agent),
            jobs=jobs_of(agent),
            places=facts.places,
            places_free=agent.places_left,
            cpus=facts.cpus,
            cpus_free=agent.cpus_left,
            gpus_free=agent.gpus_left,
            memory=facts.memory,
            devices=tuple(
                AgentDevice(id=device.id, kind=device.kind, name=device.name, available=device.available)
                for device in facts.devices
            ),
            resources=facts.resources,
            resources_free=agent.resources_left,
            load=None
            if load is None
            else AgentLoad(busy_cpus=round(load.busy_cpus, 1), memory=load.memory, workers=load.workers),
            shares_files=facts.shares_files,
            kinora=facts.kinora,
            versions=facts.versions,
            differing=others,
            unacknowledged=sum(assigned.told - assigned.acknowledged for assigned in agent.assigned.values()),
        )

    def _lost_at(self, agent: Joined) -> str:
        lost_s = self._clock() + self._book.lease_left_s(agent)
        return time_text(self._began + timedelta(seconds=round(lost_s, 1)))


def kind_of(agent: Joined) -> AgentKind:
    """Return who has started an agent."""
    if agent.facts.name.startswith(RAY):
        return "ray"
    return "local" if agent.facts.shares_files else "joined"


def jobs_of(agent: Joined) -> tuple[str, ...]:
    """Return the jobs that have an attempt or a place there, each once."""
    attempts = [attempt.job_id for attempt in agent.assigned]
    return tuple(dict.fromkeys([*attempts, *(needs.job_id for needs in agent.held)]))


def status_of(agent: Joined) -> AgentStatus:
    """Return what an agent does, in a word."""
    if agent.leaving is not None:
        return "leaving"
    if agent.line is None:
        return "away"
    return "ready" if agent.places_left else "busy"


def reason_of(agent: Joined) -> str | None:
    """Return a sentence that says why an agent gets no job now; None if it may get one."""
    if agent.leaving is not None:
        return agent.leaving
    if agent.expelled:
        return "It has broken the rules of the link: the server's log says which."
    if agent.line is None:
        return "Its connection is broken."
    if not agent.places_left:
        return "All its places are taken."
    return None if agent.cpus_left > 0 else "Its jobs have asked for all its cores."
