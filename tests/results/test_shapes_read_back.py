"""Masks, outlines, key points and turned boxes in exports, read back by the libraries of those who use them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import msgspec
import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from kinora.plugins.rle import mask_of
from kinora.results.exporter import ExportedJob
from kinora.results.formats import FORMATS
from kinora.results.outlines import contour_of
from kinora.results.zip_stream import ZipStream

WIDTH, HEIGHT = 100, 60
JOB = ExportedJob(
    job_id="j", source="a.mp4", created_at="2026-11-26T12:00:00Z", plugins=("onnx",), skeleton=((0, 1), (1, 2), (7, 8))
)
BOX = {"x": 10, "y": 20, "width": 30, "height": 20, "confidence": 0.9, "class": "person"}
ROUND = np.array([[(x - 25) ** 2 + (y - 30) ** 2 < 90 for x in range(WIDTH)] for y in range(HEIGHT)], np.bool_)
TRIANGLE = [[10, 20], [40, 20], [10, 40]]
POINTS = [[20, 30, 0.9], [30, 30, 0.9], [30, 40, 0.1]]
TURNED = BOX | {"angle": 90}
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, by a newer numpy


def masked(pixels: Any, left: int = 0, top: int = 0) -> dict[str, Any]:
    """A detection with a mask."""
    mask = mask_of(pixels, left, top)
    assert mask is not None
    return BOX | {"mask": msgspec.structs.asdict(mask)}


def exported(name: str, *frames: list[dict[str, Any]]) -> dict[str, bytes]:
    """The files of an export of frames with these detections."""
    exporter = FORMATS[name].make(JOB)
    lines = [
        msgspec.json.encode(
            {
                "frame_id": f"frame-{index:06d}",
                "index": index,
                "timestamp_ms": index * 40.0,
                "width": WIDTH,
                "height": HEIGHT,
                "results": {"onnx": {"detections": found}},
            }
        )
        for index, found in enumerate(frames)
    ]
    files: dict[str, bytes] = {}
    for file, piece in [*exporter.frames(lines[:1]), *exporter.frames(lines[1:]), *exporter.end()]:
        files[file] = files.get(file, b"") + piece
    return files


def coco(folder: Path, *frames: list[dict[str, Any]]) -> COCO:
    """An export of these, read by COCO's own library."""
    (data,) = exported("coco", *frames).values()
    (folder / "coco.json").write_bytes(data)
    return COCO(str(folder / "coco.json"))


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
    assert "segmentation" not in plain
    assert plain["area"] == 600


def labels(*frames: list[dict[str, Any]]) -> tuple[list[str], dict[str, Any]]:
    """The labels of each frame, unpacked from the archive, and the description."""
    archive = ZipStream()
    packed = b"".join(archive.add(exported("yolo", *frames).items())) + archive.end()
    with ZipFile(io.BytesIO(packed)) as opened:
        names = sorted(name for name in opened.namelist() if name.endswith(".txt"))
        described: dict[str, Any] = yaml.safe_load(opened.read("data.yaml"))
        return [opened.read(name).decode() for name in names], described


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


def test_cvat_has_polygons_and_turned_boxes() -> None:
    """A thing that is seen now as a box and now as a polygon has a track of each, which ends where it is not seen."""
    tracked = BOX | {"track_id": 4}
    (data,) = exported("cvat", [tracked | {"polygon": TRIANGLE}, TURNED], [tracked]).values()
    polygons, turned, boxes = ET.fromstring(data).iter("track")  # noqa: S314 - our own file
    assert [(shape.tag, shape.get("frame"), shape.get("outside")) for shape in polygons] == [
        ("polygon", "0", "0"),
        ("polygon", "1", "1"),
    ]
    assert polygons[0].get("points") == "10.00,20.00;40.00,20.00;10.00,40.00"
    assert turned[0].get("rotation") == "90.00"
    assert [(shape.tag, shape.get("frame"), shape.get("outside")) for shape in boxes] == [("box", "1", "0")]


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
