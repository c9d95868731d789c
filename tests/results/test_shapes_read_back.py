"""Masks, outlines, key points and turned boxes in exports, read back by the libraries of those who use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from kinora.results.outlines import contour_of
from tests.results.exports_kit import BOX, HEIGHT, ROUND, WIDTH, Found, exported, frames, job_of, masked, write

JOB = job_of(skeleton=((0, 1), (1, 2), (7, 8)))
TRIANGLE = [[10, 20], [40, 20], [10, 40]]
POINTS = [[20, 30, 0.9], [30, 30, 0.9], [30, 40, 0.1]]
TURNED = BOX | {"angle": 90}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, by a newer numpy


def coco(folder: Path, *found: Found) -> COCO:
    """An export of these, read by COCO's own library."""
    return COCO(str(write(exported("coco", frames(dict(enumerate(found))), JOB), folder) / "annotations.json"))


@pytest.mark.parametrize(("left", "top"), [(0, 0), (-20, -25), (70, 25), (-20, 0), (75, 0), (500, 0)])
def test_coco_has_each_pixel_of_a_mask(tmp_path: Path, left: int, top: int) -> None:
    """Also of one that goes beyond the frame."""
    read = coco(tmp_path, [masked(ROUND, left, top)])
    (found,) = read.loadAnns(read.getAnnIds())
    wide = np.pad(ROUND, 500)
    expected = wide[500 - top : 500 - top + HEIGHT, 500 - left : 500 - left + WIDTH]
    assert (read.annToMask(found) == expected).all()
    assert found["area"] == expected.sum()


def test_coco_has_outlines_poses_and_what_else_is_known(tmp_path: Path) -> None:
    """A polygon, a turned box as one, key points with their names and skeleton, attributes; none of a plain box."""
    posed = BOX | {"class": "poser", "keypoints": POINTS, "attributes": {"colour": "red"}, "text": "EXIT"}
    read = coco(tmp_path, [BOX | {"polygon": TRIANGLE}, TURNED], [posed, BOX])
    outlined, turned, pose, plain = read.loadAnns(read.getAnnIds())
    assert (outlined["segmentation"], outlined["area"]) == ([[10, 20, 40, 20, 10, 40]], 300)
    assert read.annToMask(turned)[15:45, 15:35].all()
    assert read.annToMask(turned).sum() == pytest.approx(turned["area"], rel=0.1)
    assert turned["attributes"] == {"rotation": 90}
    assert (pose["keypoints"], pose["num_keypoints"]) == ([20, 30, 2, 30, 30, 2, 0, 0, 0], 2)
    assert pose["attributes"] == {"colour": "red", "text": "EXIT"}
    (category,) = read.loadCats(pose["category_id"])
    assert (category["keypoints"], category["skeleton"]) == (["0", "1", "2"], [[1, 2], [2, 3]])
    assert (plain["segmentation"], plain["area"]) == ([], 600)


def labels(*found: Found) -> tuple[list[str], dict[str, Any]]:
    """The labels of each frame, and the description."""
    files = exported("yolo", frames(dict(enumerate(found))))
    described: dict[str, Any] = yaml.safe_load(files.pop("data.yaml"))
    return [files[name].decode() for name in sorted(files)], described


def in_pixels(row: str) -> list[float]:
    """The places in a row without further numbers."""
    return [float(share) * (HEIGHT if place % 2 else WIDTH) for place, share in enumerate(row.split()[1:])]


def test_yolo_is_of_the_task_that_all_detections_have() -> None:
    """Outlines, poses with their shape, turned boxes; frames without any do not matter."""
    (_, outlined), _ = labels([], [BOX | {"polygon": TRIANGLE}])
    assert outlined == "0 0.100000 0.333333 0.400000 0.333333 0.100000 0.666667\n"
    (posed, _), described = labels([BOX | {"keypoints": POINTS}], [])
    assert posed == "0 0.250000 0.500000 0.300000 0.333333 0.200000 0.500000 2 0.300000 0.500000 2 0 0 0\n"
    assert described["kpt_shape"] == [3, 3]
    (turned,), described = labels([TURNED])
    assert in_pixels(turned) == pytest.approx([35, 15, 35, 45, 15, 45, 15, 15], abs=0.01)
    assert "kpt_shape" not in described
    (masks,), _ = labels([masked(ROUND)])
    assert (coco_mask.decode(coco_mask.frPyObjects([in_pixels(masks)], HEIGHT, WIDTH))[..., 0] == ROUND).all()


@pytest.mark.parametrize("other", [BOX, BOX | {"keypoints": POINTS[:2]}, BOX | {"angle": 5}, BOX | {"keypoints": []}])
def test_yolo_is_of_boxes_where_detections_differ(other: dict[str, Any]) -> None:
    """One data set has rows of one kind; what has waited comes as boxes as well, in order."""
    box = "0 0.250000 0.500000 0.300000 0.333333\n"
    told, described = labels([BOX | {"keypoints": POINTS}], [other], [BOX | {"keypoints": POINTS}])
    assert told == [box, box, box]
    assert "kpt_shape" not in described


def test_cvat_has_a_track_of_each_kind_of_shape() -> None:
    """A thing that is seen now as a box and now as a polygon has both; the same track twice in a frame is two."""
    tracked = BOX | {"track_id": 4}
    files = exported("cvat", frames({0: [tracked | {"polygon": TRIANGLE}], 1: [tracked, tracked]}))
    root = ET.fromstring(files["annotations.xml"])  # noqa: S314 - our own file
    assert {
        track.get("id"): [(shape.tag, shape.get("frame"), shape.get("outside")) for shape in track]
        for track in root.iter("track")
    } == {"4": [("polygon", "0", "0"), ("polygon", "1", "1")], "5": [("box", "1", "0")], "6": [("box", "1", "0")]}


@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))), st.integers(1, 5))
def test_a_contour_is_that_of_the_largest_part(noise: Any, side: int) -> None:
    """A block is its own contour, whatever smaller things and holes there are."""
    pixels = np.zeros((40, 40), np.bool_)
    pixels[: noise.shape[0], : noise.shape[1]] = noise
    pixels[20 : 35 + side, 20:32] = True
    pixels[24, 25] = False
    bottom = min(40, 35 + side)
    assert sorted(contour_of(pixels)) == [(20, 20), (20, bottom), (32, 20), (32, bottom)]
    assert contour_of(np.zeros((3, 3), np.bool_)) == []


def test_a_mask_of_dust_has_no_contour() -> None:
    """It would take long to follow it, and be of no use."""
    assert contour_of(np.indices((300, 300)).sum(axis=0) % 2 == 0) == []
