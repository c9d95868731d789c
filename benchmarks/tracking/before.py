"""The tracker that Kinora had before: a class is a wall, and all boxes count alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.tracks import distance_iou
from kinora.plugins.forms.detections import Detection, as_boxes, iou, read_detections

VELOCITY_GAIN = 0.4
MAX_PREDICTION_MS = 500.0
MAX_AGE_MS = 2000.0
MIN_HITS = 2
MIN_MATCH = -0.2
SAME_THING_IOU = 0.6


@attrs.define(eq=False)
class _Track:
    seen: Detection
    seen_ms: float
    velocity: NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(2))
    hits: int = 1
    number: int | None = None

    def predict(self, now_ms: float) -> tuple[float, float, float, float]:
        x, y, width, height = self.seen.box
        dx, dy = self.velocity * min(now_ms - self.seen_ms, MAX_PREDICTION_MS)
        return x + dx, y + dy, width, height

    def see(self, detection: Detection, now_ms: float) -> None:
        moved = _centre(detection) - _centre(self.seen)
        self.velocity += VELOCITY_GAIN * (moved / max(now_ms - self.seen_ms, 1.0) - self.velocity)
        self.seen, self.seen_ms = detection, now_ms
        self.hits += 1


class Before:
    """The tracker: call it once a frame."""

    def __init__(self) -> None:
        """Begin with no tracks."""
        self._tracks: list[_Track] = []
        self._count = 0

    def __call__(self, ms: float, detections: Sequence[dict[str, Any]]) -> list[tuple[int, tuple[float, ...]]]:
        """The ids and boxes of the tracks that are seen in this frame."""
        self._tracks = [t for t in self._tracks if ms - t.seen_ms <= MAX_AGE_MS]
        found = _each_once(read_detections({"detections": list(detections)}))
        claimed = {}
        for row, column in _match(self._tracks, found, ms):
            self._tracks[row].see(found[column], ms)
            claimed[column] = self._tracks[row]
        for index, detection in enumerate(found):
            if index not in claimed:
                claimed[index] = _Track(detection, ms)
                self._tracks.append(claimed[index])
        for track in claimed.values():
            if track.number is None and track.hits >= MIN_HITS:
                self._count += 1
                track.number = self._count
        return [(t.number, t.seen.box) for t in claimed.values() if t.number is not None]


def _match(tracks: Sequence[_Track], found: Sequence[Detection], now_ms: float) -> list[tuple[int, int]]:
    if not tracks or not found:
        return []
    alike = distance_iou(as_boxes([t.predict(now_ms) for t in tracks]), as_boxes([d.box for d in found]))
    alike[np.array([[t.seen.kind != d.kind for d in found] for t in tracks])] = -np.inf
    pairs = []
    while alike.max() >= MIN_MATCH:
        row, column = np.unravel_index(int(alike.argmax()), alike.shape)
        pairs.append((int(row), int(column)))
        alike[row, :] = alike[:, column] = -np.inf
    return pairs


def _each_once(found: list[Detection]) -> list[Detection]:
    kept: list[Detection] = []
    for detection in sorted(found, key=lambda d: -d.confidence):
        same = as_boxes([k.box for k in kept if k.kind == detection.kind])
        if not (iou(as_boxes([detection.box]), same) > SAME_THING_IOU).any():
            kept.append(detection)
    return kept


def _centre(detection: Detection) -> NDArray[np.float64]:
    x, y, width, height = detection.box
    return np.array([x + width / 2, y + height / 2])
