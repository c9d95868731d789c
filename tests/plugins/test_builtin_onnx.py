"""The ``onnx`` plugin, with real models in a real session."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto

from kinora.actors.requests.job_request import parse_job_request
from kinora.plugins import PluginContext
from kinora.plugins.builtin.onnx import Onnx, model_file
from kinora.plugins.builtin.yolo.decoding import read_rows, rows_of
from kinora.plugins.builtin.yolo.heads import Head, head_of
from kinora.plugins.builtin.yolo.metadata import Facts
from kinora.plugins.builtin.yolo.pictures import Input, Letterbox
from kinora.plugins.devices import Device
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.options import check_options
from kinora.plugins.testing import run_plugin
from kinora.settings import Settings
from kinora.system import open_system
from tests.clips import make_clip
from tests.jobs_kit import CLIP_FRAMES, codes_of, ended, frames_of, write_plugin
from tests.plugins.onnx_models import save_classifier, save_model

LAYOUTS = ("yolov5", "yolov8", "end2end")
GPU = Device("cuda:7", "cuda", "A GPU that this machine will not have")


def picture() -> NDArray[np.uint8]:
    """320x240, dark, with a red square of 100x100 at (20, 60) and a white one at (200, 120)."""
    image = np.full((240, 320, 3), 30, np.uint8)
    image[60:160, 20:120] = (0, 0, 255)
    image[120:220, 200:300] = 255
    return image


def found_by(model: Path, image: NDArray[np.uint8] | None = None, **options: Any) -> list[dict[str, Any]]:
    """The detections of a model in a picture, by class."""
    given = picture() if image is None else image
    (result,) = run_plugin(Onnx, [given], {"model": model.name, **options}, models_dir=model.parent).results
    assert result is not None
    return sorted(result["detections"], key=lambda detection: str(detection["class"]))


def near(detection: dict[str, Any], box: tuple[int, int, int, int], pixels: float) -> bool:
    """True if its box is about there."""
    own = [detection[key] for key in ("x", "y", "width", "height")]
    return all(abs(a - b) <= pixels for a, b in zip(own, box, strict=True))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_each_kind_of_output_gives_the_same_boxes(tmp_path: Path, layout: str) -> None:
    """Two squares give two boxes, of the right class and in pixels of the picture, for every layout."""
    light, red = found_by(save_model(tmp_path / "model.onnx", layout))
    assert (light["class"], red["class"]) == ("light", "red")
    assert near(red, (20, 60, 100, 100), 10)
    assert near(light, (200, 120, 100, 100), 10)
    assert all(0.5 < detection["confidence"] <= 1 for detection in (light, red))


def test_a_tall_picture_is_fitted_in_as_well(tmp_path: Path) -> None:
    """Grey goes to the left and right of it, and the boxes are put right."""
    tall = np.ascontiguousarray(picture().transpose(1, 0, 2))
    light, red = found_by(save_model(tmp_path / "model.onnx", "yolov8"), tall)
    assert near(red, (60, 20, 100, 100), 10)
    assert near(light, (120, 200, 100, 100), 10)


class Together(Onnx):
    """Takes several frames at once on the CPU as well, as on a GPU."""

    def prepare(self, context: PluginContext) -> None:
        """As many as the model takes."""
        super().prepare(context)
        self.max_batch = self.sizes[-1]


@pytest.mark.parametrize("batch", ["batch", 4])
def test_a_batch_gives_what_its_frames_give(tmp_path: Path, batch: int | str) -> None:
    """Each frame gets its own boxes, in batches of full size and in the rest, whatever its picture's size."""
    tall = np.ascontiguousarray(picture().transpose(1, 0, 2))
    frames = [picture(), tall, np.zeros((50, 90, 3), np.uint8), picture() // 10 * 9, tall, picture()]
    model = save_model(tmp_path / "model.onnx", "batched", batch=batch)
    alone, together = (
        run_plugin(Together, frames, {"model": model.name, "confidence": 0.5}, models_dir=tmp_path, batch=batch)
        for batch in (1, 4)
    )
    assert together.results == alone.results
    assert [len(result["detections"]) for result in together.results if result] == [2, 2, 0, 2, 2, 2]
    assert ["takes 4 pictures at a time" in warning for warning in together.warnings] == [True] * (batch == 4)


@pytest.mark.parametrize("batch", [1, "batch"])
def test_a_model_that_takes_one_picture_gets_them_one_by_one(tmp_path: Path, batch: int | str) -> None:
    """Also if it says that it takes any number and fails with two."""
    model = save_model(tmp_path / "model.onnx", "yolov8", batch=batch)
    run = run_plugin(Together, [picture()] * 3, {"model": model.name}, models_dir=tmp_path, batch=8)
    assert [len(result["detections"]) for result in run.results if result] == [2, 2, 2]
    assert run.warnings == []


def test_an_empty_picture(tmp_path: Path) -> None:
    """A picture without squares gives no box."""
    for layout in LAYOUTS:
        assert found_by(save_model(tmp_path / "model.onnx", layout), np.zeros((240, 320, 3), np.uint8)) == []


def test_boxes_are_cut_at_the_edge() -> None:
    """A box that a model places partly outside the picture is cut at its edge."""
    boxes = np.array([[-10.0, 6.0, 30.0, 20.0], [50.0, 50.0, 30.0, 30.0]])
    cut = Letterbox(scale=0.5, left=0, top=16).undo(boxes, 120, 80)
    assert cut.tolist() == [[0.0, 0.0, 40.0, 20.0], [100.0, 68.0, 20.0, 12.0]]


def test_names_of_classes(tmp_path: Path) -> None:
    """The request's labels come first, then those in the model, then numbers."""
    carrying, bare = (save_model(tmp_path / f"{n}.onnx", "yolov8", names=n) for n in ("{0: 'a', 1: 'b'}", None))
    assert {d["class"] for d in found_by(carrying)} == {"a", "b"}
    assert {d["class"] for d in found_by(carrying, labels=["rot", "hell"])} == {"rot", "hell"}
    assert {d["class"] for d in found_by(bare)} == {"class 0", "class 1"}
    assert {d["class"] for d in found_by(bare, labels=["rot"])} == {"rot", "class 1"}


def test_confidence_and_overlap(tmp_path: Path) -> None:
    """Less confident boxes are left out; if overlaps are kept, each place that sees a square gives a box."""
    model = save_model(tmp_path / "model.onnx", "yolov8")
    dull = picture() // 10 * 9
    assert len(found_by(model, dull, confidence=0.5)) == 2
    assert [d["class"] for d in found_by(model, dull, confidence=0.9)] == ["light"]
    assert len(found_by(model, iou=1.0)) > 2


def test_half_precision_and_any_size(tmp_path: Path) -> None:
    """A model in half precision gets halves; one that takes any size gets the one asked for."""
    assert len(found_by(save_model(tmp_path / "half.onnx", "yolov8", kind=TensorProto.FLOAT16))) == 2
    assert len(found_by(save_model(tmp_path / "any.onnx", "yolov8", any_size=True), size=128)) == 2


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.DOUBLE])
def test_other_inputs(tmp_path: Path, kind: int, channels_last: bool) -> None:
    """A model may take whole numbers up to 255 or double precision, and the colours last."""
    model = save_model(tmp_path / "model.onnx", "yolov8", kind=kind, channels_last=channels_last)
    assert [found["class"] for found in found_by(model)] == ["light", "red"]


