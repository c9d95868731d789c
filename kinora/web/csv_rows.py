"""Frames as CSV, with a row for each detection."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

BOX = ("class", "confidence", "x", "y", "width", "height", "track_id")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = ("frame_id", "index", "timestamp_ms", "plugin", *BOX, "file")


class _Frame(msgspec.Struct):
    """The part of a FrameData that goes into the rows."""

    frame_id: str
    index: int
    timestamp_ms: float
    results: dict[str, Any]
    file: str | None = None


def csv_head() -> bytes:
    """The header row."""
    return _encode([COLUMNS])


def csv_rows(frames: Iterable[bytes]) -> bytes:
    """The rows of ``frames``, each a FrameData as JSON; a frame without detections gives no row."""
    decoded = (msgspec.json.decode(frame, type=_Frame) for frame in frames)
    return _encode(row for frame in decoded for row in _rows(frame))


def _rows(frame: _Frame) -> Iterable[tuple[object, ...]]:
    for plugin, result in frame.results.items():
        listed = result.get("detections") if isinstance(result, Mapping) else None
        for found in listed if isinstance(listed, list) else ():
            if isinstance(found, Mapping):
                box = (found.get(name) for name in BOX)
                yield frame.frame_id, frame.index, frame.timestamp_ms, plugin, *box, frame.file


def _encode(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(map(_safe, row) for row in rows)
    return text.getvalue().encode()


def _safe(value: object) -> object:
    """The value of a cell. Text that a spreadsheet would run as a formula gets a ``'`` in front, so it stays text."""
    if value is None or isinstance(value, int | float):
        return value
    return f"'{text}" if (text := str(value)).startswith(_FORMULA_STARTS) else text
