"""Exports, read back by the libraries of those who use them."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import motmetrics
import numpy as np
import pandas as pd
import pytest
import yaml
from motmetrics.io import loadtxt
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from kinora.results.csv_rows import COLUMNS, csv_head, csv_rows
from kinora.results.job import to_export
from tests.results.exports_kit import (
    BOX,
    HEIGHT,
    ROUND,
    WIDTH,
    Found,
    add_pictures,
    exported,
    frames,
    job_of,
    masked,
    read_by_others,
    write,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # pycocotools' own, by a newer numpy
CAR = 'a "car" & <van>, größer'


def box(x: float, kind: str = "person", **more: Any) -> dict[str, Any]:
    """A detection of 20 x 40 pixels."""
    return {"x": x, "y": 10.0, "width": 20.0, "height": 40.0, "confidence": 0.9, "class": kind, **more}


BOXES: Mapping[int, Found] = {
    0: [box(5, track_id=1), box(60, "dog", track_id=2)],
    2: [box(7, track_id=1)],
    4: [],
    6: [box(9, track_id=1), box(80, CAR)],
    8: [box(-10, track_id=2)],
}
"""Those of a job with a stride of 2."""
OUTLINED = BOX | {"polygon": [[10, 20], [40, 20], [10, 40]]}
POSED = BOX | {"keypoints": [[20, 30, 0.9], [30, 30, 0.9], [30, 40, 0.1]]}
TURNED = BOX | {"angle": 90}
JOBS: Mapping[str, Mapping[int, Found]] = {
    "boxes": BOXES,
    "shapes": {0: [masked(ROUND)], 2: [OUTLINED], 4: [TURNED]},
    "outlines": {0: [masked(ROUND)], 2: [OUTLINED]},
    "poses": {0: [POSED]},
    "turned": {0: [TURNED]},
}
READS = [
    *(("datumaro", form, "boxes") for form in ("coco", "yolo", "mot_seq", "cvat")),
    *(("datumaro", form, "shapes") for form in ("coco", "cvat")),
    ("datumaro", "coco", "poses"),
    *(("supervision", form, "boxes") for form in ("coco", "yolo")),
    ("supervision", "coco", "shapes"),
    ("supervision", "yolo", "outlines"),
    ("supervision", "yolo", "poses"),
    ("supervision", "yolo-obb", "turned"),
]
Read = Mapping[tuple[str, str, str], Mapping[int, list[list[Any]]]]


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Read:
    """What each library reads of each format and job."""
    root = tmp_path_factory.mktemp("exports")
    for name, found in JOBS.items():
        for form in ("coco", "yolo", "mot", "cvat"):
            files = exported(form, frames(found), job_of(stride=2))
            if form == "coco":  # the names by which datumaro tells what is in it
                kind = "person_keypoints" if name == "poses" else "instances"
                files = {f"annotations/{kind}_all.json": files["annotations.json"]}
            add_pictures(write(files, root / name / form) / ("images/train" if form == "yolo" else "images"), found)
    places = [(lib, form, root / name / form.partition("_")[0].partition("-")[0]) for lib, form, name in READS]
    return dict(zip(READS, read_by_others(places), strict=True))


def told(found: Found, *, tracked: bool = False, cut: bool = False) -> list[Any]:
    """What is read of detections without a further shape, in the order of their classes and places."""
    rows = []
    for each in found:
        left, right = each["x"], each["x"] + each["width"]
        left, right = (max(0, left), min(WIDTH, right)) if cut else (left, right)
        track = each.get("track_id") if tracked else None
        rows.append([each["class"], "bbox", [left, each["y"], right - left, each["height"]], track])
    return sorted(rows)


@pytest.mark.parametrize("library", ["datumaro", "supervision"])
def test_boxes_of_coco_and_yolo_are_those_of_the_job(read: Read, library: str) -> None:
    """By others than their own library; in YOLO what lies outside the picture is cut off."""
    assert {index: sorted(found) for index, found in read[library, "coco", "boxes"].items()} == {
        index: told(found) for index, found in BOXES.items()
    }
    assert {index: sorted(found) for index, found in read[library, "yolo", "boxes"].items()} == {
        index: told(found, cut=True) for index, found in BOXES.items()
    }


def test_cvat_has_each_track_by_its_number_and_ends_it_where_it_is_not_seen(read: Read) -> None:
    """What has no track, or one that a thing of another class has, gets a number that no track has."""
    person = {index: told(found[:1], tracked=True)[0] for index, found in BOXES.items() if found}
    car = [CAR, "bbox", [80, 10, 20, 40], 4]
    assert read["datumaro", "cvat", "boxes"] == {
        0: [person[0], ["dog", "bbox", [60, 10, 20, 40], 2]],
        2: [person[2], ["dog", "outside", None, 2]],
        4: [["person", "outside", None, 1]],
        6: [person[6], car],
        8: [["person", "outside", None, 1], [*person[8][:3], 3], [CAR, "outside", None, 4]],
    }


@pytest.mark.filterwarnings("ignore:Operation with tuple")  # motmetrics' own, by a newer pandas
def test_mot_has_tracks_by_their_numbers(read: Read, tmp_path: Path) -> None:
    """Frames count from 1; the tracks score as perfect against what was found; all detections are beside them."""
    tracked = {index: [each for each in found if "track_id" in each] for index, found in BOXES.items()}
    assert {index - 1: sorted(found) for index, found in read["datumaro", "mot_seq", "boxes"].items()} == {
        index: told(tracked.get(index, ()), tracked=True) for index in range(9)
    }
    folder = write(exported("mot", frames(BOXES), job_of(stride=2)), tmp_path)
    tracks = loadtxt(folder / "gt" / "gt.txt", fmt="mot15-2D", min_confidence=-1)
    counted = motmetrics.MOTAccumulator()
    for index, found in tracked.items():
        there: Any = tracks.xs(index + 1) if index + 1 in tracks.index else tracks.iloc[:0].droplevel(0)
        boxes = there[["X", "Y", "Width", "Height"]].add((1, 1, 0, 0)).to_numpy()  # it counts pixels from 0
        apart = [[0 if box == told([each])[0][2] else np.nan for box in boxes.tolist()] for each in found]
        counted.update([each["track_id"] for each in found], there.index.tolist(), apart, frameid=index)
    score = motmetrics.metrics.create().compute(counted, metrics=["mota", "motp", "idf1", "num_objects"], name="all")
    assert score.loc["all"].tolist() == [1, 0, 1, sum(map(len, tracked.values()))]
    everything = loadtxt(folder / "det" / "det.txt", fmt="mot15-2D", min_confidence=-1)
    assert len(everything) == sum(map(len, BOXES.values()))


def test_shapes_are_those_of_the_job(read: Read) -> None:
    """Masks by their pixels, or their outline where a format has no masks; polygons, key points and turned boxes."""
    mask = np.packbits(ROUND).tobytes().hex()
    plain, corners = [10, 20, 30, 20], [35, 15, 35, 45, 15, 45, 15, 15]
    triangle = [10, 20, 40, 20, 10, 40]
    coco = read["datumaro", "coco", "shapes"]
    assert coco[0] == [["person", "mask", mask, None], ["person", "bbox", plain, None]]
    assert coco[2] == [["person", "polygon", triangle, None], ["person", "bbox", plain, None]]
    assert coco[4] == [["person", "polygon", corners, None], ["person", "bbox", plain, None]]
    assert read["supervision", "coco", "shapes"][0] == [["person", "mask", mask, None]]
    assert read["datumaro", "coco", "poses"][0][0] == ["person", "points", [20, 30, 30, 30, 0, 0, 2, 2, 0], None]
    assert read["supervision", "yolo", "poses"][0] == [["person", "bbox", plain, None]]
    assert read["supervision", "yolo-obb", "turned"][0] == [["person", "corners", corners, None]]
    outlined = read["supervision", "yolo", "outlines"]
    assert {index: [kind for _class, kind, *_ in found] for index, found in outlined.items()} == {
        0: ["mask"],
        2: ["mask"],
    }
    cvat = read["datumaro", "cvat", "shapes"]
    assert pixels_in(cvat[0][0][2]).tolist() == ROUND.tolist()
    assert [cvat[0][0][1], *cvat[2][1][1:3], *cvat[4][1][1:3]] == [
        "polygon",
        "polygon",
        triangle,
        "rotated_bbox",
        [25, 30, 30, 20, 90],
    ]


def pixels_in(outline: list[float]) -> Any:
    """The pixels inside a polygon."""
    return coco_mask.decode(coco_mask.frPyObjects([outline], HEIGHT, WIDTH))[..., 0].astype(bool)


def test_coco_has_all_images_boxes_and_categories(tmp_path: Path) -> None:
    """Its own library finds each box at its image, with its category, score and track."""
    coco = COCO(str(write(exported("coco", frames(BOXES)), tmp_path) / "annotations.json"))
    names = {each["id"]: each["name"] for each in coco.loadCats(coco.getCatIds())}
    assert {
        image["frame_index"]: sorted(
            [names[each["category_id"]], "bbox", each["bbox"], each.get("track_id")]
            for each in coco.imgToAnns[image["id"]]
        )
        for image in coco.loadImgs(coco.getImgIds())
    } == {index: told(found, tracked=True) for index, found in BOXES.items()}
    assert {each["score"] for each in coco.loadAnns(coco.getAnnIds())} == {0.9}


@pytest.mark.parametrize("found", [{}, {0: []}])
def test_a_job_that_found_nothing_gives_files_that_are_whole(found: Mapping[int, Found], tmp_path: Path) -> None:
    """With all frames that there were."""
    files = {
        form: write(exported(form, frames(found)), tmp_path / form)
        for form in ("coco", "yolo", "mot", "cvat", "parquet")
    }
    assert len(COCO(str(files["coco"] / "annotations.json")).getImgIds()) == len(found)
    assert yaml.safe_load((files["yolo"] / "data.yaml").read_text())["names"] == {}
    assert len([*files["yolo"].glob("labels/train/*.txt")]) == len(found)
    assert f"seqLength={len(found)}\n" in (files["mot"] / "seqinfo.ini").read_text()
    assert ET.parse(files["cvat"] / "annotations.xml").findall("track") == []  # noqa: S314 - our own file
    assert not pd.read_parquet(files["parquet"] / "results.parquet")["class"].count()


def test_any_class_is_read_as_one_line() -> None:
    """Control characters and newlines are written as escapes; what has no visible one is an ``object``."""
    kinds = ["", "a, b", "人", *map(chr, (*range(256), 0x202E, 0x2028, 0xFFFE, 0xFFFF))]
    lines = frames({0: [box(index, kind) for index, kind in enumerate(kinds)]})
    labels = exported("mot", lines)["gt/labels.txt"].decode().removesuffix("\n").split("\n")
    assert (len(labels), len(set(labels))) == (len(kinds) - 2, len(kinds) - 2)
    assert {"a, b", "人", r"\n", r"\x00", r"\uffff", "object"} <= set(labels)
    assert [*yaml.safe_load(exported("yolo", lines)["data.yaml"])["names"].values()] == labels
    root = ET.fromstring(exported("cvat", lines)["annotations.xml"])  # noqa: S314 - our own file
    assert [label.findtext("name") for label in root.iter("label")] == labels
    assert {track.get("label") for track in root.iter("track")} == set(labels)


def test_pictures_whose_names_differ_in_their_suffix_have_labels_each() -> None:
    """Readers find labels by a picture's name without its suffix, so the second has another name, as is said there."""
    names = ["a.jpg", "a.png", "a.png.jpg", "größer & <b> 'c'.jpeg", "x" * 200 + ".webp", "IMG"]
    lines = [line for name in names for line in frames({0: [BOX]}, file=name)]
    files = exported("yolo", lines)
    assert [Path(name).name for name in files if name.endswith(".txt")] == [
        "a.txt",
        "a.png.txt",
        "a.png.jpg.txt",
        "größer & <b> 'c'.txt",
        "x" * 200 + ".txt",
        "IMG.txt",
    ]
    assert b"images/train/a.png.png" in files["data.yaml"]


