"""The tracker beside plain ByteTrack, on the scenes of the benchmark."""

from __future__ import annotations

import pytest

from benchmarks.tracking.__main__ import verdict
from benchmarks.tracking.bytetrack import ByteTrack
from benchmarks.tracking.scenes import SCENES, Scene
from benchmarks.tracking.scores import kinora, score, stepwise

SEEDS = (0, 1)
HARD = {"occlusion", "low frame rate", "class flicker", "jitter", "false alarms", "crowd"}
"""The scenes that tell trackers apart; the benchmark has all."""


@pytest.mark.parametrize("scene", [scene for scene in SCENES if scene.name in HARD], ids=lambda scene: scene.name)
def test_it_is_no_worse_than_bytetrack(scene: Scene) -> None:
    """Neither in MOTA nor in IDF1, by more than a hundredth."""
    assert verdict(score(scene, kinora, SEEDS), score(scene, stepwise(ByteTrack), SEEDS)) == "met"
