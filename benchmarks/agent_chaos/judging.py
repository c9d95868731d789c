"""What must be true of each job in the end; one line for each violation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from benchmarks.agent_chaos.kinds import KINDS
from benchmarks.chaos.final import Final

MAX_LOSSES = 3
"""A job may fail when it loses a further agent."""
FIGURES = ("frames_done", "frames_total")


def lost_too_often(job: Final) -> bool:
    """Return whether a job has failed as it may: it has lost too many agents, and says so."""
    told = "was lost, as " in (job.state["error"] or "")
    return job.state["status"] == "failed" and told and job.warned("AGENT_LOST") == MAX_LOSSES


def judge_job(job: Final, kind: str, truth: Final) -> Iterator[str]:
    """Compare a job with an undisturbed run of its kind; of one that was lost too often, what it has."""
    state, indexes = job.state, [frame["index"] for frame in job.frames]
    if indexes != list(range(len(indexes))):
        yield f"{job}: its {len(indexes)} frames have gaps or repeats, expected each index once and in order"
    yield from _judge_results(job, truth)
    if state["status"] != "done":
        if not lost_too_often(job):
            yield f"{job}: {state['status']} ({state['stage']}): {state['error']}, expected done"
        return
    figures = [state[name] for name in FIGURES]
    if (found := {*figures, len(indexes)}) != {len(truth.frames)} or state["progress"] != 100:
        yield f"{job}: its figures are {sorted(found)} at {state['progress']} %, expected {len(truth.frames)} at 100 %"
    for plugin in KINDS[kind].plugins:
        told, expected = (of.state["plugins"][plugin]["finalize"] for of in (job, truth))
        if told != expected:
            yield f"{job}: finalize of {plugin} is {_short(told)}, expected {_short(expected)}"


def _judge_results(job: Final, truth: Final) -> Iterator[str]:
    """All that is told of each frame, the results of all plugins among it, is that of the undisturbed run."""
    wrong = [
        (frame, right) for frame, right in zip(job.frames, truth.frames, strict=False) if _told(frame) != _told(right)
    ]
    if wrong:
        frame, right = wrong[0]
        plugins = sorted(name for name in right["results"] if frame["results"].get(name) != right["results"][name])
        lacking = sum(frame["results"].keys() != right["results"].keys() for frame, right in wrong)
        name = plugins[0] if plugins else None
        yield (
            f"{job}: {len(wrong)} frames differ from an undisturbed run's ({lacking} lack results), from frame"
            f" {frame['index']} on in {', '.join(plugins)}: {_short(frame['results'].get(name))}, expected"
            f" {_short(right['results'].get(name))}; warnings {job.state['warnings']}"
        )


def _told(frame: Any) -> dict[str, Any]:
    return {name: value for name, value in frame.items() if name != "digest"}


def _short(value: object) -> str:
    return repr(value)[:120]
