"""The jobs whose results somebody reads: retention leaves them until that is over."""

from __future__ import annotations

from collections import OrderedDict

import trio

READING_S = 60.0
"""A job counts as being read for this long after a page of its frames was read: a slow client reads the next late."""
MAX_READ = 10_000
"""The most jobs that are remembered; beyond it the one whose last read is the longest ago counts as unread."""


class RecentReads:
    """Remembers which jobs' frames were read in the last ``READING_S``."""

    def __init__(self) -> None:
        self._read_at: OrderedDict[str, float] = OrderedDict()
        """Job → the time of its last read; the longest ago comes first."""

    def note(self, job_id: str) -> None:
        """Note that a page of the job's frames is read now."""
        self._read_at[job_id] = trio.current_time()
        self._read_at.move_to_end(job_id)
        if len(self._read_at) > MAX_READ:
            self._read_at.popitem(last=False)

    def __contains__(self, job_id: str) -> bool:
        """Return whether the job is being read."""
        return trio.current_time() - self._read_at.get(job_id, float("-inf")) < READING_S

    def forget(self, job_id: str) -> None:
        """Drop a deleted job."""
        self._read_at.pop(job_id, None)
