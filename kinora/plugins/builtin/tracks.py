"""Matches detections to tracks from frame to frame.

The method is that of SORT (Bewley et al., Simple Online and Realtime Tracking, 2016): each track predicts its box at
constant velocity, and each detection goes to the track whose prediction fits it best. The measure of fit is the
distance-IoU (Zheng et al., 2020), which also ranks boxes that do not overlap, as of people who walk fast before a slow
camera. A fixed-gain filter replaces the Kalman filter, and matching the best pair first the Hungarian method.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.detections import Boxes, Detection, as_boxes, iou

VELOCITY_GAIN = 0.4  # the share of a measured change of velocity that is taken over
MAX_PREDICTION_MS = 500.0  # a track unseen for longer is expected where it should have been after this time


@attrs.define(eq=False)
class Track:
    """One followed thing."""

    seen: Detection
    seen_ms: float
    velocity: NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(2))
    """Pixels per millisecond, x and y."""
    hits: int = 1
    track_id: int | None = None

    def predict(self, now_ms: float) -> tuple[float, float, float, float]:
        """The box where it should be now: x, y, width and height."""
        x, y, width, height = self.seen.box
        dx, dy = self.velocity * min(now_ms - self.seen_ms, MAX_PREDICTION_MS)
        return x + dx, y + dy, width, height

    def see(self, detection: Detection, now_ms: float) -> None:
        """Take a detection as its newest sighting."""
        moved = _centre(detection) - _centre(self.seen)
        elapsed = max(now_ms - self.seen_ms, 1.0)
        self.velocity += VELOCITY_GAIN * (moved / elapsed - self.velocity)
        self.seen, self.seen_ms = detection, now_ms
        self.hits += 1


def match(tracks: Sequence[Track], found: Sequence[Detection], now_ms: float, least: float) -> list[tuple[int, int]]:
    """Pairs of indices into both, of one class and with a distance-IoU of at least ``least``; best pairs go first."""
    if not tracks or not found:
        return []
    predicted = as_boxes([track.predict(now_ms) for track in tracks])
    alike = distance_iou(predicted, as_boxes([detection.box for detection in found]))
    other = np.array([[track.seen.kind != detection.kind for detection in found] for track in tracks])
    alike[other] = -np.inf
    pairs = []
    while alike.max() >= least:
        row, column = np.unravel_index(int(alike.argmax()), alike.shape)
        pairs.append((int(row), int(column)))
        alike[row, :] = alike[:, column] = -np.inf
    return pairs


def distance_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b)), -1 to 1: IoU less the squared distance of the centres over that of the hull's corners."""
    apart = (a[:, None, :2] + a[:, None, 2:] / 2) - (b[None, :, :2] + b[None, :, 2:] / 2)
    low = np.minimum(a[:, None, :2], b[None, :, :2])
    high = np.maximum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    hull = np.maximum(((high - low) ** 2).sum(axis=2), 1e-9)
    alike: NDArray[np.float64] = iou(a, b) - (apart**2).sum(axis=2) / hull
    return alike


def _centre(detection: Detection) -> NDArray[np.float64]:
    x, y, width, height = detection.box
    return np.array([x + width / 2, y + height / 2])
