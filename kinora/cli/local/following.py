"""How a command follows a job in this process: its frames and events into files, its progress onto the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kinora.cli.local.results_file import ResultsFile
from kinora.cli.terminal.live import Moment
from kinora.system import System


async def take_frames(
    system: System, results: Sequence[ResultsFile], hear: Callable[[Mapping[str, Any]], None] = lambda _: None
) -> None:
    """Write the frames so far into all ``results`` of one job, then the events, each of which ``hear`` is given."""
    first, jobs = results[0], system.jobs
    async for page in jobs.frame_pages(first.state.job_id, after=first.last_index):
        for result in results:
            result.add(page)
    while found := (await jobs.events(first.state.job_id, after=first.last_event)).events:
        told = [result.add_events(found) for result in results]
        for event in told[0]:
            hear(event)


def moment_of(results: ResultsFile) -> Moment:
    """The progress of the job of ``results`` now."""
    state = results.state
    return Moment(
        stage=state.status if state.ended else state.stage,
        done=state.frames_done,
        total=state.frames_total,
        detections=dict(results.tally.detections),
        warnings=len(state.warnings),
    )
