"""The rows of YOLO's labels for each task; a data set has rows of one kind only."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from kinora.plugins.forms.catalogue import Detection, Pair
from kinora.results.coco_shapes import SEEN, UNSEEN, is_seen
from kinora.results.found import FoundFrame
from kinora.results.outlines import outline_of, turned_outline_of


def box_row(found: Detection, frame: FoundFrame) -> str | None:
    """The centre and the size of the part of the box that is in the picture, in shares of it; None if there is none."""
    left, right = (_within(x, frame.width) for x in (found.x, found.x + found.width))
    top, bottom = (_within(y, frame.height) for y in (found.y, found.y + found.height))
    if right <= left or bottom <= top:
        return None
    return _shares([((left + right) / 2, (top + bottom) / 2), (right - left, bottom - top)], frame)


def outline_row(found: Detection, frame: FoundFrame) -> str | None:
    """The corners of the outline."""
    outline = outline_of(found)
    return None if outline is None else _shares(outline, frame)


def turned_row(found: Detection, frame: FoundFrame) -> str | None:
    """The four corners of the turned box."""
    corners = turned_outline_of(found)
    return None if corners is None else _shares(corners, frame)


def pose_row(found: Detection, frame: FoundFrame) -> str | None:
    """The box, and each key point with how visible it is."""
    box = box_row(found, frame)
    if not found.keypoints or box is None:
        return None
    points = (
        f"{_shares([(x, y)], frame)} {SEEN}" if is_seen(seen) else f"0 0 {UNSEEN}" for x, y, seen in found.keypoints
    )
    return " ".join([box, *points])


TASKS: Mapping[str, Callable[[Detection, FoundFrame], str | None]] = {
    "segment": outline_row,
    "pose": pose_row,
    "obb": turned_row,
}
"""The tasks beside ``detect``, by what a row of them says; the first that all detections have is written."""


def tasks_of(found: Detection) -> set[str]:
    """The tasks for which a detection has what is needed."""
    has = {
        "segment": found.polygon is not None or found.mask is not None,
        "pose": bool(found.keypoints),
        "obb": found.angle is not None,
    }
    return {task for task, there in has.items() if there}


def _shares(points: Iterable[Pair], frame: FoundFrame) -> str:
    """Places in shares of the picture; those outside of it are moved to its edge."""
    width, height = frame.width, frame.height
    return " ".join(f"{_within(x, width) / width:.6f} {_within(y, height) / height:.6f}" for x, y in points)


def _within(place: float, size: int) -> float:
    return min(max(place, 0), size)
