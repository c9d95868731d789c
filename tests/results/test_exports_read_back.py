"""Exports, read back by the libraries of those who use them."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET
from zipfile import ZipFile

import msgspec
import pandas as pd
import pyarrow.parquet
import pytest
import yaml
from motmetrics.io import loadtxt
from pycocotools.coco import COCO

from kinora.results.exporter import ExportedJob, Piece
from kinora.results.formats import FORMATS
from kinora.results.job import to_export
from kinora.results.zip_stream import ZipStream


def detection(x: float, kind: str = "person", **more: Any) -> dict[str, Any]:
    """A detection of 20 x 40 pixels."""
    return {"x": x, "y": 10.0, "width": 20.0, "height": 40.0, "confidence": 0.9, "class": kind, **more}


FOUND: dict[int, list[dict[str, Any]]] = {
    0: [detection(5, track_id=1), detection(60, "dog", track_id=2)],
    2: [detection(7, track_id=1)],
    4: [],
    6: [detection(9, track_id=1), detection(90, 'a "car" & <van>')],
    8: [detection(-10, track_id=2)],
}
"""Index → detections, of a job with a stride of 2."""
ALL = sum(map(len, FOUND.values()))
JOB = ExportedJob(job_id="j", source="a & b.mp4", created_at="2026-11-26T12:00:00Z", plugins=("tracker",), stride=2)


def frame(index: int, found: list[dict[str, Any]]) -> bytes:
    """A frame as it is stored; ``people`` has found the same, without tracks."""
    results = {"people": {"detections": found}, "tracker": {"detections": found, "metrics": {"tracks": len(found)}}}
    facts = {"frame_id": f"frame-{index:06d}", "index": index, "timestamp_ms": index * 40.0}
    return msgspec.json.encode({**facts, "width": 100, "height": 60, "results": results})


def pieces(name: str, pages: Iterable[list[bytes]] | None = None) -> list[Piece]:
    """An export of the frames, which come in pages of two."""
    lines = [frame(index, found) for index, found in FOUND.items()]
    exporter = FORMATS[name].make(JOB)
    made = []
    for page in pages or [lines[:2], lines[2:4], lines[4:]]:
        made += list(exporter.frames(page))
    return [*made, *exporter.end()]


def files(name: str, folder: Path) -> Path:
    """The files of an export, unpacked from its archive if it has several."""
    if not FORMATS[name].zipped:
        (folder / "export").write_bytes(b"".join(data for _, data in pieces(name)))
        return folder / "export"
    archive = ZipStream()
    packed = b"".join(archive.add(pieces(name))) + archive.end()
    with ZipFile(io.BytesIO(packed)) as opened:
        assert opened.testzip() is None
        opened.extractall(folder)
    return folder


def test_coco_has_all_images_boxes_and_categories(tmp_path: Path) -> None:
    """Its own library finds each box at its image, with its category, score and track."""
    coco = COCO(str(files("coco", tmp_path)))
    assert [image["frame_index"] for image in coco.loadImgs(coco.getImgIds())] == list(FOUND)
    assert {each["name"] for each in coco.loadCats(coco.getCatIds())} == {"person", "dog", 'a "car" & <van>'}
    for image in coco.loadImgs(coco.getImgIds()):
        there = coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]]))
        told = [(each["bbox"], coco.loadCats(each["category_id"])[0]["name"], each.get("track_id")) for each in there]
        assert told == [
            ([each["x"], 10, 20, 40], each["class"], each.get("track_id")) for each in FOUND[image["frame_index"]]
        ]


def test_coco_without_a_frame_is_whole(tmp_path: Path) -> None:
    """An empty job gives a file that its library reads."""
    (tmp_path / "empty.json").write_bytes(b"".join(data for _, data in pieces("coco", pages=[[]])))
    assert COCO(str(tmp_path / "empty.json")).getImgIds() == []


@pytest.mark.filterwarnings("ignore:Operation with tuple")  # motmetrics' own, by a newer pandas
def test_mot_has_tracks_detections_and_the_sequence(tmp_path: Path) -> None:
    """Motmetrics reads the same boxes and ids; frames count from 1; what has no track is among the detections."""
    folder = files("mot", tmp_path)
    tracks = loadtxt(folder / "gt" / "gt.txt", fmt="mot15-2D", min_confidence=-1)
    tracked = [(index + 1, each["track_id"]) for index, found in FOUND.items() for each in found if "track_id" in each]
    assert sorted(tracks.index.tolist()) == sorted(tracked)
    assert tracks.loc[(3, 1), ["X", "Y", "Width", "Height"]].tolist() == [7 - 1, 10 - 1, 20, 40]  # it counts from 0
    assert len(loadtxt(folder / "det" / "det.txt", fmt="mot15-2D", min_confidence=-1)) == ALL
    assert "frameRate=25\nseqLength=9\nimWidth=100\nimHeight=60" in (folder / "seqinfo.ini").read_text()
    assert (folder / "gt" / "labels.txt").read_text().splitlines() == ["person", "dog", 'a "car" & <van>']


def test_yolo_has_a_file_for_each_frame_with_boxes_inside_the_picture(tmp_path: Path) -> None:
    """A frame without a detection has an empty file; what lies outside the picture is cut off or left out."""
    folder = files("yolo", tmp_path)
    names = yaml.safe_load((folder / "data.yaml").read_text())["names"]
    assert names == {0: "person", 1: "dog", 2: 'a "car" & <van>'}
    labels = {path.stem: path.read_text().split("\n")[:-1] for path in (folder / "labels" / "train").iterdir()}
    assert {stem: len(rows) for stem, rows in labels.items()} == {
        f"frame-{index:06d}": len(found) for index, found in FOUND.items()
    }
    assert labels["frame-000000"][0].split() == ["0", "0.150000", "0.500000", "0.200000", "0.666667"]
    assert labels["frame-000008"] == ["0 0.050000 0.500000 0.100000 0.666667"]


def test_cvat_ends_a_track_where_it_is_not_seen(tmp_path: Path) -> None:
    """A box is drawn on from frame to frame only while it is seen; a detection without a track is a short one."""
    root = ET.parse(files("cvat", tmp_path)).getroot()  # noqa: S314 - our own file
    tracks = {
        (track.get("label"), number): [(int(box.get("frame", "")), box.get("outside")) for box in track]
        for number, track in enumerate(root.iter("track"))
    }
    assert tracks == {
        ("person", 0): [(0, "0"), (2, "0"), (4, "1"), (6, "0"), (8, "1")],
        ("dog", 1): [(0, "0"), (2, "1")],
        ('a "car" & <van>', 2): [(6, "0"), (8, "1")],
        ("person", 3): [(8, "0")],
    }
    assert [label.findtext("name") for label in root.iter("label")] == ["person", "dog", 'a "car" & <van>']
    assert root.findtext("meta/task/name") == "a & b.mp4"


def test_parquet_has_the_rows_of_the_csv_with_types(tmp_path: Path) -> None:
    """Its readers get numbers as numbers; what is not a row's is null."""
    table: Any = pd.read_parquet(files("parquet", tmp_path))
    boxes = table[(table.plugin == "tracker") & table["class"].notna()]
    assert len(boxes) == ALL
    assert boxes.x.tolist() == [each["x"] for found in FOUND.values() for each in found]
    assert boxes.track_id.dropna().astype(int).tolist() == [1, 2, 1, 1, 2]
    assert pyarrow.parquet.read_schema(tmp_path / "export").field("index").type == "int64"


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
