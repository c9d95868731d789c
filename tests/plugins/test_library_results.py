"""Results of supervision and ultralytics, returned as they are."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from kinora.plugins.forms.results import encode_frame_result
from tests.plugins.library_stand_ins import Columns, Detections, Results, Tensor

SIZE = (60, 80)
NAMES = {0: "person", 16: "dog"}


def told(result: object) -> dict[str, Any]:
    """The result as a client sees it."""
    encoded = encode_frame_result(result, SIZE)
    assert encoded is not None
    assert encoded.fault is None
    found: dict[str, Any] = json.loads(encoded.data)
    return found


def supervised() -> Detections:
    """Two things, one with a mask over its box."""
    masks = np.zeros((2, *SIZE), np.bool_)
    masks[0, 20:23, 10:14] = True
    return Detections(
        xyxy=np.array([[10, 20, 14, 23], [30, 40, 50, 60]], np.float32),
        mask=masks,
        confidence=np.array([0.5, 0.25], np.float32),
        class_id=np.array([0, 16]),
        tracker_id=np.array([7, 8]),
        data={
            "class_name": np.array(["person", "dog"]),
            "colour": np.array(["red", "brown"]),
            "crops": np.ones((2, 9)),
        },
    )


def test_supervision_is_read() -> None:
    """Boxes, masks, names, tracks and what else is known of each."""
    person, dog = told(supervised())["detections"]
    assert person == {
        "x": 10,
        "y": 20,
        "width": 4,
        "height": 3,
        "confidence": 0.5,
        "class": "person",
        "class_id": 0,
        "track_id": 7,
        "attributes": {"colour": "red"},
        "mask": {"x": 10, "y": 20, "width": 4, "height": 3, "counts": "0<"},
    }
    assert (dog["class"], dog["track_id"], dog["mask"]) == ("dog", 8, None)


def test_supervision_may_know_little() -> None:
    """Boxes alone, none at all, and beside other keys."""
    bare = Detections(xyxy=np.array([[10, 20, 14, 23]]))
    assert told(bare) == {"detections": [{"x": 10, "y": 20, "width": 4, "height": 3}]}
    assert told(Detections(xyxy=np.empty((0, 4)))) == {"detections": []}
    both = told({"metrics": {"people": 1}, "detections": bare})
    assert both == {"metrics": {"people": 1}, "detections": [{"x": 10, "y": 20, "width": 4, "height": 3}]}


def test_supervisions_turned_boxes_are_read() -> None:
    """From their corners."""
    corners = np.array([[[43.84, 30.67], [61.16, 40.67], [56.16, 49.33], [38.84, 39.33]]])
    (ship,) = told(Detections(xyxy=np.array([[38, 30, 62, 50]]), data={"xyxyxyxy": corners}))["detections"]
    assert ship["angle"] == pytest.approx(30, abs=0.1)
    assert (ship["width"], ship["height"]) == pytest.approx((20, 10), abs=0.1)


BOXES = Columns(xyxy=Tensor([[10, 20, 14, 23]]), conf=Tensor([0.5]), cls=Tensor([16.0]), id=Tensor([3.0]))
DOG = {"x": 10, "y": 20, "width": 4, "height": 3, "confidence": 0.5, "class": "dog", "class_id": 16, "track_id": 3}


def test_ultralytics_is_read() -> None:
    """Also as the list that a model returns, with masks as polygons, and key points."""
    outline = [[10, 20], [14, 20], [14, 23]]
    masks = Columns(xy=[np.array(outline, np.float32)])
    assert told([Results(names=NAMES, boxes=BOXES, masks=masks)]) == {"detections": [DOG | {"polygon": outline}]}
    points = Columns(xy=Tensor([[[11, 21], [0, 0]]]), conf=Tensor([[0.75, 0.25]]))
    posed = told({"detections": Results(names=NAMES, boxes=BOXES, keypoints=points), "metrics": {"dogs": 1}})
    assert posed == {"detections": [DOG | {"keypoints": [[11, 21, 0.75], [0, 0, 0.25]]}], "metrics": {"dogs": 1}}
    unsure = told(Results(names=NAMES, boxes=BOXES, keypoints=Columns(xy=Tensor([[[11, 21], [0, 0]]]))))
    assert unsure["detections"][0]["keypoints"] == [[11, 21, 1], [0, 0, 0]]


def test_ultralytics_other_tasks_are_read() -> None:
    """Turned boxes, and the classes of the picture."""
    turned = Columns(xywhr=Tensor([[50, 40, 20, 10, np.pi / 6]]), conf=Tensor([0.5]), cls=Tensor([1.0]))
    assert told(Results(names=NAMES, obb=turned)) == {
        "detections": [
            {"x": 40, "y": 35, "width": 20, "height": 10, "angle": 30, "confidence": 0.5, "class": "1", "class_id": 1}
        ]
    }
    probs = Columns(top5=[16, 0], top5conf=Tensor([0.75, 0.125]))
    classes = [{"class": "dog", "confidence": 0.75}, {"class": "person", "confidence": 0.125}]
    assert told(Results(names=NAMES, probs=probs)) == {"classes": classes}
    assert told(Results(names=NAMES)) == {"detections": []}