def test_what_follows_the_classes_is_no_class() -> None:
    """Masks and keypoints come after the classes; if the number of classes is known they are not read as classes."""
    output = np.zeros((1, 4 + 2 + 32, 100), np.float32)
    output[0, :4, 5] = (50, 50, 20, 10)
    output[0, 4, 5] = 0.8
    output[0, 20, 5] = 7.5
    head = Head(output="output0", layout="yolov8", columns_first=True, classes=2)
    found = read_rows(rows_of(output, head), head, 0.5, (100, 100))
    assert found.boxes.tolist() == [[40.0, 45.0, 20.0, 10.0]]
    assert (found.classes.tolist(), round(float(found.scores[0]), 3)) == ([0], 0.8)


def test_layouts_are_told_by_shape() -> None:
    """The shapes that exports have, and the sentence for all other shapes."""
    shapes = {(1, 84, 8400): "yolov8", (1, 25200, 85): "yolov5", (1, 300, 6): "end2end", (1, 6, 8400): "yolov8"}
    assert {shape: head_of({"output0": shape}, Facts(), (640, 640)).layout for shape in shapes} == shapes
    with pytest.raises(ValueError, match=r"the output of this model is \(1, 1000\)"):
        head_of({"output0": (1, 1000)}, Facts(), (640, 640))


