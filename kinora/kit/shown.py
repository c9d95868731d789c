"""What of a plugin's results the UI draws, plots or lists, by the keys of the catalogue of results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kinora.plugins.forms.detections import read_detections

PARTS = ("mask", "polygon", "keypoints", "angle", "track_id", "text")
"""What a detection may have beside its box."""
KINDS = {
    "detections": "draws",
    "lines": "draws",
    "polygons": "draws",
    "points": "draws",
    "metrics": "plots",
    "classes": "lists",
    "texts": "lists",
    "text": "lists",
    "events": "lists",
}
"""Key of a result → what the UI does with it. Others are shown as JSON."""


def shown(results: Sequence[Mapping[str, Any]]) -> str:
    """A phrase for each key of the results, such as ``draws detections (70, on 40 frames; mask)``."""
    on = Counter(key for result in results for key, value in result.items() if value not in (None, [], {}))
    phrases = [f"{KINDS[key]} {key} ({_told(key, frames, results)})" for key, frames in on.items() if key in KINDS]
    others = sorted(key for key in on if key not in KINDS)
    return "; ".join([*phrases, *([f"shows as JSON {', '.join(others)}"] if others else [])]) or "nothing"


def _told(key: str, frames: int, results: Iterable[Mapping[str, Any]]) -> str:
    where = f"on {frames:,} of the frames"
    if key == "metrics":
        names = {name for result in results for name in result.get("metrics") or ()}
        return f"{', '.join(sorted(names)[:10])}; {where}"
    if key != "detections":
        return where
    drawn = sum(len(read_detections(result)) for result in results)
    entries = [entry for result in results for entry in _entries(result)]
    parts = [part for part in PARTS if any(entry.get(part) is not None for entry in entries)]
    return "; ".join([f"{drawn:,} boxes {where}", *parts])


def _entries(result: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    listed = result.get("detections")
    return [entry for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
