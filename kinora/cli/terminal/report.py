"""Sums up a job: as tables for people, as one JSON object for programs."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import Any

from kinora.cli.terminal.output import counted, local_time, print_line, print_state, print_table
from kinora.cli.terminal.results_text import WIDTH, cut, result_lines
from kinora.cli.terminal.tracebacks import own_lines, own_place

SHOWN_FAILED = 10
"""Plugins that failed, with the reason."""
SHOWN_WARNINGS = 10
SHOWN_OUTAGES = 5
"""Of a live source, the newest ones."""
AWAY = frozenset({"reconnecting", "waiting"})
"""The stages of a running job without its live source."""
SHOWN_RESULT_LINES = 12
"""Lines of what one plugin's ``finalize`` returned."""
SHOWN_ERRORS = 5
"""Errors with their tracebacks, the first one of each plugin before the second ones."""
SHOWN_TRACEBACK_LINES = 10
"""Lines of one traceback, or of the output of a plugin that died."""
FIRST_TRACEBACK_LINES = 5
"""Those of them that are the first lines of a traceback, the author's own; the others are the last ones."""
SHOWN_MESSAGE_LINES = 4
"""Lines of one message on a terminal."""
NUMBERS = ("status", "health", "frames", "failures", "restarts")
OF_SIDE = ("passed_over", "late")
"""Numbers that only plugins at the side have; the table has their columns if any is there."""
LESS_TELLING = ("health", "total_ms", "p95_ms", "late", "restarts", "mean_ms", "detections", "failures")
"""The columns that a narrow terminal need not show, the least telling first."""
OF_FRAMES = frozenset({"PLUGIN_ERROR", "PLUGIN_TIMEOUT", "PLUGIN_CRASH", "PLUGIN_MEMORY", "PLUGIN_BAD_RESULT"})
"""The codes of warnings that say why a plugin has no result on a frame."""
FINALIZE = "finalize: "
"""The begin of a warning that is about ``finalize``."""