def test_a_letterbox_keeps_proportions() -> None:
    """A picture goes in as a whole, as RGB from 0 to 1, with grey around it."""
    image = np.zeros((50, 100, 3), np.uint8)
    image[:] = (0, 0, 255)
    blob, fitted = Input(name="images", height=64, width=64).take(image)
    assert blob.shape == (1, 3, 64, 64)
    assert blob.dtype == np.float32
    assert blob[0, :, 32, 32].tolist() == [1.0, 0.0, 0.0]
    assert blob[0, :, 5, 32].tolist() == pytest.approx([0.45] * 3, abs=0.01)
    assert (fitted.scale, fitted.left, fitted.top) == (0.64, 0, 16)


def test_models_are_in_their_folder(tmp_path: Path) -> None:
    """A name that leads outside, by dots, from the root or by a link, is refused; a missing file is reported."""
    folder = tmp_path / "models"
    folder.mkdir()
    outside = save_classifier(tmp_path / "outside.onnx")
    (folder / "link.onnx").symlink_to(outside)
    for name in ("../outside.onnx", str(outside), "link.onnx"):
        with pytest.raises(ValueError, match="lies outside the models folder"):
            model_file(folder, name)
    with pytest.raises(FileNotFoundError, match="put it there, or set KINORA_MODELS_DIR"):
        model_file(folder, "yolo11n.onnx")


def test_a_model_that_is_no_detector(tmp_path: Path) -> None:
    """A model that takes no pictures is refused in a sentence; so is a file that is not a model."""
    with pytest.raises(ValueError, match="a YOLO takes pictures as 1x3xHxW numbers"):
        found_by(save_classifier(tmp_path / "model.onnx"))
    (tmp_path / "text.onnx").write_text("no model at all")
    with pytest.raises(Exception, match=r"text\.onnx"):
        found_by(tmp_path / "text.onnx")


def test_the_model_must_be_named() -> None:
    """There is no default model, and a request without one is refused before the job starts."""
    with pytest.raises(OptionsError, match="model"):
        check_options(Onnx.metadata, {})


async def test_in_a_job_whose_gpu_cannot_be_used(settings: Settings, media: Path, plugins_dir: Path) -> None:
    """Over a real video: onnxruntime cannot use this GPU, so it runs on the CPU, and finds the square in each frame."""
    write_plugin(
        plugins_dir,
        "detector",
        """
        import attrs
        from kinora.plugins.builtin.onnx import Onnx

        class Detector(Onnx):
            metadata = attrs.evolve(Onnx.metadata, name="detector")
        """,
    )
    save_model(plugins_dir / "squares.onnx", "yolov8")
    make_clip(media / "square.mp4", width=128, height=128)
    request = {
        "source": "square.mp4",
        "plugins": [{"name": "detector", "options": {"model": "squares.onnx"}}],
        "device_requested": GPU.id,
    }
    devices = (Device("cpu", "cpu", "A CPU"), GPU)
    async with open_system(attrs.evolve(settings, models_dir=plugins_dir), devices) as system:
        state = await ended(system, (await system.jobs.submit(parse_job_request(request))).state)
        frames = await frames_of(system, state)
        assert codes_of(system, state.job_id) == [("detector", "DEVICE_FALLBACK")]
    assert (state.status, state.device_used, state.fallback) == ("done", "cpu", True)
    assert len(frames) == CLIP_FRAMES
    for frame in frames:
        (light,) = frame["results"]["detector"]["detections"]
        assert light["class"] == "light"
        assert near(light, (frame["index"] * 4 % 88, 40, 40, 40), 6)
