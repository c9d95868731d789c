"""What the ``onnx`` plugin makes of the exports that people have, against numbers worked out plainly here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from kinora.plugins.builtin.onnx import Onnx
from kinora.plugins.builtin.yolo.decoding import Rows, read_rows
from kinora.plugins.builtin.yolo.heads import Head, head_of
from kinora.plugins.builtin.yolo.metadata import STRIDE, read_facts
from kinora.plugins.builtin.yolo.pictures import Input, input_of
from kinora.plugins.testing import PluginRun, run_plugin
from tests.plugins.drawn import plain
from tests.plugins.onnx_models import save_constant

WIDTH, HEIGHT = 320, 240
"""The input of every model here; the picture is twice as large."""
PLACES = 40 * 30 + 20 * 15 + 10 * 8
"""Places of its three grids, with steps of 8, 16 and 32 pixels."""
NAMES = {number: f"c{number}" for number in range(12)}
ULTRALYTICS = {"names": NAMES, "stride": 32, "imgsz": [HEIGHT, WIDTH], "batch": 1}
PROTOTYPES = np.zeros((1, 32, 60, 80), np.float32)


class Truth:
    """Boxes of an imagined model, and the objects that they should lead to, by plain loops."""

    def __init__(self, rows: int, classes: int = len(NAMES), seed: int = 0) -> None:
        """At least a tenth of the rows are sure; many of these overlap."""
        random = np.random.default_rng(seed)
        self.classes = classes
        self.centres = random.uniform((0, 0), (WIDTH, HEIGHT), (rows, 2)).astype(np.float32)
        self.sizes = random.uniform(20, 90, (rows, 2)).astype(np.float32)
        self.scores = random.uniform(0, 0.2, (rows, classes)).astype(np.float32)
        sure = random.choice(rows, rows // 10, replace=False)
        self.scores[sure, random.integers(classes, size=len(sure))] = random.uniform(0.3, 1, len(sure))

    @property
    def best(self) -> NDArray[np.intp]:
        """The class of each row."""
        return np.asarray(self.scores.argmax(axis=1))

    @property
    def centred(self) -> NDArray[np.float32]:
        """Centre and size."""
        return np.hstack([self.centres, self.sizes])

    @property
    def listed(self) -> NDArray[np.float32]:
        """Corners, confidence and class."""
        low, high = self.centres - self.sizes / 2, self.centres + self.sizes / 2
        return np.column_stack([low, high, self.scores.max(axis=1), self.best]).astype(np.float32)

    def objects(self, iou: float | None = 0.45, least: float = 0.25) -> list[tuple[Any, ...]]:
        """Class, confidence, x, y, width and height in the picture, best first; at most 300."""
        kept: list[tuple[float, ...]] = []
        for x1, y1, x2, y2, score, kind in sorted(self.listed.tolist(), key=lambda row: -row[4]):
            box = (x1, y1, x2, y2)
            if score < least or any(iou is not None and kind == k[5] and _iou(box, k[:4]) > iou for k in kept):
                continue
            kept.append((*box, score, kind))
        return [self._object(row) for row in kept[:300]]

    def _object(self, row: tuple[float, ...]) -> tuple[Any, ...]:
        x1, y1, x2, y2, score, kind = row
        left, right = (min(max(2 * x, 0), 2 * WIDTH) for x in (x1, x2))
        top, bottom = (min(max(2 * y, 0), 2 * HEIGHT) for y in (y1, y2))
        name = f"c{int(kind)}" if self.classes > 1 else "person"
        return name, score, left, top, right - left, bottom - top


def _iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def run(
    folder: Path,
    outputs: dict[str, NDArray[Any]] | NDArray[Any],
    metadata: dict[str, object] | None = None,
    inputs: dict[str, list[int | str]] | None = None,
    **options: Any,
) -> PluginRun:
    """Run a model that gives these numbers over a picture of 640x480."""
    given = {"output0": outputs} if isinstance(outputs, np.ndarray) else outputs
    model = save_constant(folder / "model.onnx", given, metadata, inputs)
    image = plain(width=2 * WIDTH, height=2 * HEIGHT)
    return run_plugin(Onnx, [image, image], {"model": model.name, **options}, models_dir=folder)


def objects(told: PluginRun) -> list[tuple[Any, ...]]:
    """What it told of the picture, in the form of :meth:`Truth.objects`."""
    result = told.results[-1] or {}
    keys = ("class", "confidence", "x", "y", "width", "height")
    return [tuple(found[key] for key in keys) for found in result["detections"]]


def same(told: PluginRun, expected: list[tuple[Any, ...]]) -> bool:
    """True if these are the objects, but for rounding."""
    found = objects(told)
    assert [o[0] for o in found] == [o[0] for o in expected]
    return np.allclose([o[1:] for o in found], [o[1:] for o in expected], atol=0.11) and len(found) > 3


def noise(rows: int, columns: int, high: float = 9.0) -> NDArray[np.float32]:
    """Mask coefficients and the like, larger than any confidence."""
    return np.random.default_rng(5).uniform(-high, high, (rows, columns)).astype(np.float32)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 12])
@pytest.mark.parametrize(
    ("task", "further"),
    [("detect", 0), ("segment", 32), ("pose", 51), (None, 0)],
    ids=["detect", "segment", "pose", "-"],
)
def test_grids_of_ultralytics(tmp_path: Path, task: str | None, further: int, classes: int, transposed: bool) -> None:
    """v8, 9, 11 and 12, either way round: masks and keypoints are neither boxes nor classes."""
    truth = Truth(PLACES, classes)
    table = np.hstack([truth.centred, truth.scores, noise(PLACES, further)])[None]
    names = NAMES if classes > 1 else {0: "person"}
    metadata = {**ULTRALYTICS, "names": {k: names[k] for k in range(classes)}, "task": task, "kpt_shape": [17, 3]}
    outputs = {"output0": table if transposed else table.transpose(0, 2, 1)}
    outputs |= {"output1": PROTOTYPES} if task == "segment" else {}
    told = run(tmp_path, outputs, {key: value for key, value in metadata.items() if value is not None})
    assert same(told, truth.objects())
    assert told.warnings == []


@pytest.mark.parametrize("classes", [1, 12])
@pytest.mark.parametrize("masks", [0, 32])
@pytest.mark.parametrize("anchors", [1, 3])
def test_grids_with_objectness(tmp_path: Path, classes: int, masks: int, anchors: int) -> None:
    """v5, 6 and 7, whose metadata are names and stride only; one class has the shape of a list without overlaps."""
    truth = Truth(PLACES * anchors, classes)
    sureness = np.random.default_rng(1).uniform(0.5, 1, (len(truth.centres), 1)).astype(np.float32)
    table = np.hstack([truth.centred, sureness, truth.scores, noise(len(sureness), masks)])[None]
    outputs = {"output0": table, **({"output1": PROTOTYPES} if masks else {})}
    names = NAMES if classes > 1 else ["person"]
    told = run(tmp_path, outputs, {"names": names, "stride": 32})
    truth.scores *= sureness
    assert same(told, truth.objects())


@pytest.mark.parametrize(("task", "further"), [("detect", 0), ("segment", 32), ("pose", 51)])
@pytest.mark.parametrize("said", [{"end2end": True}, {"args": {"nms": True}}, {"args": '{"nms": true}'}, {}])
def test_lists_without_overlaps(tmp_path: Path, task: str, further: int, said: dict[str, object]) -> None:
    """v10, v26 and ``nms=True``: boxes that overlap are kept, and what follows the class is no part of a box."""
    truth = Truth(300)
    table = np.hstack([truth.listed, noise(300, further)])[None]
    outputs = {"output0": table, **({"output1": PROTOTYPES} if task == "segment" else {})}
    told = run(tmp_path, outputs, {**ULTRALYTICS, "task": task, "kpt_shape": [17, 3], **said})
    assert same(told, truth.objects(iou=None))
    assert told.warnings == []


def test_a_list_of_unknown_keypoints(tmp_path: Path) -> None:
    """Keypoints whose number the model does not say are left out too; that it was guessed is said once."""
    truth = Truth(300, 1)
    table = np.hstack([truth.listed, noise(300, 51)])[None]
    told = run(tmp_path, table, {"names": {0: "person"}, "task": "pose", "end2end": "True"})
    assert same(told, truth.objects(iou=None))
    assert ["keypoints" in told.warnings[0], "is a guess" in told.warnings[1], len(told.warnings)] == [True, True, 2]


def test_turned_boxes(tmp_path: Path) -> None:
    """A box is told as it was before it was turned, with its angle; neighbours that do not overlap are all kept."""
    slant = math.radians(30)
    ships = [(60 + 30 * math.sin(slant) * n, 120 - 30 * math.cos(slant) * n, 120, 16, slant) for n in range(3)]
    expected = sorted((2 * x - w, 2 * y - h, 2 * w, 2 * h) for x, y, w, h, _ in ships)
    grid = np.zeros((1, 4 + 2 + 1, PLACES), np.float32)
    rows = np.zeros((1, 300, 7), np.float32)
    for place, (x, y, w, h, angle) in enumerate([*ships, *ships]):
        grid[0, :, place] = (x, y, w, h, 0.1, 0.9 - place / 100, angle)
        rows[0, place] = (x, y, w, h, 0.9 - place / 100, 1, angle)
    metadata = {**ULTRALYTICS, "names": {0: "plane", 1: "ship"}, "task": "obb"}
    for table, more in ((grid, {}), (rows[:, :3], {"args": {"nms": True}}), (rows[:, :3], {"end2end": True})):
        told = run(tmp_path, table, {**metadata, **more})
        found = sorted(o[2:] for o in objects(told))
        assert np.allclose(found, expected, atol=0.2)
        assert {o[0] for o in objects(told)} == {"ship"}
        assert [found["angle"] for found in (told.results[-1] or {})["detections"]] == [30.0] * 3
        assert told.warnings == []


def test_the_list_of_yolov7(tmp_path: Path) -> None:
    """(N, 7): the picture's number, corners, class, confidence. A model for two pictures gives those of both."""
    truth = Truth(40)
    listed = truth.listed
    rows = [np.column_stack([np.full(40, n), listed[:, :4], listed[:, 5], listed[:, 4]]) for n in (1, 0)]
    told = run(tmp_path, np.vstack(rows).astype(np.float32), {"names": NAMES}, {"images": [2, 3, 240, 320]})
    assert same(told, truth.objects(iou=None))
    (warning,) = told.warnings
    assert "takes 2 pictures at a time" in warning


