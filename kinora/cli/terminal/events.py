"""Shows the events of a job as lines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kinora.cli.terminal.output import counted
from kinora.cli.terminal.results_text import cut

SHOWN_EVENTS = 100
"""The most events of a run that are shown as lines as they happen; how many came after them is said at its end."""


def event_in_words(event: Mapping[str, Any]) -> str:
    """The event in a line: plugin, kind, time and frame, message, or else its data."""
    where = "" if event["index"] is None else f" at {event['timestamp_ms'] / 1000:,.1f} s ({event['frame_id']})"
    said = event["message"] or ("" if event["data"] is None else msgspec.json.encode(event["data"]).decode())
    return f"{event['plugin']}: {event['kind']}{where}" + (f": {said}" if said else "")


class EventLines:
    """Says the first events of a job as lines."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self._say = say
        self._events = 0

    def add(self, event: Mapping[str, Any]) -> None:
        """Say the next event, unless there were ``SHOWN_EVENTS`` before."""
        self._events += 1
        if self._events <= SHOWN_EVENTS:
            self._say(f"event: {cut(event_in_words(event))}")

    def end(self) -> None:
        """Say how many events were not shown, if any."""
        if (more := self._events - SHOWN_EVENTS) > 0:
            self._say(f"and {counted(more, 'more event')}")
