"""Whereabouts: where the attempts of a job run, and what it needs of its next place."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from kinora.actors.jobs.embedded_engine import PlaceHere
from kinora.actors.jobs.engine import Needs, Place
from kinora.actors.pipeline.pipeline_link import AnyPipeline
from kinora.actors.pipeline.work_order import WorkOrder

HERE = PlaceHere(lambda: None)
"""A place in the server that nobody else waits for."""


class Whereabouts:
    """Where a job is. Each attempt has a pipeline of its own, in the place that the job had then.

    A paused job has given its place back, while its pipeline stays where it is: the next place must be there. Once the
    pipeline has ended, any place will do, except with an agent that was lost if there is another one.
    """

    def __init__(self, needs: Needs) -> None:
        self.attempt = 0
        """The number of the newest attempt."""
        self.at_work = False
        """True while the newest attempt has its pipeline, also during a pause."""
        self.place: Place = HERE
        """The newest place."""
        self._agent: str | None = None
        self._needs = needs

    @property
    def agent(self) -> str | None:
        """The agent that has the pipeline; None if the server has it, or nobody."""
        return self._agent if self.at_work else None

    @property
    def needs(self) -> Needs:
        """What the job needs of its next place."""
        if not self.at_work:
            return self._needs
        if self._agent is None:
            return attrs.evolve(self._needs, where="server")
        return attrs.evolve(self._needs, at=self._agent)

    def pipeline(self, order: WorkOrder, make_here: Callable[[], AnyPipeline]) -> AnyPipeline:
        """Return the pipeline of the next attempt, in the newest place."""
        self.attempt, self._agent = order.attempt, self.place.agent
        return self.place.pipeline(order, make_here)

    def avoid(self, agent: str) -> None:
        """Take another agent than this one from now on, if there is one."""
        self._needs = attrs.evolve(self._needs, avoid=self._needs.avoid | {agent})
