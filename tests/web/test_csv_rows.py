"""Frames as CSV."""

from __future__ import annotations

import csv

import msgspec
import pytest

from kinora.web.csv_rows import BOX, csv_head, csv_rows


def cells(found: dict[str, object], plugin: str = "people") -> dict[str, str]:
    """The row of one detection, by column."""
    frame = {"frame_id": "frame-000001", "index": 1, "timestamp_ms": 40.0, "results": {plugin: {"detections": [found]}}}
    text = (csv_head() + csv_rows([msgspec.json.encode(frame)])).decode()
    (row,) = csv.DictReader(text.splitlines(keepends=True))
    return row


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """Text of a plugin that a spreadsheet would run stands behind an apostrophe, in every column."""
    row = cells(dict.fromkeys(BOX, text), text)
    assert {row[column] for column in ("plugin", *BOX)} == {f"'{text}"}


def test_numbers_stay_numbers() -> None:
    """Numbers below zero are written as they are, and so is text that begins with nothing special."""
    row = cells({"class": "person", "x": -3, "y": -0.5, "confidence": 0.25})
    assert (row["class"], row["x"], row["y"], row["confidence"]) == ("person", "-3", "-0.5", "0.25")


def test_a_row_names_the_file_of_a_folder() -> None:
    """So that rows can be joined to files; without a folder the cell is empty."""
    name = "a, b.jpg"
    frame = {"frame_id": "frame-000001", "index": 1, "timestamp_ms": 0.0, "results": {"people": {"detections": [{}]}}}
    text = csv_head() + csv_rows([msgspec.json.encode(part) for part in (frame, frame | {"file": name})])
    assert [row["file"] for row in csv.DictReader(text.decode().splitlines(keepends=True))] == ["", name]


def test_a_list_in_a_cell_is_text() -> None:
    """A value that is neither text nor number is shown as Python writes it."""
    assert cells({"track_id": ["=1"]})["track_id"] == "['=1']"
