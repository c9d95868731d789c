"""Masks, polygons, key points and turned boxes of detections: the forms that are read."""

from __future__ import annotations

import json
import math
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco

from kinora.plugins.forms.catalogue import Mask
from kinora.plugins.forms.detections import read_detections
from kinora.plugins.forms.results import encode_frame_result
from kinora.plugins.forms.rle import MAX_MASK_PIXELS, mask_of, pixels_of
from tests.plugins.library_stand_ins import Tensor

SIZE = (60, 80)
"""Height and width of the frame."""
BOX = {"x": 10, "y": 20, "width": 4, "height": 3, "confidence": 0.5, "class": "cat"}


def told(**further: Any) -> tuple[dict[str, Any], str | None]:
    """A detection with these keys as a client sees it, and the warning."""
    encoded = encode_frame_result({"detections": [BOX | further]}, SIZE)
    assert encoded is not None
    return json.loads(encoded.data)["detections"][0], encoded.fault


def frame_with(top: int, left: int, height: int = 3, width: int = 4) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Pixels of a frame, true in one block."""
    pixels = np.zeros(SIZE, np.bool_)
    pixels[top : top + height, left : left + width] = True
    return pixels


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_a_code_is_that_of_coco(pixels: np.ndarray[Any, np.dtype[np.bool_]]) -> None:
    """Cut to what is true, as pycocotools writes it; read again, it is the same. Of no pixel there is no mask."""
    mask = mask_of(pixels, left=7, top=9)
    found = np.zeros_like(pixels)
    if mask is not None:
        x, y = mask.x - 7, mask.y - 9
        crop = pixels[y : y + mask.height, x : x + mask.width]
        assert mask.counts == coco.encode(np.asfortranarray(crop, np.uint8))["counts"].decode()
        found[y : y + mask.height, x : x + mask.width] = pixels_of(mask)
    assert (found == pixels).all()


@pytest.mark.parametrize("counts", ["x", "o", "\x7f", "99", "0" * 9 + "/", "é", "l" * 20, "1K"])
def test_a_wrong_code_is_no_mask(counts: str) -> None:
    """Nothing is made of one that is cut off, goes beyond its crop, or has other characters."""
    with pytest.raises(ValueError, match="mask"):
        pixels_of(Mask(x=0, y=0, width=2, height=2, counts=counts))


def test_a_huge_mask_is_not_read() -> None:
    """Its code is short, its pixels would fill the memory."""
    with pytest.raises(ValueError, match="pixels"):
        pixels_of(Mask(x=0, y=0, width=MAX_MASK_PIXELS, height=2, counts="0"))


@pytest.mark.parametrize(
    "mask",
    [
        frame_with(20, 10),
        frame_with(20, 10).astype(np.uint8) * 255,
        frame_with(20, 10)[None] * 0.9,
        np.ones((3, 4), np.bool_),
        Tensor(frame_with(20, 10).astype(np.float32)),
        {"x": 10, "y": 20, "width": 4, "height": 3, "counts": "0<"},
    ],
)
def test_a_mask_is_an_array_or_a_code(mask: Any) -> None:
    """Of the frame or of the box, of truths or of numbers; large ones too."""
    detection, fault = told(mask=mask)
    assert fault is None
    assert detection["mask"] == {"x": 10, "y": 20, "width": 4, "height": 3, "counts": "0<"}


@pytest.mark.parametrize("box", [[10, 20, 14, 23], np.array([10.2, 19.8, 14.1, 23.0]), (10, 20, 14, 23)])
def test_a_mask_of_the_size_of_the_box_goes_with_all_spellings_of_boxes(box: Any) -> None:
    """Corners as well, in an array or a tuple too."""
    encoded = encode_frame_result({"detections": [{"xyxy": box, "mask": np.ones((3, 4), np.bool_)}]}, SIZE)
    assert encoded is not None
    assert encoded.misread is None
    (detection,) = msgspec.json.decode(encoded.data)["detections"]
    assert detection["mask"] == {"x": 10, "y": 20, "width": 4, "height": 3, "counts": "0<"}


def test_a_code_of_the_frame_is_read() -> None:
    """COCO's, whose counts are bytes, text or numbers."""
    whole = {"x": 0, "y": 0, "width": 3, "height": 2, "counts": "132"}
    for counts in (b"132", "132", [1, 3, 2]):
        detection, fault = told(segmentation={"size": [2, 3], "counts": counts})
        assert (detection["mask"], fault) == (whole, None)


def test_an_empty_mask_is_none() -> None:
    """A detection without any pixel has a box alone."""
    assert told(mask=np.zeros(SIZE, np.bool_)) == (BOX | {"mask": None}, None)


TRIANGLE = [[1, 2], [30, 2], [1, 40.5]]


