"""Sums up a job: as tables for people, as one JSON object for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kinora.cli.output import print_line, print_table

SHOWN_WARNINGS = 10
NUMBERS = ("status", "health", "frames", "failures", "restarts")


class Tally:
    """Counts the detections in a job's frames."""

    def __init__(self) -> None:
        self.detections: Counter[str] = Counter()
        """By plugin."""

    def add(self, plugin: str, result: Any) -> None:
        """Count one plugin's result on one frame."""
        found = result.get("detections") if isinstance(result, Mapping) else None
        if isinstance(found, list):
            self.detections[plugin] += len(found)


def summary(state: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """The outcome of a job whose ``/extended`` is ``state``, to print or to give out as JSON."""
    seconds = _seconds(state["started_at"], state["finished_at"])
    frames = state["frames_done"]
    timings = state["plugin_timings"] or {}
    return {
        "job_id": state["job_id"],
        "status": state["status"],
        "error": state["error"],
        "device_used": state["device_used"],
        "frames": frames,
        "frames_dropped": state["frames_dropped"],
        "seconds": seconds,
        "fps": round(frames / seconds, 1) if seconds else None,
        "detections": tally.detections.total(),
        "plugins": {
            name: {
                **{number: stage[number] for number in NUMBERS},
                "detections": tally.detections[name],
                "mean_ms": (stage["run_ms"] or {}).get("mean"),
                "p95_ms": (stage["run_ms"] or {}).get("p95"),
                "total_ms": timings.get(name),
            }
            for name, stage in state["plugins"].items()
        },
        "warnings": list(state["warnings"]),
    }


def print_summary(summed: Mapping[str, Any], *, file: str = "stdout") -> None:
    """Print the summary as a sentence, a table of plugins and the first warnings."""
    pace = f" in {summed['seconds']:.1f} s, {summed['fps'] or 0:.1f} fps" if summed["seconds"] else ""
    dropped = f", {summed['frames_dropped']} dropped" if summed["frames_dropped"] else ""
    print_line(
        f"{summed['status']}: {summed['frames']} frames{pace}{dropped}, {summed['detections']} detections, "
        f"on {summed['device_used']}",
        file=file,
    )
    if summed["error"]:
        print_line(f"error: {summed['error']}", file=file)
    columns = [*NUMBERS, "detections", "mean_ms", "p95_ms", "total_ms"]
    rows = [[name, *(plugin[column] for column in columns)] for name, plugin in summed["plugins"].items()]
    print_table(["plugin", *columns], rows, file=file)
    for warning in summed["warnings"][:SHOWN_WARNINGS]:
        print_line(f"warning: {warning}", file=file)
    if (more := len(summed["warnings"]) - SHOWN_WARNINGS) > 0:
        print_line(f"and {more} more warnings", file=file)


def _seconds(start: str | None, end: str | None) -> float | None:
    if start is None or end is None:
        return None
    return round((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 3)
