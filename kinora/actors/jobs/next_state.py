"""How what shows a job in this process waits between two looks at it."""

from __future__ import annotations

import trio

from kinora.actors.jobs.job_manager import JobManager
from kinora.actors.models import JobState

REFRESH_S = 0.1
"""The time between two looks at a running job; its end is seen at once."""


async def next_state(jobs: JobManager, state: JobState) -> JobState:
    """Return the next state after this one, once it is time for another look."""
    changed = await jobs.wait_changed(state.job_id, state)
    with trio.move_on_after(REFRESH_S):
        await jobs.wait_ended(state.job_id)
    return changed
