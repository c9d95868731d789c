"""AgentEngine: gives jobs places with agents, and in the server itself where that is due."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import attrs

from kinora.actors.errors import InvalidRequest
from kinora.actors.jobs.embedded_engine import EmbeddedEngine
from kinora.actors.jobs.engine import Needs, Place, Taken
from kinora.actors.pipeline.pipeline_link import AnyPipeline
from kinora.actors.pipeline.segment_orders import is_shared
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.actors.sources.cameras import Cameras
from kinora.actors.stages.merging import Merger
from kinora.actors.store.store import Store
from kinora.fleet.agent_book import AgentBook
from kinora.fleet.joined import Joined
from kinora.fleet.placement import Plugins, choose, has_device, reason, unfit
from kinora.fleet.provider import Present, Provider
from kinora.fleet.remote_pipeline import RemotePipeline
from kinora.fleet.shared_pipeline import LanePlace, SharedPipeline
from kinora.plugins.devices import Device

MakePipeline = Callable[[WorkOrder, Joined], AnyPipeline]
NO_LONGER_NEEDED = "No job needs this agent now."


@attrs.frozen
class Sharing:
    """What the place of a job needs so that further agents share its segments."""

    take_further: Callable[[Needs, Sequence[LanePlace]], LanePlace | None]
    """Returns a place with an agent that has none of these places; None if none is free, or other jobs wait."""
    merger: Callable[[WorkOrder], Merger]


class AgentPlace:
    """A place with an agent."""

    def __init__(
        self, needs: Needs, agent: Joined, book: AgentBook, make: MakePipeline, sharing: Sharing | None
    ) -> None:
        """``sharing`` lets other agents work on the same job; None for a place that was taken so."""
        self._needs = needs
        self._agent = agent
        self._book = book
        self._make = make
        self._sharing = sharing
        agent.held.append(needs)

    @property
    def agent(self) -> str:
        """The agent's id."""
        return self._agent.id

    def give_back(self) -> None:
        """Let the next job have it. A second time has no effect."""
        held = self._agent.held
        kept = [needs for needs in held if needs is not self._needs]
        if len(kept) < len(held):
            self._agent.held = kept
            self._book.on_change()

    def pipeline(self, order: WorkOrder, make_here: Callable[[], AnyPipeline]) -> AnyPipeline:  # noqa: ARG002 - Place's
        """Return the pipeline that has the agent carry out the order, with others if it is cut into segments."""
        if self._sharing is None or not is_shared(order):
            return self.remote(order)
        return SharedPipeline(
            order,
            first=self,
            take_further=partial(self._sharing.take_further, self._needs),
            merger=self._sharing.merger(order),
        )

    def remote(self, order: WorkOrder) -> AnyPipeline:
        """Return the pipeline that has the agent carry out the order, alone."""
        return self._make(order, self._agent)


