"""Frames as CSV."""

from __future__ import annotations

import csv

import msgspec
import pytest

from kinora.results.csv_rows import BOX, csv_head, csv_rows


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


def rows(result: dict[str, object]) -> list[dict[str, str]]:
    """The rows of one result, each without its empty cells and those that all share."""
    frame = {"frame_id": "frame-000001", "index": 1, "timestamp_ms": 40.0, "results": {"mine": result}}
    text = (csv_head() + csv_rows([msgspec.json.encode(frame)])).decode()
    shared = {"frame_id": "frame-000001", "index": "1", "timestamp_ms": "40.0", "plugin": "mine"}
    read = [dict(row) for row in csv.DictReader(text.splitlines(keepends=True))]
    assert all(shared.items() <= row.items() for row in read)
    return [{name: cell for name, cell in row.items() if cell and name not in shared} for row in read]


def test_each_metric_and_text_has_its_row() -> None:
    """Beside the detections, in which texts and tracks have their cells; what is no such thing gives no row."""
    result: dict[str, object] = {
        "detections": [{"x": 1, "y": 2, "width": 3, "height": 4, "class": "text", "text": "Größe 文字", "track_id": 7}],
        "classes": [{"class": "cat", "confidence": 0.5}],
        "metrics": {"brightness": -12.5, "=1+1": "=2+2", "dark": True},
        "text": "whole page",
        "cut": True,
    }
    assert rows(result) == [
        {"x": "1", "y": "2", "width": "3", "height": "4", "class": "text", "text": "Größe 文字", "track_id": "7"},
        {"class": "cat", "confidence": "0.5"},
        {"metric": "brightness", "value": "-12.5"},
        {"metric": "'=1+1", "value": "'=2+2"},
        {"metric": "dark", "value": "True"},
        {"text": "whole page"},
    ]


@pytest.mark.parametrize("result", [{"metrics": [1]}, {"detections": 3}, {"classes": [3]}, {"text": ["a"]}, {}])
def test_other_shapes_give_no_row(result: dict[str, object]) -> None:
    """Nor do they break the table."""
    assert rows(result) == []
