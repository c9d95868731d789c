"""Plain ByteTrack (Zhang et al., 2022), written from the paper, as a measure for Kinora's tracker.

Boxes of low confidence are matched too, to the tracks that those of high confidence leave over. The predictions come
from a Kalman filter on centre, aspect ratio and height; classes are not looked at. Its numbers are those of the paper,
with the sizes of the filter's noise from DeepSORT (Wojke et al., 2017). Frames count, not time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from kinora.plugins.forms.detections import as_boxes, iou

HIGH = 0.5
LOW = 0.1
NEW = 0.6
"""Least confidence that begins a track."""
FIRST, SECOND, UNCONFIRMED = 0.8, 0.5, 0.7
"""The largest distances, 1 - IoU, of the three associations."""
KEPT_FRAMES = 30
POSITION, VELOCITY = 1 / 20, 1 / 160
"""Standard deviations of the filter, as shares of the height."""
Array = NDArray[np.float64]


class Filter:
    """A Kalman filter at constant velocity, one step a frame."""

    MOTION = np.eye(8) + np.eye(8, k=4)
    SEEN = np.eye(4, 8)

    def __init__(self, measured: Array) -> None:
        """``measured``: centre x and y, width over height, height."""
        h = measured[3]
        self.mean = np.concatenate([measured, np.zeros(4)])
        deviations = [2 * POSITION * h, 2 * POSITION * h, 1e-2, 2 * POSITION * h]
        deviations += [10 * VELOCITY * h, 10 * VELOCITY * h, 1e-5, 10 * VELOCITY * h]
        self.covariance = np.diag(np.square(deviations))

    def predict(self, *, lost: bool) -> None:
        """One frame on; the height of a lost thing stays."""
        if lost:
            self.mean[7] = 0
        h = self.mean[3]
        deviations = [POSITION * h, POSITION * h, 1e-2, POSITION * h]
        deviations += [VELOCITY * h, VELOCITY * h, 1e-5, VELOCITY * h]
        self.mean = self.MOTION @ self.mean
        self.covariance = self.MOTION @ self.covariance @ self.MOTION.T + np.diag(np.square(deviations))

    def update(self, measured: Array) -> None:
        """Take a measured box."""
        h = self.mean[3]
        noise = np.diag(np.square([POSITION * h, POSITION * h, 1e-1, POSITION * h]))
        expected = self.SEEN @ self.covariance @ self.SEEN.T + noise
        gain = self.covariance @ self.SEEN.T @ np.linalg.inv(expected)
        self.mean = self.mean + gain @ (measured - self.SEEN @ self.mean)
        self.covariance = self.covariance - gain @ expected @ gain.T


@attrs.define(eq=False)
class _Track:
    number: int
    filter: Filter
    frame: int
    confirmed: bool
    box: tuple[float, ...]

    def predicted(self) -> tuple[float, float, float, float]:
        x, y, ratio, height = self.filter.mean[:4]
        width = ratio * height
        return x - width / 2, y - height / 2, width, height


class ByteTrack:
    """The tracker: call it once a frame."""

    def __init__(self) -> None:
        """Begin with no tracks."""
        self._tracks: list[_Track] = []
        self._frame = 0
        self._count = 0

    def __call__(self, _ms: float, detections: Sequence[dict[str, Any]]) -> list[tuple[int, tuple[float, ...]]]:
        """The ids and boxes of the confirmed tracks that are seen in this frame."""
        self._frame += 1
        for track in self._tracks:
            track.filter.predict(lost=track.frame < self._frame - 1)
        boxes = as_boxes([(d["x"], d["y"], d["width"], d["height"]) for d in detections])
        scores = np.array([d["confidence"] for d in detections])
        high = np.flatnonzero(scores >= HIGH).tolist()
        low = np.flatnonzero((scores < HIGH) & (scores >= LOW)).tolist()
        known = [t for t in self._tracks if t.confirmed]
        left, high = self._associate(known, high, boxes, FIRST, scores)
        self._associate([t for t in left if t.frame == self._frame - 1], low, boxes, SECOND, None)
        fresh, high = self._associate([t for t in self._tracks if not t.confirmed], high, boxes, UNCONFIRMED, scores)
        self._tracks = [t for t in self._tracks if t not in fresh and self._frame - t.frame <= KEPT_FRAMES]
        self._begin([i for i in high if scores[i] >= NEW], boxes)
        return [(t.number, t.box) for t in self._tracks if t.confirmed and t.frame == self._frame]

    def _begin(self, chosen: list[int], boxes: Array) -> None:
        for index in chosen:
            self._count += 1
            box = boxes[index]
            self._tracks.append(
                _Track(self._count, Filter(_measured(box)), self._frame, self._frame == 1, tuple(box.tolist()))
            )

    def _associate(
        self, tracks: list[_Track], chosen: list[int], boxes: Array, farthest: float, scores: Array | None
    ) -> tuple[list[_Track], list[int]]:
        """Match, and return the tracks and the boxes that are left over. ``scores`` make sure boxes nearer."""
        if not tracks or not chosen:
            return tracks, chosen
        alike = iou(as_boxes([t.predicted() for t in tracks]), boxes[chosen])
        distance = 1 - (alike if scores is None else alike * scores[chosen])
        rows, columns = linear_sum_assignment(np.where(distance <= farthest, distance, 1e3))
        pairs = [(r, c) for r, c in zip(rows.tolist(), columns.tolist(), strict=True) if distance[r, c] <= farthest]
        for row, column in pairs:
            track, box = tracks[row], boxes[chosen[column]]
            track.filter.update(_measured(box))
            track.frame, track.confirmed, track.box = self._frame, True, tuple(box.tolist())
        taken_tracks, taken = {r for r, _ in pairs}, {c for _, c in pairs}
        return (
            [t for i, t in enumerate(tracks) if i not in taken_tracks],
            [c for i, c in enumerate(chosen) if i not in taken],
        )


def _measured(box: Array) -> Array:
    x, y, width, height = box
    return np.array([x + width / 2, y + height / 2, width / height, height])
