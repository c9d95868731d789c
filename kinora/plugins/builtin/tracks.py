"""Matches detections to tracks from frame to frame.

The method is that of SORT (Bewley et al., Simple Online and Realtime Tracking, 2016): each track predicts its box at
constant velocity by a Kalman filter, and detections go to the tracks whose predictions they fit best. As in ByteTrack
(Zhang et al., 2022), sure detections choose first. The measure of fit is the distance-IoU (Zheng et al., 2020), which
also ranks boxes that do not overlap, as of people who walk fast before a slow camera; another class costs something,
since detectors waver between car and truck. The filter counts time and not frames, and lengths in it are shares of the
thing's own size.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Annotated

import attrs
import msgspec
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.assignment import best_pairs
from kinora.plugins.forms.detections import Boxes, Detection, as_boxes, iou

MAX_PREDICTION_MS = 1000.0  # a track unseen for longer is expected where it should have been after this time
SURE = 0.5  # confidence from which a detection chooses among all tracks before the others do
UNSURE_MATCH = 0.2  # least fit of one with less confidence
LEAST_COUNTED = 0.2  # confidence that counts for a sighting of less
CLASS_COST = 0.5  # what a box of another class fits worse: a detector's slip is matched, a neighbour hardly
MEASURED = 0.1  # standard deviation of a detection's place, as all lengths of the filter in sizes of the thing
FASTEST = 2.0  # standard deviation of the speed of a new thing, in sizes a second
AGILE = 0.5  # standard deviation of the change of speed in a second
GATE = 4.0  # standard deviations from the expected place beyond which a detection is not a sighting
SIZE_GAIN = 0.4  # the share of a measured change of size that is taken over
MAX_KINDS = 50  # classes that are counted for a track; beyond it the rarest is forgotten


class SavedTrack(msgspec.Struct, array_like=True):
    """A track in a saved state."""

    seen_ms: float
    track_id: int | None
    missed: int
    hits: int
    sureness: float
    kinds: Annotated[list[tuple[str, int]], msgspec.Meta(min_length=1)]
    motion: tuple[float, float, float, float, float, float]
    """The centre, the size and the velocity."""
    spread: tuple[float, float, float]


@attrs.define(eq=False)
class Track:
    """One followed thing."""

    seen: Detection
    """Its newest sighting."""
    seen_ms: float
    track_id: int | None = None
    missed: int = 0
    """Frames since it was last seen, of those that a plugin has looked at."""
    hits: int = 0
    sureness: float = 0.0
    """The sum of its sightings' confidences."""
    _kinds: Counter[str] = attrs.field(factory=Counter)
    _centre: NDArray[np.float64] = attrs.field(init=False)
    _size: NDArray[np.float64] = attrs.field(init=False)
    """Width and height."""
    _velocity: NDArray[np.float64] = attrs.field(factory=lambda: np.zeros(2))
    """Pixels per second, x and y."""
    _spread: tuple[float, float, float] = (MEASURED**2, 0.0, FASTEST**2)
    """Variance of the place, its covariance with the speed, and the speed's: across as well as down."""

    def __attrs_post_init__(self) -> None:
        self._centre, self._size = _centre(self.seen), _size(self.seen)
        self._count(self.seen)

    def saved(self) -> SavedTrack:
        """All that its further way depends on; the newest sighting itself is not part of that."""
        return SavedTrack(
            self.seen_ms,
            self.track_id,
            self.missed,
            self.hits,
            self.sureness,
            list(self._kinds.items()),
            (*self._centre.tolist(), *self._size.tolist(), *self._velocity.tolist()),
            self._spread,
        )

    @classmethod
    def restored(cls, saved: SavedTrack) -> Track:
        """A track that goes on as the saved one would have."""
        x, y, width, height, *velocity = saved.motion
        kind = saved.kinds[-1][0]
        seen = Detection(x=x - width / 2, y=y - height / 2, width=width, height=height, confidence=0.0, kind=kind)
        track = cls(seen, saved.seen_ms, saved.track_id)
        track._kinds = Counter(dict(saved.kinds))
        track._centre, track._size = np.array([x, y]), np.array([width, height])
        track._velocity, track._spread = np.array(velocity), saved.spread
        track.missed, track.hits, track.sureness = saved.missed, saved.hits, saved.sureness
        return track

    @property
    def kind(self) -> str:
        """The class of most of its sightings; of equally many, the newest."""
        most = max(self._kinds.values())
        return next(kind for kind in reversed(self._kinds) if self._kinds[kind] == most)

    def predict(self, now_ms: float) -> tuple[float, float, float, float]:
        """The box where it should be now: x, y, width and height."""
        moved = self._velocity * min(max(now_ms - self.seen_ms, 0.0), MAX_PREDICTION_MS) / 1000
        x, y = self._centre + moved - self._size / 2
        return float(x), float(y), float(self._size[0]), float(self._size[1])

    def reach(self, now_ms: float) -> NDArray[np.float64]:
        """How far from its expected centre its next sighting may be: an ellipse's radii in pixels, across and down."""
        place, _, _ = self._spread_at(now_ms)
        return self._size * (GATE * math.sqrt(place + MEASURED**2))

    def see(self, detection: Detection, now_ms: float) -> None:
        """Take a detection as its newest sighting."""
        x, y, width, height = self.predict(now_ms)
        place, both, speed = self._spread_at(now_ms)
        of_place, of_speed = (variance / (place + MEASURED**2) for variance in (place, both))  # the Kalman gains
        expected = np.array([x + width / 2, y + height / 2])
        off = _centre(detection) - expected
        self._centre, self._velocity = expected + of_place * off, self._velocity + of_speed * off
        self._spread = (1 - of_place) * place, (1 - of_place) * both, speed - of_speed * both
        self._size += SIZE_GAIN * (_size(detection) - self._size)
        self.seen, self.seen_ms = detection, now_ms
        self._count(detection)

    def _spread_at(self, now_ms: float) -> tuple[float, float, float]:
        """The spread that time has made of it since the newest sighting."""
        s = max(now_ms - self.seen_ms, 0.0) / 1000
        place, both, speed = self._spread
        turns = AGILE**2
        place += 2 * s * both + s**2 * speed + turns * s**3 / 3
        return place, both + s * speed + turns * s**2 / 2, speed + turns * s

    def _count(self, detection: Detection) -> None:
        kind = detection.kind
        self._kinds[kind] = self._kinds.pop(kind, 0) + 1  # the newest stands last
        if len(self._kinds) > MAX_KINDS:
            del self._kinds[min(self._kinds, key=self._kinds.__getitem__)]
        self.hits, self.missed = self.hits + 1, 0
        self.sureness += max(detection.confidence, LEAST_COUNTED)


