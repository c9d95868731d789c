"""Frames as CSV: a row for each detection, each class of a whole frame, each metric and each text.

Each row has the cells of what it is about, and leaves the others empty: a detection those of its box, a metric its name
and value. New columns come behind the others.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

BOX = ("class", "confidence", "x", "y", "width", "height", "track_id")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_IN_ROWS = frozenset({"detections", "classes", "metrics", "text"})
"""The members of a result that rows are made of."""
COLUMNS = ("frame_id", "index", "timestamp_ms", "plugin", *BOX, "file", "text", "metric", "value", "received_at")


class _Frame(msgspec.Struct):
    """The part of a FrameData that goes into the rows."""

    frame_id: str
    index: int
    timestamp_ms: float
    results: dict[str, Any]
    file: str | None = None
    received_at: str | None = None


def csv_head() -> bytes:
    """The header row."""
    return _encode([COLUMNS])


def csv_rows(frames: Iterable[bytes]) -> bytes:
    """The rows of ``frames``, each a FrameData as JSON; a frame without any of these gives no row."""
    return _encode(table_rows(frames))


def table_rows(frames: Iterable[bytes]) -> Iterator[tuple[object, ...]]:
    """Yield the rows, each with a value or None for each of ``COLUMNS``."""
    for frame in frames:
        yield from _rows(msgspec.json.decode(frame, type=_Frame))


def has_more_than_rows(result: object) -> bool:
    """True if the rows lack a part of a plugin's result."""
    return not isinstance(result, Mapping) or not result.keys() <= _IN_ROWS


def _rows(frame: _Frame) -> Iterator[tuple[object, ...]]:
    for plugin, result in frame.results.items():
        facts = {
            "frame_id": frame.frame_id,
            "index": frame.index,
            "timestamp_ms": frame.timestamp_ms,
            "plugin": plugin,
            "file": frame.file,
            "received_at": frame.received_at,
        }
        for own in _of_result(result) if isinstance(result, Mapping) else ():
            cells = facts | own
            yield tuple(cells.get(column) for column in COLUMNS)


def _of_result(result: Mapping[str, Any]) -> Iterator[dict[str, object]]:
    """The cells of each row of a result, those aside that all rows of the frame share."""
    for kind in ("detections", "classes"):
        listed = result.get(kind)
        for found in listed if isinstance(listed, list) else ():
            if isinstance(found, Mapping):
                yield {name: found.get(name) for name in (*BOX, "text")}
    metrics = result.get("metrics")
    for name, value in metrics.items() if isinstance(metrics, Mapping) else ():
        yield {"metric": name, "value": value}
    if isinstance(text := result.get("text"), str):
        yield {"text": text}


def _encode(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(map(_safe, row) for row in rows)
    return text.getvalue().encode()


def _safe(value: object) -> object:
    """The value of a cell. Text that a spreadsheet would run as a formula gets a ``'`` in front, so it stays text."""
    if value is None or isinstance(value, int | float):
        return value
    return f"'{text}" if (text := str(value)).startswith(_FORMULA_STARTS) else text