def test_boxes_in_shares_of_the_picture(tmp_path: Path) -> None:
    """RT-DETR's exports, whose boxes go from 0 to 1: a score a class, in newer ones the best and its class."""
    truth = Truth(300)
    shares = truth.centred / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    metadata = {**ULTRALYTICS, "task": "detect", "end2end": False}
    assert same(run(tmp_path, np.hstack([shares, truth.scores])[None], metadata), truth.objects())
    listed = np.hstack([shares, truth.listed[:, 4:]])[None]
    assert same(run(tmp_path, listed, metadata), truth.objects(iou=None))
    corners = truth.listed / np.array([WIDTH, HEIGHT, WIDTH, HEIGHT, 1, 1], np.float32)
    assert same(run(tmp_path, corners[None], metadata), truth.objects(iou=None))


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_batches_and_half_precision(tmp_path: Path, batch: int, dtype: Any) -> None:
    """Of a model for several pictures the first is read; outputs may be halves."""
    truth = Truth(PLACES)
    for numbers in (truth.centres, truth.sizes, truth.scores):
        numbers[:] = numbers.astype(dtype)
    table = np.hstack([truth.centred, truth.scores]).T
    tables = np.stack([table, *np.zeros((batch - 1, *table.shape))]).astype(dtype)
    told = run(tmp_path, tables, {**ULTRALYTICS, "task": "detect"}, {"images": [batch, 3, HEIGHT, WIDTH]})
    assert same(told, truth.objects())
    assert len(told.warnings) == (0 if batch == 1 else 1)


