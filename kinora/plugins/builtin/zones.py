"""Counts what comes into zones, stays there and leaves, and what crosses lines; it stands behind ``tracker``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.results_before import ResultsBefore
from kinora.plugins.builtin.saved import read_head, with_head
from kinora.plugins.builtin.schema import integer, names, options_schema
from kinora.plugins.builtin.zone_counts import LineCounts, ZoneCounts
from kinora.plugins.builtin.zone_geometry import Line, Points, Polygon
from kinora.plugins.builtin.zone_schema import ANCHOR, LINES, ZONES
from kinora.plugins.distinct_options import DISTINCT
from kinora.plugins.forms.detections import Detection, read_detections

MARGIN = 0.05
"""The share of a thing's height by which it must be beyond a line to have crossed it: boxes tremble."""
TRACKER_FIRST = "put tracker before zones, as -p people -p tracker -p zones"
NO_TRACKS = f"none of the detections before it has a track_id: {TRACKER_FIRST}"
NOTHING_TO_WATCH = "has neither zones nor lines in its options: there is nothing to count"
MAX_SHOWN = 20
"""The classes of a zone that have metrics of their own."""
STATE_VERSION = 1


class _Known(msgspec.Struct, array_like=True):
    """A track that was seen of late."""

    kind: str
    seen_ms: float
    inside: dict[int, tuple[float, float]] = {}
    """Number of a zone → since when it is in there, and when it was there last."""
    sides: dict[int, tuple[float, float, bool]] = {}
    """Number of a line → the last point that was clearly on a side, and whether that is the right one."""


class _State(msgspec.Struct, array_like=True):
    known: dict[int, _Known]
    zones: list[ZoneCounts]
    lines: list[LineCounts]
    shown: list[list[str]]
    """For each zone, the classes that were in it."""


_decoder = msgspec.msgpack.Decoder(_State)


