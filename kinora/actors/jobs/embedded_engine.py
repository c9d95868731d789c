"""EmbeddedEngine: runs jobs in the server itself, a limited number at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from kinora.actors.errors import FieldError, InvalidRequest
from kinora.actors.jobs.engine import Needs, Taken
from kinora.actors.pipeline.pipeline_link import AnyPipeline
from kinora.actors.pipeline.work_order import WorkOrder
from kinora.plugins.devices import CPU, Device


class PlaceHere:
    """A place in the server itself."""

    agent = None

    def __init__(self, give_back: Callable[[], None]) -> None:
        """``give_back`` is called once."""
        self._give_back: Callable[[], None] | None = give_back

    def give_back(self) -> None:
        """Let the next job have it. A second time has no effect."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()

    def pipeline(self, order: WorkOrder, make_here: Callable[[], AnyPipeline]) -> AnyPipeline:  # noqa: ARG002 - Place's
        """Return what ``make_here`` returns."""
        return make_here()


class EmbeddedEngine:
    """Has a number of places, each of which suits every job: the line is served in its order."""

    def __init__(self, places: int, devices: Callable[[], Sequence[Device]] = tuple) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._free = places
        self._devices = devices

    def take(self, line: Sequence[Needs]) -> Taken | None:
        """Give a place to the first job of the line; None if all are taken."""
        if not line or not self._free:
            return None
        self._free -= 1
        return Taken(line[0].job_id, PlaceHere(self._put_back))

    def waiting_for(self, job_id: str) -> str | None:  # noqa: ARG002 - the protocol's signature
        """Return None: a job waits for its turn only."""
        return None

    def require(self, needs: Needs) -> None:
        """Check that this server has the GPUs and resources that a job asks for; its cores are shared by all jobs.

        Raises:
            InvalidRequest: it has not.
        """
        gpus = sum(device.available and device.kind != CPU for device in self._devices())
        errors = []
        if needs.gpus > gpus:
            errors.append(FieldError("options.gpus", f"asks for {needs.gpus:g}; this server has {gpus}"))
        errors += [
            FieldError(f"options.resources.{name}", "is asked for; this server has none, only agents can have some")
            for name, amount in needs.resources.items()
            if amount
        ]
        if errors:
            raise InvalidRequest("This server lacks what the job asks for: ask for less.", errors)

    def _put_back(self) -> None:
        self._free += 1
        self.on_change()