def test_names_are_sorted_as_numbers() -> None:
    """Class 12 is the thirteenth, in JSON, as Python's dict, as a list, and where numbers are missing."""
    literal, as_json = str(NAMES), json.dumps(NAMES)
    for text in (literal, as_json, json.dumps(list(NAMES.values())), json.dumps(dict(reversed(NAMES.items())))):
        assert read_facts({"names": text}).names == NAMES
    gap = read_facts({"names": "{'0': 'a', '11': 'b'}"})
    assert (gap.names, gap.classes) == ({0: "a", 11: "b"}, 12)
    for rubbish in ("", "person", "{", "[" * 5000, "{'a': 1}", "3", "{-1: 'a'}", '{"nan": null}'):
        assert read_facts({"names": rubbish}).names == {}


def test_facts_that_a_model_tells() -> None:
    """All of it is read in JSON and as Python's literals, and rubbish is as if it were not there."""
    python = {"task": "pose", "imgsz": "[480, 640]", "kpt_shape": "[17, 3]", "args": "{'nms': True}", "stride": "64"}
    as_json = {**python, "task": '"pose"', "imgsz": "[480,640]", "args": '{"nms": true}'}
    for said in (python, as_json):
        facts = read_facts(said)
        assert (facts.task, facts.size, facts.keypoints, facts.end2end, facts.stride) == (
            "pose",
            (480, 640),
            51,
            True,
            64,
        )
    assert read_facts({"end2end": "False", "args": "{'nms': False}"}).end2end is False
    rubbish = read_facts({"imgsz": "[-1, 0]", "kpt_shape": "[]", "stride": "None", "args": "nms", "channels": "x"})
    assert (rubbish.size, rubbish.keypoints, rubbish.stride, rubbish.end2end, rubbish.channels) == (
        None,
        None,
        STRIDE,
        False,
        None,
    )