class AgentEngine:
    """Places jobs with the agents in the book.

    ``here`` is the server itself. If it is ``open_to_all``, jobs run there too: an agent that suits comes first, unless
    only the server has the requested device. Otherwise only those run there whose source it must have itself.
    ``provider`` starts agents on demand. ``merger`` merges what several agents find out about one job; without it none
    is shared. ``ours`` gives the plugins as the server has them,
    ``devices`` its devices.
    """

    def __init__(
        self,
        book: AgentBook,
        here: EmbeddedEngine,
        *,
        store: Store,
        cameras: Cameras,
        ours: Callable[[], Plugins],
        devices: Callable[[], Sequence[Device]],
        open_to_all: bool,
        provider: Provider | None = None,
        merger: Callable[[WorkOrder], Merger] | None = None,
    ) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._book = book
        self._here = here
        self._make_pipeline = partial(RemotePipeline, book=book, store=store, cameras=cameras)
        self._ours = ours
        self._devices = devices
        self._open_to_all = open_to_all
        self._provider = provider
        self._sharing = None if merger is None else Sharing(self._take_further, merger)
        self._line: Mapping[str, Needs] = {}
        book.on_change = here.on_change = self._note_change
        if provider is not None:
            provider.on_change = self._note_change

    def take(self, line: Sequence[Needs]) -> Taken | None:
        """Give a place to the first job of the line that one suits; None if none does."""
        self._line = {needs.job_id: needs for needs in line}
        hopeless = set[Hashable]()
        for needs in line:
            kind = _kind(needs)
            if kind in hopeless:
                continue
            place = self._place(needs)
            if place is not None:
                return Taken(needs.job_id, place)
            hopeless.add(kind)
        self._tell_provider(line)
        return None

    def waiting_for(self, job_id: str) -> str | None:
        """Return the reason, as a sentence, why a job of the last line has no place, if that is more than its turn."""
        needs = self._line.get(job_id)
        if needs is None or needs.at is not None or self._may_run_here(needs):
            return None
        provided = None if self._provider is None else self._provider.waiting_for(job_id)
        return provided or reason(needs, self._book.all(), self._ours())

    def require(self, needs: Needs) -> None:
        """Check that a new job may get a place one day: here, with an agent of now, or with one that is to come.

        Raises:
            InvalidRequest: it never will, and names what is missing.
        """
        if needs.where == "server":
            self._here.require(needs)
        elif self._provider is not None:
            self._require_provided(needs, self._provider)
        elif self._open_to_all and not self._suits_an_agent(needs):
            self._here.require(needs)

    def dismiss(self, name: str) -> bool:
        """Send the idle agent of this name away. Return False if it is busy, and stays, or is not there."""
        agent = next((agent for agent in self._book.all() if agent.facts.name == name), None)
        return agent is not None and self._book.dismiss(agent, NO_LONGER_NEEDED)

    def _place(self, needs: Needs) -> Place | None:
        agent = choose(needs, self._book.all(), self._ours())
        if self._may_run_here(needs) and (agent is None or self._has_more(needs, agent)):
            taken = self._here.take([needs])
            if taken is not None:
                return taken.place
        return None if agent is None else AgentPlace(needs, agent, self._book, self._make_pipeline, self._sharing)

    def _take_further(self, needs: Needs, places: Sequence[LanePlace]) -> AgentPlace | None:
        if any(job_id != needs.job_id for job_id in self._line):
            return None
        taken = {place.agent for place in places if isinstance(place, AgentPlace)}
        others = [agent for agent in self._book.all() if agent.id not in taken]
        agent = choose(attrs.evolve(needs, at=None), others, self._ours())
        return None if agent is None else AgentPlace(attrs.evolve(needs), agent, self._book, self._make_pipeline, None)

    def _has_more(self, needs: Needs, agent: Joined) -> bool:
        """True if the server has the requested device, and the agent has not."""
        return has_device(needs, self._devices()) and not has_device(needs, agent.facts.devices)

    def _may_run_here(self, needs: Needs) -> bool:
        """True if the server itself can be the place of a job."""
        if needs.where == "server":
            return True
        if not self._open_to_all or needs.at is not None:
            return False
        try:
            self._here.require(needs)
        except InvalidRequest:
            return False
        return True

    def _suits_an_agent(self, needs: Needs) -> bool:
        ours = self._ours()
        return any(unfit(needs, agent, ours) is None for agent in self._book.all())

    def _require_provided(self, needs: Needs, provider: Provider) -> None:
        refusal = provider.refusal(needs)
        if refusal is not None and not self._suits_an_agent(needs):
            raise InvalidRequest(refusal)

    def _tell_provider(self, line: Sequence[Needs]) -> None:
        if self._provider is None:
            return
        waiting = [needs for needs in line if needs.where != "server" and needs.at is None]
        present = [
            Present(name=agent.facts.name, attempts=max(len(agent.held), len(agent.assigned)))
            for agent in self._book.all()
        ]
        self._provider.review(waiting, present)

    def _note_change(self) -> None:
        self.on_change()


def _kind(needs: Needs) -> Hashable:
    """What jobs have in common that get the same answer."""
    return (
        needs.plugins,
        needs.cpus,
        needs.gpus,
        frozenset(needs.resources.items()),
        needs.device,
        needs.where,
        needs.at,
        needs.avoid,
    )
