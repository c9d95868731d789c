"""What the ``onnx`` plugin reads beside boxes: masks, keypoints, angles, and the classes of a picture."""

from __future__ import annotations

import importlib.util
import math
import shutil
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from pycocotools import mask as coco

from kinora.plugins import PluginContext
from kinora.plugins.builtin.onnx import Onnx
from kinora.plugins.builtin.yolo.classifying import probabilities
from kinora.plugins.builtin.yolo.pictures import Input
from kinora.plugins.forms.rle import run_lengths
from kinora.plugins.testing import PluginRun, run_plugin
from tests.plugins.drawn import plain
from tests.plugins.onnx_models import SLANT, save_constant, save_model
from tests.plugins.test_builtin_onnx import found_by, near, picture

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # of pycocotools
WIDTH, HEIGHT = 320, 240
"""The input of the models with constant outputs; their picture is twice as large."""
SAID = {"names": {0: "cup", 1: "hand"}, "stride": 32, "imgsz": [HEIGHT, WIDTH]}


def pixels_of(detection: dict[str, Any], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """The whole picture's pixels that are of the thing, as pycocotools reads them."""
    told = detection["mask"]
    crop = coco.decode({"size": [told["height"], told["width"]], "counts": told["counts"].encode()})
    whole = np.zeros(shape[:2], bool)
    whole[told["y"] : told["y"] + told["height"], told["x"] : told["x"] + told["width"]] = crop
    return whole


def overlap(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((a & b).sum() / (a | b).sum())


def tall() -> NDArray[np.uint8]:
    """The picture with its sides exchanged."""
    return np.ascontiguousarray(picture().transpose(1, 0, 2))


def test_masks(tmp_path: Path) -> None:
    """Each thing's mask covers just its own pixels, in a wide picture and in a tall one."""
    model = save_model(tmp_path / "model.onnx", "segment", metadata={"task": "segment"})
    for image in (picture(), tall()):
        light, red = found_by(model, image)
        assert overlap(pixels_of(red, image.shape), image[..., 2] - image[..., 1] > 100) > 0.9
        assert overlap(pixels_of(light, image.shape), image[..., 1] > 100) > 0.9


def constant_mask(folder: Path, layout: str, image: NDArray[np.uint8]) -> PluginRun:
    """Run a model of a cup at (60, 50)-(180, 190) of its input, whose third map is a rectangle within and beyond it."""
    maps = np.full((1, 4, 60, 80), 9.0, np.float32)
    maps[0, 2] = -1
    maps[0, 2, 20:55, 10:40] = 1
    weights = [0, 0, 2, 0]
    grid = np.zeros((1, 10, 1580), np.float32)
    grid[0, :, 0] = (120, 120, 120, 140, 0.9, 0.1, *weights)
    listed = np.zeros((1, 300, 10), np.float32)
    listed[0, 0] = (60, 50, 180, 190, 0.9, 0, *weights)
    outputs = {"output0": grid if layout == "grid" else listed, "output1": maps}
    more = {"task": "segment"} | ({"end2end": True} if layout == "end2end" else {})
    model = save_constant(folder / "model.onnx", outputs, {**SAID, **more})
    return run_plugin(Onnx, [image], {"model": model.name}, models_dir=folder)


@pytest.mark.parametrize("layout", ["grid", "end2end", "nothing said"])
def test_masks_to_the_pixel(tmp_path: Path, layout: str) -> None:
    """The sum of the maps ends where the box does, and is as large as the picture."""
    image = plain(width=2 * WIDTH, height=2 * HEIGHT)
    told = constant_mask(tmp_path, layout, image)
    (cup,) = (told.results[0] or {})["detections"]
    expected = np.zeros((480, 640), bool)
    expected[160:380, 120:320] = True  # of the map from 80 to 320 and 160 to 440, what lies in the box
    found = pixels_of(cup, image.shape)
    assert overlap(found, expected) > 0.999  # its corners are round
    assert np.array_equal(found.any(axis=0), expected.any(axis=0))
    assert np.array_equal(found.any(axis=1), expected.any(axis=1))
    assert (cup["class"], told.warnings) == ("cup", [])


class Together(Onnx):
    """Takes two frames at once on the CPU as well."""

    def prepare(self, context: PluginContext) -> None:
        """As many as the model takes."""
        super().prepare(context)
        self.max_batch = self.sizes[-1]


def test_masks_of_a_batch(tmp_path: Path) -> None:
    """Each picture has the masks of its own maps."""
    maps, grid = np.full((2, 1, 60, 80), -1.0, np.float32), np.zeros((2, 7, 1580), np.float32)
    maps[0, 0, :30], maps[1, 0, 30:] = 1, 1
    grid[:, :, 0] = (160, 120, 320, 240, 0.9, 0.1, 1)
    said = {**SAID, "task": "segment"}
    model = save_constant(
        tmp_path / "m.onnx", {"output0": grid, "output1": maps}, said, {"images": [2, 3, HEIGHT, WIDTH]}
    )
    image = plain(width=WIDTH, height=HEIGHT)
    run = run_plugin(Together, [image, image], {"model": model.name}, models_dir=tmp_path, batch=2)
    masks = [pixels_of((result or {})["detections"][0], image.shape) for result in run.results]
    assert [(mask[60].all(), mask[180].all(), mask.mean()) for mask in masks] == [
        (True, False, 0.5),
        (False, True, 0.5),
    ]


def test_a_thing_without_a_pixel_has_no_mask(tmp_path: Path) -> None:
    """As where the maps say that nothing is there; the box is still told."""
    maps, grid = np.full((1, 4, 60, 80), -1.0, np.float32), np.zeros((1, 10, 1580), np.float32)
    grid[0, :, 0] = (120, 120, 120, 140, 0.9, 0.1, 1, 0, 0, 0)
    grid[0, :, 1] = (250, 120, 80, 80, 0.8, 0.1, np.nan, np.inf, 0, 0)
    model = save_constant(tmp_path / "m.onnx", {"output0": grid, "output1": maps}, {**SAID, "task": "segment"})
    run = run_plugin(Onnx, [plain()], {"model": model.name}, models_dir=tmp_path)
    assert ["mask" in found for found in (run.results[0] or {})["detections"]] == [False, False]


@given(arrays.arrays(bool, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_run_lengths(mask: NDArray[np.bool_]) -> None:
    """They are those of pycocotools."""
    large = np.kron(mask, np.ones((37, 41), bool))
    for pixels in (mask, large):
        assert run_lengths(pixels) == coco.encode(np.asfortranarray(pixels.astype(np.uint8)))["counts"].decode()


def test_keypoints(tmp_path: Path) -> None:
    """Each thing has its points, in pixels of the picture."""
    model = save_model(tmp_path / "model.onnx", "pose", metadata={"task": "pose", "kpt_shape": [2, 3]})
    for image in (picture(), tall()):
        for found in found_by(model, image):
            corner, middle = found["keypoints"]
            box = [found[key] for key in ("x", "y", "width", "height")]
            assert corner == pytest.approx([*box[:2], found["confidence"]], abs=3)
            assert middle == pytest.approx([box[0] + 50, box[1] + 50, found["confidence"]], abs=3)


@pytest.mark.parametrize("numbers", [2, 3])
@pytest.mark.parametrize("end2end", [True, False])
def test_keypoints_by_number(tmp_path: Path, numbers: int, end2end: bool) -> None:
    """With and without visibility; points outside lie at the edge, and those that are none (NaN) are not seen."""
    points = np.array([[10, 20, 0.5], [400, -9, 1.2], [np.nan, 30, np.nan]], np.float32)[:, :numbers].ravel()
    table = np.zeros((1, 300, 6 + len(points)), np.float32)
    table[0, 0] = [60, 50, 180, 190, 0.9, 1, *points]
    if not end2end:
        table = np.zeros((1, 6 + len(points), 1580), np.float32)
        table[0, :, 0] = [120, 120, 120, 140, 0.1, 0.9, *points]
    said = {**SAID, "task": "pose", "kpt_shape": [3, numbers], "end2end": end2end}
    model = save_constant(tmp_path / "model.onnx", {"output0": table}, said)
    image = plain(width=2 * WIDTH, height=2 * HEIGHT)
    run = run_plugin(Onnx, [image], {"model": model.name}, models_dir=tmp_path)
    (hand,) = (run.results[0] or {})["detections"]
    sure = [0.5, 1.0, 0.0] if numbers == 3 else [1.0] * 3
    places = [[20.0, 40.0], [640.0, 0.0], [0.0, 60.0]]
    assert hand["keypoints"] == [[*place, one] for place, one in zip(places, sure, strict=True)]
    assert hand["class"] == "hand"
    assert len(run.warnings) == 2  # of NaN, and that these are no person's


def test_the_lines_between_keypoints(tmp_path: Path) -> None:
    """They join a person's; that they do not fit is said, unless the plugin names others."""
    joined = {number for pair in Onnx.metadata.skeleton for number in pair}
    assert joined == set(range(17))

    class Hands(Onnx):
        metadata = attrs.evolve(Onnx.metadata, skeleton=((0, 1), (1, 2)))

    table = np.zeros((1, 300, 9), np.float32)
    model = save_constant(tmp_path / "m.onnx", {"output0": table}, {**SAID, "task": "pose", "kpt_shape": [1, 3]})
    for plugin, told in ((Onnx, [True]), (Hands, [])):
        run = run_plugin(plugin, [plain()], {"model": model.name}, models_dir=tmp_path)
        assert ["a person's 17" in warning for warning in run.warnings] == told


def test_turned_boxes(tmp_path: Path) -> None:
    """A box is told as it was before it was turned, with the angle in degrees."""
    model = save_model(tmp_path / "model.onnx", "obb", metadata={"task": "obb"})
    light, red = found_by(model)
    assert near(red, (20, 60, 100, 100), 10)
    assert near(light, (200, 120, 100, 100), 10)
    assert [found["angle"] for found in (light, red)] == [pytest.approx(math.degrees(SLANT), abs=0.01)] * 2


def classes_of(run: PluginRun) -> list[dict[str, Any]]:
    """What it told of the first picture."""
    found: list[dict[str, Any]] = (run.results[0] or {})["classes"]
    return found


def test_classes(tmp_path: Path) -> None:
    """What the middle of the picture shows, the surest class first; what is not sure enough is left out."""
    model = save_model(tmp_path / "model.onnx", "classify", metadata={"task": "classify"})
    image = plain((0, 0, 0))
    image[:, :40] = 255  # beyond the middle
    image[60:180, 100:220] = (0, 0, 255)
    run = run_plugin(Onnx, [image], {"model": model.name}, models_dir=tmp_path)
    (red,) = classes_of(run)
    assert (red["class"], run.warnings) == ("red", [])
    run = run_plugin(Onnx, [image], {"model": model.name, "confidence": 0.0}, models_dir=tmp_path)
    red, light = classes_of(run)
    assert [red["class"], light["class"]] == ["red", "light"]
    assert red["confidence"] + light["confidence"] == pytest.approx(1, abs=0.002)


def test_a_classifier_that_says_nothing_of_itself(tmp_path: Path) -> None:
    """With as many scores as names it is YOLOv5's, or the user's word counts; that colours are guessed is said."""
    scores = np.array([[0.5, 3.5]], np.float32)
    named = save_constant(tmp_path / "named.onnx", {"output": scores}, {"names": "['cat', 'dog']", "stride": 32})
    bare = save_constant(tmp_path / "bare.onnx", {"output": scores.reshape(1, 2, 1, 1)})
    for model, options in ((named, {}), (bare, {"layout": "classify", "labels": ["cat", "dog"]})):
        run = run_plugin(Onnx, [plain()], {"model": model.name, **options}, models_dir=tmp_path)
        assert classes_of(run) == [{"class": "dog", "confidence": 0.953}]
        (warning,) = run.warnings
        assert "does not say how pictures must be prepared" in warning
    with pytest.raises(ValueError, match=r"layout classify"):
        run_plugin(Onnx, [plain()], {"model": bare.name}, models_dir=tmp_path)


def test_the_colours_of_imagenet() -> None:
    """Each channel less its mean, in parts of its spread; white is 1 of each before."""
    given, _ = Input(name="i", height=8, width=8, normalized=True).take(plain((255, 255, 255)))
    assert given[0, :, 4, 4].tolist() == pytest.approx([0.515 / 0.229, 0.544 / 0.224, 0.594 / 0.225], abs=1e-4)


@pytest.mark.parametrize("size", [(320, 240), (240, 320), (1, 1), (2, 501), (501, 2), (96, 64)])
def test_the_middle_of_a_picture(size: tuple[int, int]) -> None:
    """A picture of any shape fills the input, and what lies in its middle stays there."""
    image = plain((0, 0, 0), *size)
    image[(size[1] - 1) // 2 : size[1] // 2 + 1, (size[0] - 1) // 2 : size[0] // 2 + 1] = 255
    given, _ = Input(name="i", height=64, width=96, middle=True).take(image)
    assert given.shape == (1, 3, 64, 96)
    bright = np.argwhere(given[0, 0] == given[0, 0].max()).mean(axis=0)
    assert bright == pytest.approx([32, 48], abs=3)


def test_scores_become_probabilities() -> None:
    """Probabilities stay, others go through a softmax; NaN and infinity are never sure."""
    assert probabilities(np.array([0.2, 0.8])).tolist() == [0.2, 0.8]
    assert probabilities(np.array([1.0, 1.0])).tolist() == [0.5, 0.5]
    assert probabilities(np.array([np.nan, 900.0, np.inf])).tolist() == [0, 1, 0]
    assert probabilities(np.array([np.nan])).tolist() == [0]


def test_a_classifier_that_people_use(tmp_path: Path) -> None:
    """RapidOCR's own, which tells text that stands on its head, finds both ways of a word."""
    spec = importlib.util.find_spec("rapidocr")
    assert spec is not None
    assert spec.origin is not None
    model = tmp_path / "turned.onnx"
    shutil.copy(Path(spec.origin).parent / "models" / "ch_ppocr_mobile_v2.0_cls_mobile.onnx", model)
    word = plain((255, 255, 255), 128, 128)
    cv2.putText(word, "Rye", (5, 90), cv2.FONT_HERSHEY_SIMPLEX, 2.2, (20, 20, 20), 5)
    turned = np.ascontiguousarray(word[::-1, ::-1])
    options = {"model": model.name, "layout": "classify", "labels": ["upright", "turned"], "size": 64}
    run = run_plugin(Onnx, [word, turned], options, models_dir=tmp_path)
    assert [(result or {})["classes"][0]["class"] for result in run.results] == ["upright", "turned"]
