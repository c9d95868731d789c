"""The skeleton of a person, whose 17 key points are those of COCO, as pose models have them."""

from __future__ import annotations

from kinora.plugins.builtin.yolo.metadata import Facts

_LEGS = ((15, 13), (13, 11), (16, 14), (14, 12))
_TRUNK = ((11, 12), (5, 11), (6, 12), (5, 6))
_ARMS = ((5, 7), (6, 8), (7, 9), (8, 10))
_HEAD = ((1, 2), (0, 1), (0, 2), (1, 3), (2, 4), (3, 5), (4, 6))
PERSON = (*_LEGS, *_TRUNK, *_ARMS, *_HEAD)
"""Pairs of nose, eyes, ears, shoulders, elbows, wrists, hips, knees and ankles, of each the left one first."""
POINTS = 17
OTHER_POINTS = (
    f"the lines that are drawn between keypoints are those of a person's {POINTS}, and mean nothing for this model's: "
    "for others write a plugin with a skeleton of its own, see docs/builtin-plugins.md"
)


def other_points(facts: Facts) -> bool:
    """Whether a model says that it gives keypoints of something else."""
    shape = facts.keypoint_shape
    return facts.task == "pose" and shape is not None and shape[0] != POINTS
