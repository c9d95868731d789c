"""The frames in a stage, from when it takes them until it passes them on in their order."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import attrs
import trio

from kinora.actors.frames.ticket import FrameTicket
from kinora.actors.stages.replica import Outcome, Replica
from kinora.plugins.devices import CPU


@attrs.define(eq=False, kw_only=True)
class Flight:
    """One frame on its way through the stage, alone or in a batch."""

    ticket: FrameTicket
    queue_ms: float
    replica: Replica | None = None
    """The one that processes it and comes back to the crew after it; None if there is none."""
    scope: trio.CancelScope | None = None
    """Around the work on it, if others are under way at the same time."""
    outcome: Outcome | None = None
    """None also if the plugin was disabled before there was one."""
    device: str = CPU
    """The device that it was processed on."""
    done: bool = False
    judged: trio.Event | None = None
    """Set once what follows from the outcome has been done, if somebody waits for that."""
    began_ns: int = 0
    ended_ns: int = 0


class Flights:
    """The frames under way, in order."""

    def __init__(self) -> None:
        self._flights: deque[Flight] = deque()

    def __len__(self) -> int:
        """The number of frames that have not left the stage."""
        return len(self._flights)

    @property
    def first_done(self) -> Flight | None:
        """The first frame if it is done: it is the next to leave. None if it is not, or if there is none."""
        return self._flights[0] if self._flights and self._flights[0].done else None

    def add(self, flights: Iterable[Flight]) -> None:
        """Add frames behind all others."""
        self._flights.extend(flights)

    def remove_first(self) -> None:
        """Remove the first frame, which has left the stage."""
        flight = self._flights.popleft()
        if flight.judged is not None:
            flight.judged.set()

    def call_off(self, reason: str) -> None:
        """End the work on all frames that are under way at the same time as others."""
        for flight in self._flights:
            if flight.scope is not None:
                flight.scope.cancel(reason=reason)

    def clear(self) -> None:
        """Forget all frames."""
        self._flights.clear()