@pytest.mark.parametrize(
    ("shape", "metadata", "layout", "classes", "guessed"),
    [
        ((1, 84, 8400), {}, "yolov8", 80, True),
        ((1, 25200, 85), {}, "yolov5", 80, True),
        ((1, 25200, 6), {}, "yolov5", 1, True),
        ((1, 25200, 6), {"names": "['a']"}, "yolov5", 1, False),
        ((1, 8400, 6), {"names": "['a']"}, "yolov5", 1, False),
        ((1, 8400, 6), {"names": "['a', 'b']"}, "yolov8", 2, False),
        ((1, 300, 6), {"names": "['a', 'b']"}, "end2end", 2, False),
        ((1, 300, 6), {}, "end2end", None, False),
        ((1, 6, 8400), {"names": "['a', 'b']"}, "yolov8", 2, False),
        ((1, 6, 8400), {}, "yolov8", 2, True),
        ((1, 94, 8400), {"names": str(["a"] * 80)}, "yolov8", 80, True),
        ((1, 14, 8400), {"names": str(["a"] * 80)}, "yolov8", 10, True),
        ((1, 56, 8400), {"names": "['a']", "task": "pose"}, "yolov8", 1, True),
    ],
)
def test_heads(
    shape: tuple[int, ...], metadata: dict[str, str], layout: str, classes: int | None, guessed: bool
) -> None:
    """What the metadata say decides, then the number of boxes and of their numbers; a guess is said."""
    head = head_of({"output0": shape}, read_facts(metadata), (640, 640))
    assert (head.layout, head.classes) == (layout, classes)
    assert any("is a guess" in remark for remark in head.remarks) is guessed


def test_the_users_word_counts_more() -> None:
    """A layout in the options is not a guess."""
    shape = {"output0": (1, 300, 6)}
    assert head_of(shape, read_facts({}), (640, 640), "yolov5") == Head(output="output0", layout="yolov5", classes=1)


def _raw_grid() -> NDArray[np.float32]:
    """A YOLOX without its decoding: places within a cell, and logarithms of sizes."""
    random = np.random.default_rng(3)
    boxes = np.hstack([random.uniform(-0.5, 1.5, (PLACES, 2)), random.normal(0.5, 0.8, (PLACES, 2))])
    return np.hstack([boxes, random.uniform(0, 1, (PLACES, 13))])[None].astype(np.float32)


def _whole_sizes() -> NDArray[np.float32]:
    return np.asarray(np.abs(_raw_grid()) + np.array([0, 0, 2, 2] + [0] * 13, np.float32))


@pytest.mark.parametrize(
    ("outputs", "metadata", "sentence"),
    [
        (np.zeros((1, 1000), np.float32), {}, r"the output of this model is \(1, 1000\); Kinora reads \(1, 84, N\)"),
        (np.zeros((1, 10), np.float32), {"task": "depth"}, "made for the task 'depth'"),
        (np.zeros((1, 10, 9), np.float32), {"task": "classify"}, r"should classify pictures, but gives \(1, 10, 9\)"),
        (np.zeros((1, 255, 30, 40), np.float32), {}, r"is \(1, 255, 30, 40\)"),
        (_raw_grid(), {"names": NAMES}, r"it is a raw grid, as YOLOX exports it"),
        (np.where(np.arange(17) < 4, _whole_sizes(), _raw_grid()), {"names": NAMES}, "it is a raw grid"),
        (Truth(300).listed[None] * 3, {"names": NAMES, "end2end": True}, "confidences go from .*, not from 0 to 1"),
        (Truth(300, 30).listed[None], {"names": NAMES}, "class numbers must be whole ones below 12"),
        (np.full((1, 6, 100, 100, 85), 0.5, np.float32), {"names": NAMES}, r"is \(1, 6, 100, 100, 85\)"),
    ],
    ids=["classifier", "task", "no-classifier", "maps", "raw", "raw-sizes", "logits", "classes", "heads"],
)
def test_what_is_no_list_of_boxes_is_refused(
    tmp_path: Path, outputs: NDArray[np.float32], metadata: dict[str, object], sentence: str
) -> None:
    """Before the first frame, in a sentence that says what was expected and what was found."""
    with pytest.raises(ValueError, match=sentence):
        run(tmp_path, outputs, metadata)


