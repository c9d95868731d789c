"""Detections as those of the package supervision, https://supervision.roboflow.com."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kinora.python.errors import RunError
from kinora.python.found import NO_TRACK, Detections

if TYPE_CHECKING:
    import supervision


def to_supervision(found: Detections) -> supervision.Detections:
    """The same detections; a class's ``class_id`` is its place among the frame's classes in alphabetical order.

    There are ``tracker_id`` if all detections have one: supervision knows no array in which some lack it.
    """
    try:
        import supervision as sv  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise RunError("to_supervision needs the package: pip install supervision") from error
    tracked = len(found) > 0 and bool((found.track_id != NO_TRACK).all())
    _, class_id = np.unique(found.class_name, return_inverse=True)
    return sv.Detections(
        xyxy=found.xyxy,
        confidence=found.confidence,
        class_id=class_id.astype(int),
        tracker_id=found.track_id.astype(int) if tracked else None,
        data={"class_name": found.class_name},
    )
