"""Detections as programs give them: read where their form is plain, and told of where it is not."""

import csv
import io
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.media.drawing.overlay import visible
from kinora.plugins.forms.detection_forms import NoBoxError, settle_detections, settled
from kinora.plugins.forms.detections import Detection, read_detections
from kinora.plugins.forms.results import encode_frame_result
from kinora.results.csv_rows import csv_head, csv_rows

SIZE = (480, 640)
"""Height and width of the frames."""
BOX = {"x": 20, "y": 60, "width": 40, "height": 80}


@pytest.mark.parametrize(
    "given_as",
    [
        BOX,
        {"x": "20", "y": " 60 ", "width": [40.0], "height": "8e1"},
        {"x": 20, "y": 60, "w": 40, "h": 80},
        {"left": 20, "top": 60, "width": 40, "height": 80},
        {"left": 20, "top": 60, "right": 60, "bottom": 140},
        {"x1": 20, "y1": 60, "x2": 60, "y2": 140},
        {"x0": 20, "y0": 60, "x1": 60, "y1": 140},
        {"xmin": 20, "ymin": 60, "xmax": 60, "ymax": 140},
        {"x_min": 20, "y_min": 60, "x_max": 60, "y_max": 140},
        {"cx": 40, "cy": 100, "w": 40, "h": 80},
        {"xyxy": [20, 60, 60, 140]},
        {"xyxy": [[20, 60, 60, 140]]},
        {"ltrb": ["20", "60", "60", "140"]},
        {"ltwh": [20, 60, 40, 80]},
        {"tlwh": [20, 60, 40, 80]},
        {"cxcywh": [40, 100, 40, 80]},
        {"box": {"x1": 20, "y1": 60, "x2": 60, "y2": 140}},
        {"bbox": {"x": 20, "y": 60, "width": 40, "height": 80}},
        {"bounding_box": [{"left": 20, "top": 60, "right": 60, "bottom": 140}]},
        {"bbox": [20, 60, 60, 140], "xyxy": [20, 60, 60, 140]},
    ],
)
def test_a_box_in_any_plain_form_is_read(given_as: dict[str, Any]) -> None:
    """The keys that it came with stay."""
    told = settled({"label": "person", **given_as})
    assert {key: told[key] for key in BOX} == BOX
    assert set(told) == {*given_as, *BOX, "label", "class"}


@pytest.mark.parametrize(
    ("given_as", "confidence", "kind", "track_id"),
    [
        ({"confidence": 0.9, "class": "person", "track_id": 3}, 0.9, "person", 3),
        ({"conf": 0.9, "cls": 2.0}, 0.9, "2", None),
        ({"score": "0.9", "label": "person"}, 0.9, "person", None),
        ({"probability": [0.9], "category": "person"}, 0.9, "person", None),
        ({"confidence": 0, "score": 0.9, "class": 0}, 0, "0", None),
        ({"class": 2, "name": "car"}, None, "car", None),
        ({"class_id": 2, "class_name": "car"}, None, "car", None),
        ({"class": "2"}, None, "2", None),
        ({"label": 7, "tracker_id": "3"}, None, "7", 3),
        ({"class": True, "track_id": "front"}, None, True, "front"),
        ({"class": 1.5, "confidence": None}, None, 1.5, None),
        ({}, None, None, None),
    ],
)
def test_a_class_is_a_name_or_else_a_number(
    given_as: dict[str, Any], confidence: float | None, kind: object, track_id: object
) -> None:
    """So that 0 and 2 are two classes; what says nothing plain stays as it was."""
    told = settled({**BOX, **given_as})
    assert (told.get("confidence"), told.get("class"), told.get("track_id")) == (confidence, kind, track_id)


def test_a_number_beside_a_name_is_kept() -> None:
    """Of both, the class is the name."""
    assert settled({**BOX, "class": 2, "name": "car"})["class_id"] == 2
    assert "class_id" not in settled({**BOX, "class": "2", "name": "car"})