@pytest.mark.parametrize(
    "given_as",
    [
        {"polygon": TRIANGLE},
        {"polygon": np.array(TRIANGLE)},
        {"segmentation": np.array(TRIANGLE)},
        {"polygon": [1, 2, 30, 2, 1, 40.5]},
        {"polygon": [{"x": 1, "y": 2}, {"x": 30, "y": 2}, {"x": 1, "y": 40.5}]},
        {"segmentation": [[1, 2, 30, 2, 1, 40.5]]},
        {"segments": {"x": [1, 30, 1], "y": [2, 2, 40.5]}},
    ],
)
def test_a_polygon_is_read(given_as: dict[str, Any]) -> None:
    """In pairs, in a row, in columns."""
    detection, fault = told(**given_as)
    assert (detection["polygon"], fault) == (TRIANGLE, None)


@pytest.mark.parametrize(
    ("given_as", "points"),
    [
        ([[1, 2, 0.5], [3, 4, 0]], [[1, 2, 0.5], [3, 4, 0]]),
        ([[1, 2], [3, 4]], [[1, 2, 1], [3, 4, 1]]),
        ([{"x": 1, "y": 2, "score": 0.5}, {"x": 3, "y": 4}], [[1, 2, 0.5], [3, 4, 1]]),
        ({"x": [1, 3], "y": [2, 4], "visible": [0.5, 0]}, [[1, 2, 0.5], [3, 4, 0]]),
        ([[1, 2, 0.5], None, {"x": 3}], [[1, 2, 0.5], [0, 0, 0], [0, 0, 0]]),
        (["nose", "eye"], None),
        ([[1, 2, 0.5], [float("nan"), 4, 1]], [[1, 2, 0.5], [0, 0, 0]]),
    ],
)
def test_key_points_are_read(given_as: Any, points: Any) -> None:
    """Each keeps its number: one that cannot be read was not seen."""
    detection, fault = told(keypoints=given_as)
    if points is None:
        assert "the keypoints of a detection cannot be read: give [[x, y, confidence], …]" in (fault or "")
    else:
        assert detection["keypoints"] == points


@pytest.mark.parametrize(
    "given_as",
    [
        {"xywhr": [50, 40, 20, 10, np.pi / 6]},
        {"xyxyxyxy": [43.84, 30.67, 61.16, 40.67, 56.16, 49.33, 38.84, 39.33]},
        {
            "box": dict(
                zip(
                    ("x1", "y1", "x2", "y2", "x3", "y3", "x4", "y4"),
                    (43.84, 30.67, 61.16, 40.67, 56.16, 49.33, 38.84, 39.33),
                    strict=True,
                )
            )
        },
    ],
)
def test_a_turned_box_is_read(given_as: dict[str, Any]) -> None:
    """By its centre and radians, or by its corners."""
    encoded = encode_frame_result({"detections": [given_as | {"class": "ship"}]}, SIZE)
    assert encoded is not None
    assert encoded.fault is None
    (found,) = read_detections(json.loads(encoded.data))
    assert found.box == pytest.approx((40, 35, 20, 10), abs=0.1)
    assert found.angle == pytest.approx(30, abs=0.1)


@pytest.mark.parametrize(
    ("further", "words"),
    [
        ({"mask": np.broadcast_to(np.float32(1), (10**9, 10**9))}, "mask of a detection is of 1000000000x1000000000"),
        ({"mask": np.ones((7, 9))}, "mask of a detection is of 9x7 pixels: give one of the frame, 80x60"),
        ({"mask": {"counts": "0<"}}, "mask of a detection cannot be read: give an array of bool"),
        ({"polygon": [[1, 2], [3, 4]]}, "polygon of a detection cannot be read: give [[x, y], …], three corners"),
        ({"angle": "steep"}, "angle of a detection cannot be read: give a number of degrees"),
    ],
)
def test_a_shape_that_cannot_be_read_is_told(further: dict[str, Any], words: str) -> None:
    """The box is read all the same."""
    detection, fault = told(**further)
    assert words in (fault or "")
    (found,) = read_detections({"detections": [detection]})
    assert (found.box, found.mask, found.polygon, found.angle) == ((10, 20, 4, 3), None, None, None)


def test_masks_are_read_up_to_a_bound() -> None:
    """A short text may stand for many pixels: beyond the bound, detections have their boxes alone."""
    side = math.isqrt(MAX_MASK_PIXELS)
    large = BOX | {"mask": {"x": 0, "y": 0, "width": side, "height": side, "counts": "0"}}
    found = read_detections({"detections": [large] * 6})
    assert [detection.mask is not None for detection in found] == [True] * 4 + [False] * 2


def test_all_that_is_known_is_read() -> None:
    """And told again as it was."""
    whole = BOX | {
        "track_id": 3,
        "mask": {"x": 10, "y": 20, "width": 4, "height": 3, "counts": "0<"},
        "polygon": TRIANGLE,
        "keypoints": [[1, 2, 0.5]],
        "angle": 30,
        "text": "EXIT",
        "attributes": {"colour": "green"},
    }
    (found,) = read_detections({"detections": [whole]})
    assert found.as_json() == whole
    assert msgspec.json.decode(msgspec.json.encode(found)) == whole