class Zones(Plugin):
    """Says what is in each zone, and reports the events ``entered``, ``left`` and ``crossed``.

    A thing is where its anchor is: the middle of its box's lower side, or of the box. It has left a zone once it was
    outside, or unseen, for ``away_ms``; its stay ends when it was inside last.
    """

    metadata = PluginMetadata(
        name="zones",
        version="1.0.0",
        description="Counts what the tracker before it follows: in zones, and across lines",
        author="Kinora",
        tags=("counting",),
        inputs=("detections",),
        outputs=("metrics", "polygons", "lines", "events"),
        capabilities=("metrics", "events"),
        config_schema={
            **options_schema(
                zones=ZONES,
                lines=LINES,
                classes=names("Classes that are counted. Empty: all."),
                anchor=ANCHOR,
                away_ms=integer(
                    1000,
                    0,
                    600_000,
                    "Milliseconds outside a zone, or unseen, after which a thing has left it.",
                    unit="ms",
                ),
            ),
            DISTINCT: ["zones[].name", "lines[].name"],
        },
    )

    def prepare(self, context: PluginContext) -> None:
        """Begin with nothing seen."""
        self._context, self._options = context, context.options
        self._zones = [(zone["name"], Polygon(zone["polygon"]), zone["polygon"]) for zone in self._options["zones"]]
        self._lines = [(line["name"], Line(line["line"]), line["line"]) for line in self._options["lines"]]
        self._state = _State(
            {}, [ZoneCounts() for _ in self._zones], [LineCounts() for _ in self._lines], [[] for _ in self._zones]
        )
        self._events: list[dict[str, Any]] = []
        self._warned = False
        self._before = ResultsBefore(context, TRACKER_FIRST)
        if not self._zones and not self._lines:
            context.warn(NOTHING_TO_WATCH, "medium")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The counts, the zones and lines with them as labels, and what has happened on this frame."""
        self._events = []
        self._before.look(frame.results)
        now, found = frame.timestamp_ms, self._tracked(frame.results)
        known = [self._know(track_id, detection, now) for track_id, detection in found.items()]
        if found:
            points, margins = self._anchors([*found.values()])
            self._look_at_zones([*found], known, points, now)
            self._look_at_lines([*found], known, points, margins)
        self._end_stays(now)
        return self._result()

    def finalize(self) -> dict[str, Any]:
        """The sums of each zone and line, by class."""
        zones = zip(self._zones, self._state.zones, self._inside(), strict=True)
        lines = zip(self._lines, self._state.lines, strict=True)
        return {
            "zones": {name: counts.as_json(inside) for (name, _, _), counts, inside in zones},
            "lines": {name: counts.as_json() for (name, _, _), counts in lines},
        }

    def save_state(self) -> bytes:
        """What is known of each track, and the sums."""
        return with_head(STATE_VERSION, self._state)

    def load_state(self, data: bytes) -> None:
        """Go on from there."""
        state, _ = read_head(data, STATE_VERSION, _decoder)
        if (len(state.zones), len(state.lines)) != (len(self._zones), len(self._lines)):
            raise ValueError("the state is of other zones and lines")
        self._state = state

    # What is seen

    def _tracked(self, results: Mapping[str, Any]) -> dict[int, Detection]:
        """Track → its detection, of the last plugin before this one that gives tracks."""
        has_detections = False
        for result in reversed(list(results.values())):
            found = read_detections(result)
            has_detections |= bool(found)
            if tracked := {d.track_id: d for d in found if d.track_id is not None}:
                classes = self._options["classes"]
                return {track_id: d for track_id, d in tracked.items() if not classes or d.kind in classes}
        if has_detections and "tracker" not in results and not self._warned:
            self._warned = True
            self._context.warn(NO_TRACKS, "medium")
        return {}

    def _know(self, track_id: int, detection: Detection, now: float) -> _Known:
        known = self._state.known.setdefault(track_id, _Known(detection.kind, now))
        known.kind, known.seen_ms = detection.kind, now
        return known

    def _anchors(self, found: list[Detection]) -> tuple[Points, Points]:
        """The anchor of each, and how far it must be beyond a line."""
        height = np.array([d.height for d in found])
        down = height * (0.5 if self._options["anchor"] == "center" else 1.0)
        points = np.stack([[d.x + d.width / 2 for d in found], np.array([d.y for d in found]) + down], axis=1)
        return points, MARGIN * height

    # What follows from it

    def _look_at_lines(self, ids: list[int], known: list[_Known], points: Points, margins: Points) -> None:
        for number, (name, line, _) in enumerate(self._lines):
            offsets = line.offsets(points)
            for index in np.flatnonzero(np.abs(offsets) > margins):
                track, point, right = known[index], points[index].tolist(), bool(offsets[index] > 0)
                before = track.sides.get(number)
                track.sides[number] = (*point, right)
                if before is not None and before[2] != right and line.is_crossed(before[:2], point):
                    direction = "in" if right else "out"
                    self._state.lines[number].cross(direction, track.kind)
                    data = {"line": name, "direction": direction}
                    self._report("crossed", f"crossed {name} ({direction})", ids[index], track, data)

    def _look_at_zones(self, ids: list[int], known: list[_Known], points: Points, now: float) -> None:
        for number, (_, polygon, _) in enumerate(self._zones):
            for index in np.flatnonzero(polygon.contains(points)):
                track = known[index]
                if number not in track.inside:
                    self._enter(ids[index], track, number, now)
                track.inside[number] = (track.inside[number][0], now)

    def _enter(self, track_id: int, track: _Known, number: int, now: float) -> None:
        name = self._zones[number][0]
        track.inside[number] = (now, now)
        self._state.zones[number].enter(track.kind)
        if track.kind not in self._state.shown[number] and len(self._state.shown[number]) < MAX_SHOWN:
            self._state.shown[number].append(track.kind)
        self._report("entered", f"entered {name}", track_id, track, {"zone": name})

    def _end_stays(self, now: float) -> None:
        """Let things leave the zones in which they were not for long enough, and forget those that were not seen."""
        least = now - self._options["away_ms"]
        for track_id, track in list(self._state.known.items()):
            for number, (since, last) in list(track.inside.items()):
                if last < least:
                    del track.inside[number]
                    self._leave(track_id, track, number, last - since)
            if track.seen_ms < least:
                del self._state.known[track_id]

    def _leave(self, track_id: int, track: _Known, number: int, dwell_ms: float) -> None:
        name = self._zones[number][0]
        self._state.zones[number].leave(track.kind, dwell_ms)
        data = {"zone": name, "dwell_ms": round(dwell_ms, 1)}
        self._report("left", f"left {name} after {dwell_ms / 1000:.1f} s", track_id, track, data)

    def _report(self, kind: str, said: str, track_id: int, track: _Known, data: dict[str, Any]) -> None:
        told = {**data, "class": track.kind, "track_id": track_id}
        self._events.append({"kind": kind, "message": f"{track.kind} {track_id} {said}", "data": told})

    # What is told

    def _inside(self) -> list[Counter[str]]:
        """For each zone, how many of each class are in it."""
        inside = [Counter[str]() for _ in self._zones]
        for track in self._state.known.values():
            for number in track.inside:
                inside[number][track.kind] += 1
        return inside

    def _result(self) -> dict[str, Any]:
        metrics: dict[str, int] = {}
        polygons, lines = [], []
        for (name, _, corners), inside, shown in zip(self._zones, self._inside(), self._state.shown, strict=True):
            metrics[name] = inside.total()
            metrics |= {f"{name}: {kind}": inside[kind] for kind in shown}
            polygons.append({"points": corners, "label": f"{name}: {inside.total()}"})
        for (name, _, ends), counts in zip(self._lines, self._state.lines, strict=True):
            into, out = sum(counts.into.values()), sum(counts.out.values())
            metrics |= {f"{name}: in": into, f"{name}: out": out}
            lines.append({"points": ends, "label": f"{name}: {into} in, {out} out"})
        return {"metrics": metrics, "polygons": polygons, "lines": lines, "events": self._events}
