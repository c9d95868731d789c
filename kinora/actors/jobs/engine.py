"""Where jobs run: an engine gives each a place, in this server or in an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import attrs

from kinora.actors.pipeline.pipeline_link import AnyPipeline
from kinora.actors.pipeline.work_order import WorkOrder


@attrs.frozen(kw_only=True)
class Needs:
    """What a job needs of the place where it runs."""

    job_id: str
    plugins: tuple[str, ...]
    """The names of its plugins."""
    cpus: float = 1.0
    gpus: float = 0.0
    resources: Mapping[str, float] = attrs.field(factory=dict)
    device: str = "auto"
    """The device that was requested."""
    where: str = "anywhere"
    """``anywhere``; ``this_machine`` if its source is of the server's machine only; ``server`` if the server itself
    must have its source, as with pushed pictures, keeps clips of it, or has its workers already."""
    at: str | None = None
    """The agent that has its workers, while it is paused: only a place there suits. None if no agent has any."""
    avoid: frozenset[str] = frozenset()
    """The agents that were lost with this job: another one is taken if there is one."""


class Place(Protocol):
    """The place of one job."""

    @property
    def agent(self) -> str | None:
        """The id of the agent; None for the server itself."""

    def give_back(self) -> None:
        """Let the next job have it. A second time has no effect."""

    def pipeline(self, order: WorkOrder, make_here: Callable[[], AnyPipeline]) -> AnyPipeline:
        """Return the pipeline that carries out the order; in the server itself it is what ``make_here`` returns.

        A job that goes on after a short pause has its pipeline already, and asks its new place for none.
        """


@attrs.frozen
class Taken:
    """A place that was given to a job of the line."""

    job_id: str
    place: Place


class Engine(Protocol):
    """Gives out places. The JobManager has the line of those who wait, and asks again after each change."""

    on_change: Callable[[], None]
    """Called whenever there may be a place for a job that had none, or another reason why it has none. Its owner sets
    it; it does not wait, and does not call the engine."""

    def take(self, line: Sequence[Needs]) -> Taken | None:
        """Give a place to the first job of the line that one suits; None if none does.

        The line is all jobs that wait, in their order, also if it is empty. It is told again with each call; the caller
        asks until None comes.
        """

    def waiting_for(self, job_id: str) -> str | None:
        """Return the reason, as a sentence, why a job of the last line has no place, if that is more than its turn."""

    def require(self, needs: Needs) -> None:
        """Check that a new job may get a place here one day.

        Raises:
            InvalidRequest: it never will, and names what is missing.
        """
