"""Follows the detections of other plugins; :mod:`kinora.plugins.builtin.tracks` explains the method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.schema import integer, names, number, options_schema
from kinora.plugins.builtin.tracks import Track, match
from kinora.plugins.detections import Detection, as_boxes, iou, read_detections

FALLBACK_SOURCE = "motion"  # it says that something moves but not what: followed only if no other plugin detects
SAME_THING_IOU = 0.6  # boxes of one class that overlap by more than this are one thing
MAX_FOLLOWED = 500  # the surest detections of a frame, and the newest tracks: each is compared with each


class Tracker(Plugin):
    """Gives the detections of the plugins before it a ``track_id`` that stays the same while a thing is in view.

    Where the ``scenes`` plugin stands before it, a cut ends all tracks.
    """

    metadata = PluginMetadata(
        name="tracker",
        version="1.0.0",
        description="Follows the detections of the plugins before it from frame to frame",
        author="Kinora",
        tags=("tracking",),
        inputs=("frame", "detections"),
        outputs=("detections", "metrics"),
        capabilities=("detections", "tracking", "metrics"),
        config_schema=options_schema(
            sources=names(
                "Plugins whose detections are followed. Empty: all before it, and `motion` only if it is the only one."
            ),
            classes=names("Classes that are followed. Empty: all."),
            max_age_ms=integer(2000, 0, 600_000, "Milliseconds unseen after which a track ends."),
            min_hits=integer(2, 1, 100, "Sightings after which a track gets its id."),
            min_match=number(
                -0.2,
                -1.0,
                1.0,
                "Least distance-IoU of a box and its track's expected box: 1 is the same place, 0 about touching.",
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Begin with nothing to follow."""
        self._options = context.options
        self._tracks: list[Track] = []
        self._counts: Counter[str] = Counter()
        self._others_seen = False

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The detections of this frame that belong to a track, and their number."""
        now = frame.timestamp_ms
        cut = read_cut(frame.results)
        self._tracks = [t for t in self._tracks if not cut and now - t.seen_ms <= self._options["max_age_ms"]]
        found = self._detections(frame.results)
        claimed = {}
        for track_index, found_index in match(self._tracks, found, now, self._options["min_match"]):
            self._tracks[track_index].see(found[found_index], now)
            claimed[found_index] = self._tracks[track_index]
        for index, detection in enumerate(found):
            if index not in claimed:
                claimed[index] = Track(detection, now)
                self._tracks.append(claimed[index])
        del self._tracks[:-MAX_FOLLOWED]
        for track in claimed.values():
            self._name(track)
        named = [attrs.evolve(t.seen, track_id=t.track_id) for t in claimed.values() if t.track_id is not None]
        named.sort(key=lambda detection: detection.track_id or 0)
        return {"detections": [d.as_json() for d in named], "metrics": {"tracks": len(named)}}

    def finalize(self) -> dict[str, Any]:
        """The number of tracks, by class."""
        return {"tracks": dict(self._counts)}

    def _name(self, track: Track) -> None:
        if track.track_id is None and track.hits >= self._options["min_hits"]:
            self._counts[track.seen.kind] += 1
            track.track_id = self._counts.total()

    def _detections(self, results: Mapping[str, Any]) -> list[Detection]:
        """The detections to follow in this frame, each thing once."""
        found: list[Detection] = []
        for source in self._sources(results):
            found += read_detections(results.get(source))
        classes = self._options["classes"]
        found = [d for d in found if not classes or d.kind in classes]
        kept: list[Detection] = []
        for detection in sorted(found, key=lambda d: -d.confidence)[:MAX_FOLLOWED]:
            same = as_boxes([k.box for k in kept if k.kind == detection.kind])
            if not (iou(as_boxes([detection.box]), same) > SAME_THING_IOU).any():
                kept.append(detection)
        return kept

    def _sources(self, results: Mapping[str, Any]) -> Sequence[str]:
        if self._options["sources"]:
            return list(self._options["sources"])
        others = [n for n, r in results.items() if n != FALLBACK_SOURCE and isinstance(r, dict) and "detections" in r]
        # Once another plugin has given detections, a frame on which it fails is no reason to follow mere motion.
        self._others_seen = self._others_seen or bool(others)
        return others if self._others_seen else [FALLBACK_SOURCE]


def read_cut(results: Mapping[str, Any]) -> bool:
    """True if the ``scenes`` plugin has found a cut at this frame."""
    scenes = results.get("scenes")
    return isinstance(scenes, dict) and scenes.get("cut") is True