def test_inputs_that_are_no_picture_are_refused(tmp_path: Path) -> None:
    """A second input, and another number of channels."""
    table = np.zeros((1, 84, PLACES), np.float32)
    with pytest.raises(ValueError, match="this model takes 2 inputs: images, orig_size"):
        run(tmp_path, table, {}, {"images": [1, 3, 240, 320], "orig_size": [1, 2]})
    with pytest.raises(ValueError, match=r"this model takes tensor\(float\) \[1, 10, 240, 320\]"):
        run(tmp_path, table, {}, {"images": [1, 10, 240, 320]})


class _Described:
    def __init__(self, *shape: int | str | None, kind: str = "tensor(float)") -> None:
        self.name, self.shape, self.type = "images", list(shape), kind


def test_inputs() -> None:
    """Order of dimensions, grey, types and sizes: what is open is what the model says of itself, or the option."""
    trained = read_facts({"imgsz": "[480, 640]", "stride": "64"})
    bare, grey = read_facts({}), read_facts({"channels": "1"})
    small = Input(name="images", height=240, width=320)
    assert input_of([_Described(1, 3, 240, 320)], bare, 0) == small
    assert input_of([_Described(1, 240, 320, 3)], bare, 0) == attrs.evolve(small, channels_last=True)
    assert input_of([_Described(1, 1, 240, 320)], bare, 0) == attrs.evolve(small, channels=1)
    assert input_of([_Described("b", "c", 240, 320)], grey, 0) == attrs.evolve(small, channels=1)
    anything = [_Described("batch", 3, "height", None)]
    assert input_of(anything, trained, 0) == Input(name="images", height=512, width=640)
    assert input_of(anything, trained, 320) == Input(name="images", height=320, width=320)
    assert input_of(anything, bare, 0) == Input(name="images", height=640, width=640)


def test_a_grey_input() -> None:
    """A model of one channel gets luma."""
    given, _ = Input(name="images", height=32, width=32, channels=1, dtype=np.uint8, batch=2).take(plain((0, 0, 255)))
    assert (given.shape, given.dtype.name, int(given[0, 0, 16, 16])) == ((2, 1, 32, 32), "uint8", 76)
    assert int(given[1, 0, 16, 16]) == 114


def test_numbers_that_are_none(tmp_path: Path) -> None:
    """NaN and infinity are left out, which is said once; so are boxes turned inside out and those outside."""
    truth = Truth(300)
    listed = truth.listed
    expected = truth.objects(iou=None)
    rubbish = np.array(
        [
            [np.nan, 0, 10, 10, 0.9, 1],
            [0, 0, np.inf, 10, 0.9, 1],
            [0, 0, 10, 10, np.nan, 1],
            [0, 0, 10, 10, 0.9, np.nan],
            [30, 30, 10, 10, 0.9, 1],
            [400, 10, 450, 20, 0.9, 1],
            [-90, 10, -50, 20, 0.9, 1],
        ],
        np.float32,
    )
    told = run(tmp_path, np.vstack([rubbish, listed])[None], {**ULTRALYTICS, "end2end": True})
    assert same(told, expected)
    (warning,) = told.warnings
    assert "numbers that are none" in warning


HEADS = [
    Head(output="o", layout="yolov8", classes=3),
    Head(output="o", layout="yolov5", classes=2, of_one=True),
    Head(output="o", layout="end2end"),
    Head(output="o", layout="end2end", turned=True),
    Head(output="o", layout="yolov8", classes=2, turned=True),
]


@given(st.sampled_from(HEADS), arrays.arrays(np.float32, (6, 7), elements=st.floats(width=32)))
def test_no_box_is_out_of_range(head: Head, rows: Rows) -> None:
    """Whatever a model gives, each box has an area and each confidence is from 0 to 1."""
    with np.errstate(all="ignore"):
        found = read_rows(rows, head, 0.0, (HEIGHT, WIDTH))
    assert np.isfinite(found.boxes).all()
    assert (found.boxes[:, 2:] > 0).all()
    assert ((found.scores >= 0) & (found.scores <= 1)).all()
