"""The indexes and times of a live source's frames, which go on over all its connections."""

from __future__ import annotations

import attrs

from kinora.actors.frames.ticket import FrameTicket
from kinora.media.arrival import clock_s


@attrs.frozen
class Moment:
    """When a frame was shown and when it came."""

    timestamp_ms: float
    """Since the first frame of the job."""
    received_s: float
    """By :func:`~kinora.media.arrival.clock_s`."""


@attrs.define
class LiveCount:
    """Gives the frames of each connection, which counts from 0, their indexes and times in the job.

    Time begins with the first frame. That of a further connection is later than the last one before by the time that
    has passed between their arrivals.
    """

    next_index: int = 0
    """The index of the next connection's first picture, on the grid of the stride."""
    last: Moment | None = None
    """The last frame so far; None if there is none."""
    _first_index: int = 0
    """That of the picture which this connection counts as 0."""
    _has_begun: bool = False
    """True once there was a frame of this connection."""
    _shift_ms: float = 0.0

    def connect(self, *, numbered: bool = False) -> None:
        """Begin with a new connection; if ``numbered``, its pictures have their indexes in the job."""
        self._first_index = 0 if numbered else self.next_index
        self._has_begun = False

    def place(self, ticket: FrameTicket, stride: int) -> None:
        """Change a frame's index and time to those in the job."""
        if not self._has_begun:
            self._has_begun = True
            self._shift_ms = self._begins_at(ticket) - ticket.timestamp_ms
        ticket.index += self._first_index
        ticket.timestamp_ms += self._shift_ms
        self.next_index = ticket.index + stride
        self.last = Moment(ticket.timestamp_ms, clock_s() if ticket.received_s is None else ticket.received_s)

    def _begins_at(self, ticket: FrameTicket) -> float:
        if self.last is None:
            return 0.0
        if ticket.received_s is None:
            return self.last.timestamp_ms
        return self.last.timestamp_ms + max(0.0, ticket.received_s - self.last.received_s) * 1000
