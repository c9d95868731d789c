"""Detections as those of the package supervision, https://supervision.roboflow.com."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms.rle import pixels_of
from kinora.python.errors import RunError
from kinora.python.found import NO_TRACK, Detections

if TYPE_CHECKING:
    import supervision


def to_supervision(found: Detections, width: int, height: int) -> supervision.Detections:
    """The detections in a frame of this size, in pixels.

    A class's ``class_id`` is its place among the frame's classes in alphabetical order. There are ``tracker_id`` and
    ``mask`` if all detections have one: supervision knows no array in which some lack it.
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
        mask=_masks(found.entries, width, height),
        data={"class_name": found.class_name},
    )


def _masks(entries: NDArray[np.object_], width: int, height: int) -> NDArray[np.bool_] | None:
    """Shape (n, height, width), true inside; None unless all have a mask that can be read."""
    masks = np.zeros((len(entries), height, width), np.bool_)
    for inside, entry in zip(masks, entries, strict=True):
        if entry.mask is None:
            return None
        try:
            pixels = pixels_of(entry.mask)
        except ValueError:
            return None
        left, top = max(0, entry.mask.x), max(0, entry.mask.y)
        pixels = pixels[top - entry.mask.y :, left - entry.mask.x :]
        place = inside[top : top + pixels.shape[0], left : left + pixels.shape[1]]
        place[:] = pixels[: place.shape[0], : place.shape[1]]
    return masks if len(masks) else None
