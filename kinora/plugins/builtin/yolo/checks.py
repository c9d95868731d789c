"""Whether a model's numbers are what its layout says, seen on a grey picture before the first frame.

Shapes alone do not tell: a raw YOLOX has that of a YOLOv6.
"""

from __future__ import annotations

import attrs
import numpy as np

from kinora.plugins.builtin.yolo.decoding import BOX, Rows, scores_of
from kinora.plugins.builtin.yolo.heads import Head

SLACK = 0.01
"""What half precision may be off."""
SHARES_BELOW = 1.5
"""Boxes in shares of the picture reach a little beyond 1."""
MOST = 0.5
"""A model with a grid gives numbers for every place of it, at least for this share."""
NEAR_EDGE = 0.2
"""The places of a grid reach the far edges of the input, so their centres go beyond this share of its longer side."""


def checked(rows: Rows, head: Head, size: tuple[int, int]) -> Head:
    """``head``, with ``of_one`` and ``centred`` found out; ``size`` is the height and width of the model's input.

    Raises:
        ValueError: these numbers are not boxes in its layout; the text says what was expected and what was found.
    """
    given = rows[np.isfinite(rows).all(axis=1) & (rows != 0).any(axis=1)]
    if not len(given):
        return head
    _check_scores(given, head)
    boxes, whole = given[:, :BOX], len(given) > MOST * len(rows)
    of_one = whole and bool(boxes.max() < SHARES_BELOW)
    if head.layout == "end2end":
        _check_classes(given, head)
        inside_out = bool((boxes[:, 2:] < boxes[:, :2]).any())
        return attrs.evolve(head, of_one=of_one, centred=of_one and inside_out)
    _check_boxes(boxes, NEAR_EDGE * max(size) if whole and not of_one else 0.0)
    return attrs.evolve(head, of_one=of_one)


def _check_scores(rows: Rows, head: Head) -> None:
    scores, _ = scores_of(rows, head)
    low, high = float(scores.min()), float(scores.max())
    if low < -SLACK or high > 1 + SLACK:
        raise ValueError(
            f"as {head.layout}, this model's confidences go from {low:.3g} to {high:.3g}, not from 0 to 1: export it "
            "with its last step (a sigmoid), or set the option layout to what it is"
        )


def _check_classes(rows: Rows, head: Head) -> None:
    _, classes = scores_of(rows, head)
    if (classes != np.rint(classes)).any() or classes.min() < 0 or classes.max() >= (head.classes or np.inf):
        count = "" if head.classes is None else f" below {head.classes}"
        raise ValueError(
            f"as {head.layout}, this model's class numbers must be whole ones{count}; they go from "
            f"{classes.min():.3g} to {classes.max():.3g}: set the option layout to what it is"
        )


def _check_boxes(boxes: Rows, reach: float) -> None:
    """``reach`` is what the largest coordinate of a centre must come to, in pixels."""
    sizes, centres = boxes[:, 2:], boxes[:, :2]
    if sizes.min() < -SLACK or centres.max() < reach:
        raise ValueError(
            f"this model gives centres from {centres.min():.3g} to {centres.max():.3g} and sizes from "
            f"{sizes.min():.3g} to {sizes.max():.3g}, not pixels of its input: it is a raw grid, as YOLOX exports it. "
            "Export it with its decoding (YOLOX: --decode_in_inference)"
        )