def test_what_is_right_stays_as_it_is() -> None:
    """To the last key."""
    entry = {"extra": [1], **BOX, "confidence": 0.5, "class": "person", "track_id": 1, "name": "Ann", "score": 0.1}
    assert settled(entry) == entry
    assert list(settled(entry)) == list(entry)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ([20, 60, 40, 80, 0.9, 0], "must be a dict, not a list: give x, y, width and height in pixels"),
        ({"bbox": [20, 60, 60, 140], "label": "person"}, "bbox of a detection may be x1, y1, x2, y2 or x, y, width"),
        ({"box": [[20, 60, 60, 140]]}, "box of a detection may be"),
        ({"xywh": [20, 60, 60, 140]}, "xywh of a detection may begin with the corner or the centre"),
        ({"label": "person", "score": 1}, "has no box that can be read: .* beside its label, score"),
        ({}, "has no box"),
        ({**BOX, "width": None}, "has no box"),
        ({**BOX, "width": "wide"}, "has no box"),
        ({**BOX, "width": float("inf")}, "has no box"),
        ({"xyxy": [20, 60, 60]}, "has no box"),
        ({"box": {"box": {"box": BOX}}}, "has no box"),
        ({"xyxy": [60, 60, 20, 140]}, "right or lower edge before"),
        ({**BOX, "width": 1e7, "confidence": 1, "class": "person"}, "lies beyond 1,000,000 pixels: give x, y"),
        ({"x": 0.2, "y": 0.6, "width": 0.4, "height": 0.8}, "smaller than a pixel: give .* not in shares"),
    ],
)
def test_what_is_not_plain_is_not_guessed(entry: object, words: str) -> None:
    """The sentence says what to give."""
    with pytest.raises(NoBoxError, match=words):
        settled(entry)


def test_the_rest_of_a_list_is_read() -> None:
    """One sentence for all that cannot be; those stay as they were."""
    odd = {"bbox": [1, 2, 3, 4]}
    result: dict[str, Any] = {"detections": [odd, {"xyxy": [20, 60, 60, 140]}, 7]}
    fault = settle_detections(result)
    assert fault is not None
    assert "bbox" in fault
    assert result["detections"] == [odd, {"xyxy": [20, 60, 60, 140], **BOX}, 7]
    assert len(read_detections(result)) == 1


@pytest.mark.parametrize(
    ("result", "words"),
    [
        ({}, None),
        ({"detections": None}, None),
        ({"detections": []}, None),
        ({"detections": [BOX]}, None),
        ({"detections": [{**BOX, "confidence": np.float32(1), "class": np.int64(2), "track_id": "3"}]}, None),
        ({"detections": [{**BOX, "confidence": 1.0001, "class": "car"}]}, None),
        ({"detections": [{**BOX, "confidence": None, "class": None, "track_id": None}]}, None),
        (
            {"detections": [{**BOX, "confidence": 87, "class": "car"}]},
            "confidence of a detection is below 0 or above 1",
        ),
        ({"detections": [{**BOX, "score": -0.5}]}, "is below 0 or above 1: give a number from 0 to 1"),
        ({"detections": [{**BOX, "score": "87%"}]}, "the confidence of a detection cannot be read: give a number"),
        ({"detections": [BOX, {**BOX, "class": ["car"]}]}, "the class of a detection cannot be read: give a text or"),
        ({"detections": [{**BOX, "class_id": 1.5}]}, "the class of a detection cannot be read: give a text or a whole"),
        ({"detections": [{**BOX, "track_id": "front"}]}, "the track_id of a detection cannot be read: give a whole"),
        ({"detections": {"xyxy": []}}, "must be a list of dicts, not a dict"),
        ({"detections": np.zeros((1, 6))}, "a detection must be a dict, not a list"),
    ],
)
def test_a_result_is_told_of_once(result: dict[str, Any], words: str | None) -> None:
    """In the warning that a client sees."""
    encoded = encode_frame_result(result, SIZE)
    assert encoded is not None
    assert (encoded.fault is None) if words is None else (words in (encoded.fault or ""))


def test_all_readers_see_the_same() -> None:
    """The tracker, the drawing and the table of detections: two classes at their places."""
    boxes = [{"xyxy": [20, 60, 60, 140], "class": 0, "score": 0.5}, {"x1": 9, "y1": 9, "x2": 19, "y2": 29, "class": 2}]
    encoded = encode_frame_result({"detections": boxes}, SIZE)
    assert encoded is not None
    expected = [(20, 60, 40, 80, 0.5, "0"), (9, 9, 10, 20, 1.0, "2")]

    def seen(found: Detection) -> tuple[object, ...]:
        return *found.box, found.confidence, found.kind

    result = json.loads(encoded.data)
    assert [seen(found) for found in read_detections(result)] == expected
    assert [seen(one.found) for one in visible({"raw": result})] == expected
    frame = {"frame_id": "frame-000001", "index": 1, "timestamp_ms": 40.0, "results": {"raw": result}}
    rows = csv.DictReader(io.StringIO((csv_head() + csv_rows([json.dumps(frame).encode()])).decode()))
    assert [tuple(row[name] for name in ("x", "y", "width", "height", "confidence", "class")) for row in rows] == [
        ("20", "60", "40", "80", "0.5", "0"),
        ("9", "9", "10", "20", "", "2"),
    ]


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*BOX, "xyxy", "box", "class"]), inner),
    max_leaves=12,
)


@given(anything)
def test_anything_is_settled_or_told_of(entry: object) -> None:
    """Settling again changes nothing."""
    try:
        told = settled(entry)
    except NoBoxError:
        return
    assert settled(told) == told
