"""Follows the detections of other plugins; :mod:`kinora.plugins.builtin.tracks` explains the method."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.results_before import ResultsBefore
from kinora.plugins.builtin.saved import read_head, with_head
from kinora.plugins.builtin.schema import integer, names, number, options_schema
from kinora.plugins.builtin.tracks import SavedTrack, Track, associate
from kinora.plugins.forms.detections import Detection, as_boxes, iou, read_detections

FALLBACK_SOURCE = "motion"  # it says that something moves but not what: followed only if no other plugin detects
SAME_THING_IOU = 0.6  # boxes of one class that overlap by more than this are one thing
SURENESS = 0.6  # mean confidence of ``min_hits`` sightings that are enough for an id; less sure ones must be more
MAX_MISSED_UNNAMED = 1  # frames in a row looked at without it, after which a thing that has no id yet was a false alarm
MAX_FOLLOWED = 500  # the surest detections of a frame, and the newest tracks: each is compared with each

DETECTORS_FIRST = "put what it is to follow before tracker, as -p people -p tracker"
STATE_VERSION = 1


class _State(msgspec.Struct, array_like=True):
    tracks: list[SavedTrack]
    named: int
    ended: dict[str, int]
    size: tuple[int, ...]
    size_told: bool
    others_seen: bool


_decoder = msgspec.msgpack.Decoder(_State)


class Tracker(Plugin):
    """Gives the detections of the plugins before it a ``track_id`` that stays the same while a thing is in view.

    Their class is the one that most of the track's sightings have. Where the ``scenes`` plugin stands before it, a cut
    ends all tracks; so does a change of the picture's size.
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
            max_age_ms=integer(2000, 0, 600_000, "Milliseconds unseen after which a track ends.", unit="ms"),
            min_hits=integer(
                2,
                1,
                100,
                "Sightings after which a track gets its id; more where their confidence is below 0.6.",
                unit="sightings",
            ),
            min_match=number(
                -0.2,
                -1.0,
                1.0,
                "Least distance-IoU of a box and its track's expected box: 1 is the same place, 0 about touching. A "
                "box of another class than the track's must fit better by 0.5.",
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Begin with nothing to follow."""
        self._context, self._options = context, context.options
        self._tracks: list[Track] = []
        self._named = 0
        self._ended: Counter[str] = Counter()
        self._size: tuple[int, ...] = ()
        self._size_told = False
        self._others_seen = False
        self._before = ResultsBefore(context, DETECTORS_FIRST)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The detections of this frame that belong to a track, and their number."""
        now = frame.timestamp_ms
        self._before.look(frame.results)
        self._end_tracks(now, cut=self._takes_new_size(frame.image.shape) or read_cut(frame.results))
        sources = [source for source in self._sources(frame.results) if source in frame.results]
        if sources:
            self._note_looked()
        seen = self._see(self._detections(sources, frame.results), now)
        for track in seen:
            self._name(track)
        named = [
            msgspec.structs.replace(t.seen, kind=t.kind, track_id=t.track_id) for t in seen if t.track_id is not None
        ]
        named.sort(key=lambda detection: detection.track_id or 0)
        return {"detections": [d.as_json() for d in named], "metrics": {"tracks": len(named)}}

    def finalize(self) -> dict[str, Any]:
        """The number of tracks, by class."""
        self._end_tracks(0.0, cut=True)
        return {"tracks": dict(self._ended)}

    def save_state(self) -> bytes:
        """The tracks, and what is counted."""
        tracks = [track.saved() for track in self._tracks]
        told = _State(tracks, self._named, self._ended, self._size, self._size_told, self._others_seen)
        return with_head(STATE_VERSION, told)

    def load_state(self, data: bytes) -> None:
        """Go on with those tracks."""
        state, _ = read_head(data, STATE_VERSION, _decoder)
        self._tracks = [Track.restored(track) for track in state.tracks]
        self._named, self._ended, self._size = state.named, Counter(state.ended), state.size
        self._size_told, self._others_seen = state.size_told, state.others_seen

    def _note_looked(self) -> None:
        """Note that a plugin has looked at this frame: what it has not found was missed."""
        for track in self._tracks:
            track.missed += 1

    def _see(self, found: Sequence[Detection], now: float) -> list[Track]:
        """Give each detection to a track, be it a new one, and return these in the order of the detections."""
        claimed = {}
        for track_index, found_index in associate(self._tracks, found, now, self._options["min_match"]):
            self._tracks[track_index].see(found[found_index], now)
            claimed[found_index] = self._tracks[track_index]
        for index, detection in enumerate(found):
            if index not in claimed:
                claimed[index] = Track(detection, now)
                self._tracks.append(claimed[index])
        while len(self._tracks) > MAX_FOLLOWED:
            self._count(self._tracks.pop(0))
        return [claimed[index] for index in sorted(claimed)]

    def _takes_new_size(self, size: tuple[int, ...]) -> bool:
        """True if this picture has another size than the one before: places in the two have nothing in common."""
        before, self._size = self._size, size
        if before in ((), size):
            return False
        if not self._size_told:
            self._size_told = True
            self._context.warn(
                "the pictures change their size: all tracks end at each change, and ids are new after it"
            )
        return True

    def _end_tracks(self, now: float, *, cut: bool) -> None:
        """End those unseen for too long; all at a cut."""
        kept: list[Track] = []
        for track in self._tracks:
            if not cut and self._lives(track, now):
                kept.append(track)
            else:
                self._count(track)
        self._tracks = kept

    def _lives(self, track: Track, now: float) -> bool:
        if track.track_id is None and track.missed > MAX_MISSED_UNNAMED:
            return False
        return bool(now - track.seen_ms <= self._options["max_age_ms"])

    def _count(self, ended: Track) -> None:
        if ended.track_id is not None:
            self._ended[ended.kind] += 1

    def _name(self, track: Track) -> None:
        least = self._options["min_hits"]
        enough = track.hits >= least and track.sureness >= least * SURENESS
        if track.track_id is None and enough:
            self._named += 1
            track.track_id = self._named

    def _detections(self, sources: Sequence[str], results: Mapping[str, Any]) -> list[Detection]:
        """The detections of these plugins that are to be followed in this frame, each thing once."""
        found: list[Detection] = []
        for source in sources:
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
