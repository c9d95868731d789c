"""Where jobs run: an engine gives each a place, in this server or in an agent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from kinora.actors.pipeline_link import AnyPipeline
from kinora.actors.work_order import WorkOrder


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
    must have its source, as with pushed pictures."""
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
        """Return the pipeline that carries out the order; in the server itself it is what ``make_here`` returns."""


class Engine(Protocol):
    """Gives out places. Those who ask wait in line; one is passed over only while no free place suits it."""

    async def take(self, needs: Needs) -> Place:
        """Wait for a place. If cancelled, none was taken."""

    def take_nowait(self, needs: Needs) -> Place | None:
        """Return a place; None if none is free for this job, or another one that it would suit waits for it."""

    def waiting_for(self, job_id: str) -> str | None:
        """The reason, as a sentence, why a job that waits has no place, if that is more than its turn."""
