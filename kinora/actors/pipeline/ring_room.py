"""The room that a job's stages need: waiting places between them, and slots of the ring for all frames in them."""

from __future__ import annotations

from collections.abc import Sequence

from kinora.actors.requests.job_request import Policy
from kinora.actors.stages.stage_spec import StageSpec

STAGE_QUEUE_FRAMES = 1
"""The frames that can wait for a stage, if neither it nor the one before takes several at once.

If it is full, the stage before waits, and so on back to the decoder.
"""


def waiting_places(stages: Sequence[StageSpec], policy: Policy) -> list[int]:
    """The places before each stage, and at last those behind all.

    A batch gathers before its stage while that is at work, and leaves it at once. With the policy ``latest`` frames do
    not gather: the newest one is what counts.
    """
    if policy == "latest":
        return [STAGE_QUEUE_FRAMES] * (len(stages) + 1)
    batches = [1, *(stage.max_batch for stage in stages), 1]
    return [max(STAGE_QUEUE_FRAMES, *batches[place : place + 2]) for place in range(len(stages) + 1)]


def slots_wanted(stages: Sequence[StageSpec], places: Sequence[int], batch: int) -> int:
    """The slots for the frames in all stages and before them, if no stage takes more than ``batch`` at once."""
    waiting = sum(min(place, batch) for place in places[: len(stages)])
    return waiting + sum((stage.slots - STAGE_QUEUE_FRAMES) * min(stage.max_batch, batch) for stage in stages)


def batch_that_fits(stages: Sequence[StageSpec], places: Sequence[int], slots: int) -> int:
    """The most frames that a stage may take at once so that all have room in so many slots; at least 1."""
    most = max((stage.max_batch for stage in stages), default=1)
    return next((batch for batch in range(most, 1, -1) if slots_wanted(stages, places, batch) <= slots), 1)
