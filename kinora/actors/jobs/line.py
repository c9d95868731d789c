"""The line of all jobs that wait for a place: the queued ones, and paused ones that are to go on."""

from __future__ import annotations

from collections.abc import Sequence


class Line:
    """Gives the order in which jobs get places.

    Those that are to go on come in the order in which they were resumed. Among them the queue has one place, that of
    its first job. Whenever a queued job is taken, the next one stands behind all that are to go on by then; so neither
    kind waits for all of the other. The other queued jobs come last.
    """

    def __init__(self) -> None:
        self._resumed: list[str] = []
        """The jobs that are to go on."""
        self._ahead = 0
        """How many of them are ahead of the first queued job."""

    def join(self, job_id: str) -> None:
        """Add a job that is to go on, unless it waits already."""
        if job_id not in self._resumed:
            self._resumed.append(job_id)

    def leave(self, job_id: str) -> None:
        """Take out a job that is to go on; any other one has no effect."""
        if job_id in self._resumed:
            self._ahead -= self._resumed.index(job_id) < self._ahead
            self._resumed.remove(job_id)

    def note_taken(self, job_id: str) -> None:
        """Note that a job has got its place."""
        if job_id in self._resumed:
            self.leave(job_id)
        else:
            self._ahead = len(self._resumed)

    def order(self, queued: Sequence[str]) -> list[str]:
        """Return all that wait, in their order; ``queued`` has the queued ones in theirs."""
        if not queued:
            self._ahead = len(self._resumed)
        return [*self._resumed[: self._ahead], *queued[:1], *self._resumed[self._ahead :], *queued[1:]]