def test_csv_and_parquet_have_the_same_rows(tmp_path: Path) -> None:
    """As pandas reads them: numbers as numbers, and nothing where a row has nothing to say."""
    lines = frames(BOXES)
    table = pd.read_csv(io.BytesIO(csv_head() + csv_rows(lines)))
    typed: Any = pd.read_parquet(write(exported("parquet", lines), tmp_path) / "results.parquet")
    pd.testing.assert_frame_equal(table, typed, check_dtype=False)
    assert (list(table), str(typed["index"].dtype)) == (list(COLUMNS), "int64")
    found = table[(table.plugin == "finder") & table["class"].notna()]
    assert found[["index", "x", "class"]].to_numpy().tolist() == [
        [index, each["x"], each["class"]] for index, there in BOXES.items() for each in there
    ]
    assert found.track_id.dropna().tolist() == [1, 2, 1, 1, 2]


@pytest.mark.parametrize(
    ("pipeline", "trackers", "exported"),
    [
        (("people", "tracker"), {"tracker"}, ("tracker",)),
        (("people", "tracker", "ocr"), {"tracker"}, ("tracker", "ocr")),
        (("people", "faces"), set[str](), ("people", "faces")),
    ],
)
def test_each_thing_is_exported_once(pipeline: tuple[str, ...], trackers: set[str], exported: tuple[str, ...]) -> None:
    """The last tracker stands for the plugins before it, whose detections it repeats."""
    assert to_export(pipeline, trackers) == exported