def associate(
    tracks: Sequence[Track], found: Sequence[Detection], now_ms: float, least: float
) -> list[tuple[int, int]]:
    """Pairs of indices into both: tracks and their sightings, which fit by at least ``least``.

    Sure detections choose before the others, and among tracks that have an id before those that have none yet.
    """
    fits = _fits(tracks, found, now_ms)
    named = np.array([track.track_id is not None for track in tracks], dtype=bool)
    sure = np.array([detection.confidence >= SURE for detection in found], dtype=bool)
    pairs: list[tuple[int, int]] = []
    for rows, columns in ((named, sure), (named, ~sure), (~named, sure), (~named, ~sure)):
        in_turn = np.where(np.outer(rows, columns), fits, -np.inf)
        chosen = best_pairs(in_turn, least if columns is sure else max(least, UNSURE_MATCH))
        for row, column in chosen:
            fits[row, :] = fits[:, column] = -np.inf
        pairs += chosen
    return pairs


def _fits(tracks: Sequence[Track], found: Sequence[Detection], now_ms: float) -> NDArray[np.float64]:
    """How well each detection fits each track, at most 1; minus infinity where it is out of reach."""
    predicted, boxes = as_boxes([t.predict(now_ms) for t in tracks]), as_boxes([d.box for d in found])
    fits = distance_iou(predicted, boxes)
    kinds = np.array([track.kind for track in tracks], dtype=object).reshape(-1, 1)
    fits[kinds != np.array([detection.kind for detection in found], dtype=object)] -= CLASS_COST
    reach = np.array([t.reach(now_ms) for t in tracks]).reshape(-1, 1, 2)
    fits[((_apart(predicted, boxes) / reach) ** 2).sum(axis=2) > 1] = -np.inf
    return fits


def distance_iou(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b)), -1 to 1: IoU less the squared distance of the centres over that of the hull's corners."""
    low = np.minimum(a[:, None, :2], b[None, :, :2])
    high = np.maximum((a[:, :2] + a[:, 2:])[:, None], (b[:, :2] + b[:, 2:])[None])
    hull = np.maximum(((high - low) ** 2).sum(axis=2), 1e-9)
    alike: NDArray[np.float64] = iou(a, b) - (_apart(a, b) ** 2).sum(axis=2) / hull
    return alike


def _apart(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Shape (len(a), len(b), 2): the way from centre to centre."""
    apart: NDArray[np.float64] = (a[:, None, :2] + a[:, None, 2:] / 2) - (b[None, :, :2] + b[None, :, 2:] / 2)
    return apart


def _centre(detection: Detection) -> NDArray[np.float64]:
    x, y, width, height = detection.box
    return np.array([x + width / 2, y + height / 2])


def _size(detection: Detection) -> NDArray[np.float64]:
    return np.maximum([detection.width, detection.height], 1.0)
