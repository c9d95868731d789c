"""The states of stages that were told before the newest frames were stored."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from kinora.actors.models import StageState


def caught_up(stages: Mapping[str, StageState], before: int, now: int) -> dict[str, StageState]:
    """Return the states of stages as they were when the last of ``now`` frames was stored; ``before`` were when told.

    A killed server or a lost agent has not told the states of its last second. Each stage counts as if it had processed
    the frames of that time, and none beyond them; what a stage at the side did in it is unknown.
    """

    def one(stage: StageState) -> StageState:
        if stage.status == "failed" or stage.side:
            return stage
        known, turns = _turns(before, stage.every), _turns(now, stage.every)
        return attrs.evolve(stage, frames=min(stage.frames, known) + max(0, turns - known))

    return {name: one(stage) for name, stage in stages.items()}


def to_go_on(stages: Mapping[str, StageState]) -> dict[str, StageState]:
    """Return the states of stages that have no process any more, and wait for one; a disabled one does not."""
    return {
        name: stage if stage.status == "failed" else attrs.evolve(stage, status="waiting", replicas=0)
        for name, stage in stages.items()
    }


def _turns(frames: int, every: int) -> int:
    """Return how many of so many frames a stage has worked on that takes every Nth."""
    return -(-frames // every)