class Tally:
    """Counts the results and the detections in a job's frames, and its events."""

    def __init__(self) -> None:
        self.detections: Counter[str] = Counter()
        """By plugin."""
        self.results: Counter[str] = Counter()
        """By plugin."""
        self.events: Counter[str] = Counter()
        """By kind."""

    def add(self, plugin: str, result: Any) -> None:
        """Count one plugin's result on one frame."""
        self.results[plugin] += 1
        found = result.get("detections") if isinstance(result, Mapping) else None
        if isinstance(found, list):
            self.detections[plugin] += len(found)

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Count one event."""
        self.events[event["kind"]] += 1


def summary(state: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    """The outcome of a job whose ``/extended`` is ``state``, to print or to give out as JSON."""
    seconds = None if state["duration_ms"] is None else round(state["duration_ms"] / 1000, 3)
    frames = state["frames_done"]
    return {
        "job_id": state["job_id"],
        "status": state["status"],
        "stage": state["stage"],
        "error": state["error"],
        "device_used": state["device_used"],
        "frames": frames,
        "frames_dropped": state["frames_dropped"],
        "seconds": seconds,
        "fps": round(frames / seconds, 1) if seconds else None,
        "detections": tally.detections.total(),
        "events": dict(tally.events.most_common()),
        "failed_plugins": failed_plugins(state, tally),
        "plugins": {name: _plugin(name, state, tally) for name in state["plugins"]},
        "warnings": list(state["warnings"]),
        "warning_groups": list(state["warning_groups"]),
        "outages": list(state.get("outages", ())),
    }


def _plugin(name: str, state: Mapping[str, Any], tally: Tally) -> dict[str, Any]:
    stage = state["plugins"][name]
    return {
        **{number: stage[number] for number in NUMBERS},
        **{number: stage.get(number, 0) for number in OF_SIDE},  # an older server has none
        "detections": tally.detections[name],
        "mean_ms": (stage["run_ms"] or {}).get("mean"),
        "p95_ms": (stage["run_ms"] or {}).get("p95"),
        "total_ms": (state["plugin_timings"] or {}).get(name),
        "finalize": stage["finalize"],
        "errors": stage.get("errors", []),
    }


def failed_plugins(state: Mapping[str, Any], tally: Tally) -> dict[str, str]:
    """Plugin → why it failed: it was disabled, or has a result on no frame, or its ``finalize`` failed."""
    failed = {name: _why_failed(name, state, tally) for name in state["plugins"]}
    return {name: why for name, why in failed.items() if why is not None}


def _why_failed(name: str, state: Mapping[str, Any], tally: Tally) -> str | None:
    groups = [group for group in state["warning_groups"] if group["plugin"] == name and group["code"] in OF_FRAMES]
    last = [group for group in groups if group["message"].startswith(FINALIZE)]
    worst = max(groups, key=lambda group: group["count"], default=None)
    stage = state["plugins"][name]
    turns = -(-state["frames_done"] // stage.get("every", 1)) - stage.get("passed_over", 0)
    has_results = tally.results[name] > 0 or stage.get("late", 0) > 0
    fruitless = not has_results and 0 < turns <= sum(group["count"] for group in groups)
    if stage["status"] == "failed" or fruitless:
        return "it was disabled" if worst is None else _with_count(worst)
    return _with_count(last[0]) if last else None


def _with_count(group: Mapping[str, Any]) -> str:
    times = f" ({group['count']:,} times)" if group["count"] > 1 else ""
    return f"{group['message']}{times}"


def print_summary(summed: Mapping[str, Any], *, file: str = "stdout") -> None:
    """Print the summary: a sentence, why plugins failed, a table, their last results, warnings and tracebacks."""
    _print_headline(summed, file)
    if summed["error"]:
        _print_message(f"error: {summed['error']}", file)
    failed = [f"{name} failed: {why}" for name, why in summed["failed_plugins"].items()]
    _print_some(failed, SHOWN_FAILED, "failed plugin", file)
    _print_plugins(summed["plugins"], file)
    for name, plugin in summed["plugins"].items():
        if plugin["finalize"] is not None:
            _print_result(name, plugin["finalize"], file)
    if summed["events"]:
        kinds = [f"{kind} {count:,}" for kind, count in summed["events"].items()]
        _print_message(f"events: {', '.join(kinds)}", file)
    _print_some(_warnings(summed), SHOWN_WARNINGS, "warning", file)
    for outage in summed["outages"][-SHOWN_OUTAGES:]:
        _print_message(f"outage: {outage_in_words(outage)}", file)
    _print_errors(summed["plugins"], file)


def _warnings(summed: Mapping[str, Any]) -> list[str]:
    """Each different warning, with the frame and the time at which it came first, where they are known."""
    pairs = zip(summed["warnings"], summed["warning_groups"], strict=True)
    return [f"warning: {text}{_first_in_words(group)}" for text, group in pairs]


def _first_in_words(group: Mapping[str, Any]) -> str:
    at = [local_time(group["at"])] if group.get("at") else []
    frame = [group["frame_id"]] if group.get("frame_id") else []
    first = "first " if group["count"] > 1 and (at or frame) else ""
    return f" ({first}{', '.join(at + frame)})" if at or frame else ""


def outage_in_words(outage: Mapping[str, Any]) -> str:
    """When a live source was lost, for how long, and why."""
    seconds = outage["seconds"]
    length = "not back" if seconds is None else f"back after {seconds:,.1f} s at {outage['frame_id']}"
    return f"{local_time(outage['lost_at'])}, {length}: {outage['message']}"


def state_in_words(job: Mapping[str, Any]) -> str:
    """The status of a job; of one that runs without its live source, what its stage says of that."""
    return str(job["stage"] if job["status"] == "running" and job["stage"] in AWAY else job["status"])


def _print_headline(summed: Mapping[str, Any], file: str) -> None:
    failed = len(summed["failed_plugins"])
    state = state_in_words(summed) + (f", {counted(failed, 'plugin')} failed" if failed else "")
    pace = f" in {summed['seconds']:,.1f} s, {summed['fps'] or 0:.1f} fps" if summed["seconds"] else ""
    dropped = f", {summed['frames_dropped']:,} dropped" if summed["frames_dropped"] else ""
    print_state(state, f": {counted(summed['frames'], 'frame')}{pace}{dropped}, on {summed['device_used']}", file=file)


def _print_plugins(plugins: Mapping[str, Mapping[str, Any]], file: str) -> None:
    """For programs every column; on a terminal those that tell something, so that they fit."""
    of_side = [column for column in OF_SIDE if any(plugin[column] for plugin in plugins.values())]
    columns = [*NUMBERS, *of_side, "detections", "mean_ms", "p95_ms", "total_ms"]
    if getattr(sys, file).isatty():
        silent = {"health": "ok", "failures": 0, "restarts": 0, "detections": 0}
        columns = [
            column
            for column in columns
            if column not in silent or any(plugin[column] != silent[column] for plugin in plugins.values())
        ]
    rows = [[name, *(plugin[column] for column in columns)] for name, plugin in plugins.items()]
    print_table(["plugin", *columns], rows, file=file, optional=LESS_TELLING)


def _print_result(name: str, result: object, file: str) -> None:
    lines = result_lines(result)
    print_line(f"result of {name}:", file=file)
    for line in lines[:SHOWN_RESULT_LINES]:
        print_line(f"  {line}", file=file)
    if (more := len(lines) - SHOWN_RESULT_LINES) > 0:
        print_line(f"  and {counted(more, 'more line')}: --json has them all", file=file)


def _print_some(messages: Sequence[str], most: int, noun: str, file: str) -> None:
    for message in messages[:most]:
        _print_message(message, file)
    if (more := len(messages) - most) > 0:
        print_line(f"and {counted(more, f'more {noun}')}", file=file)


def _print_errors(plugins: Mapping[str, Mapping[str, Any]], file: str) -> None:
    of_plugins = [
        [(name, error) for error in plugin["errors"] if error["traceback"]] for name, plugin in plugins.items()
    ]
    errors = [error for in_turn in zip_longest(*of_plugins) for error in in_turn if error is not None]
    for name, error in errors[:SHOWN_ERRORS]:
        _print_error(name, error, file)
    if (more := len(errors) - SHOWN_ERRORS) > 0:
        print_line(f"and {counted(more, 'more kind')} of errors: --json has them all", file=file)


def _print_error(name: str, error: Mapping[str, Any], file: str) -> None:
    """Print where the first error of a kind came from, with its traceback or the end of the plugin's output."""
    lines, place = own_lines(error["traceback"]), own_place(error["traceback"])
    where = [name, *filter(None, (place, error["frame_id"]))]
    told = any(error["message"].rstrip().endswith(line.rstrip()) for line in lines[-1:])
    _print_message(", ".join(where) + (":" if told else f": {error['message']}"), file)
    on_terminal = getattr(sys, file).isatty()
    for line in _shortened(lines, FIRST_TRACEBACK_LINES if _is_exception(error["traceback"]) else 0):
        print_line(f"  {cut(line) if on_terminal else line}", file=file)


def _is_exception(traceback: str) -> bool:
    """Whether it begins with the author's own code. Of a process that died it begins with what the plugin printed."""
    return traceback.startswith("Traceback (most recent call last):")


def _shortened(lines: Sequence[str], first: int) -> list[str]:
    """At most ``SHOWN_TRACEBACK_LINES`` of the lines: this many first ones, and the last."""
    left_out = len(lines) - SHOWN_TRACEBACK_LINES
    if left_out <= 0:
        return [*lines]
    last = SHOWN_TRACEBACK_LINES - first
    return [*lines[:first], f"… {counted(left_out, 'line')} left out", *lines[-last:]]


def _print_message(message: str, file: str) -> None:
    """Print a message as one line; on a terminal wrapped to a few."""
    for line in _wrapped(message) if getattr(sys, file).isatty() else [message]:
        print_line(line, file=file)


def _wrapped(message: str) -> Iterable[str]:
    width = min(WIDTH, shutil.get_terminal_size().columns)
    return textwrap.wrap(
        message, width, subsequent_indent="  ", max_lines=SHOWN_MESSAGE_LINES, placeholder=" …", break_on_hyphens=False
    )
