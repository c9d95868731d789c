"""Objects found by a detection model of the operator's choice, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.onnx_sessions import open_session, require_extra
from kinora.plugins.builtin.schema import integer, names, number, options_schema
from kinora.plugins.builtin.yolo.checks import checked
from kinora.plugins.builtin.yolo.decoding import LIST_DIMENSIONS, Rows, read_rows, rows_of
from kinora.plugins.builtin.yolo.heads import Head, head_of
from kinora.plugins.builtin.yolo.metadata import read_facts
from kinora.plugins.builtin.yolo.overlaps import without_overlaps
from kinora.plugins.builtin.yolo.pictures import DEFAULT_SIDE, GREY, Letterbox, input_of, takes_any_number
from kinora.plugins.detections import Detection
from kinora.plugins.devices import CPU

require_extra("onnx", "onnxruntime")

MAX_PATH = 4096  # characters, as of a path on Linux
MAX_DETECTIONS = 300
"""The most objects of a frame; the surest are kept."""
MOST_AT_ONCE = 8
"""The most frames that a model gets at once, if it takes several."""
_SCHEMA = options_schema(
    model={
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_PATH,
        "description": "The model's file, a path below the server's models folder (setting models_dir).",
    },
    labels=names("Names of the classes, in the model's order. By default those that the model carries."),
    confidence=number(0.25, 0.0, 1.0, "Boxes of less confidence are left out."),
    iou=number(0.45, 0.0, 1.0, "Of boxes of one class that overlap by more than this, the best one is kept."),
    size={
        **integer(
            0,
            0,
            4096,
            "Side in pixels of the input, for models that take any; multiples of 32. 0 is the size that the model "
            f"was exported with, {DEFAULT_SIDE} if it does not say.",
            unit="pixels",
        ),
        "multipleOf": 32,
    },
    layout={
        "enum": ["auto", "yolov5", "yolov8", "end2end"],
        "default": "auto",
        "description": "Layout of the output; auto tells it by what the model says of itself, then by the shape.",
    },
)


class Onnx(Plugin):
    """Runs a model of the YOLO kind (v5 to v12, v26, RT-DETR, with or without overlaps removed) exported to ONNX.

    Of models that also give masks, keypoints or angles, it reads the boxes.
    """

    metadata = PluginMetadata(
        name="onnx",
        stateless=True,
        version="1.0.0",
        description="Runs a YOLO detection model in ONNX that you provide",
        author="Kinora",
        tags=("detection", "neural"),
        outputs=("detections",),
        capabilities=("detections",),
        devices=("cpu", "cuda"),
        max_batch=MOST_AT_ONCE,
        config_schema={**_SCHEMA, "required": ["model"]},
    )

    def prepare(self, context: PluginContext) -> None:
        """Load the model, and run it once on a grey picture to see what it gives.

        Raises:
            ValueError: it lies outside the models folder, or is not a detection model that is known here.
            FileNotFoundError: it does not exist.
            DeviceError: the device cannot be used.
        """
        self._context, self._options = context, context.options
        self._session = open_session(model_file(context.models_dir, self._options["model"]), context.device)
        facts = read_facts(self._session.get_modelmeta().custom_metadata_map)
        self._input = input_of(self._session.get_inputs(), facts, self._options["size"])
        self._size = self._input.height, self._input.width
        self._labels = dict(enumerate(self._options["labels"])) or facts.names
        self._rubbish_told = False
        outputs = self._run(np.full((*self._size, 3), GREY, np.uint8))
        layout = self._options["layout"]
        shapes = {name: output.shape for name, output in outputs.items()}
        head = head_of(shapes, facts, self._size, None if layout == "auto" else layout)
        self._head: Head = checked(rows_of(outputs[head.output], head), head, self._size)
        for remark in self._head.remarks:
            context.warn(remark)
        if self._input.batch > 1:
            context.warn(
                f"this model takes {self._input.batch} pictures at a time, and runs on empty ones where fewer frames "
                "wait: export it for any number of them (dynamic=True), it will be faster"
            )
        self.sizes = self._sizes_of_batches()
        self.max_batch = min(self.sizes[-1], MOST_AT_ONCE)
        if context.device == CPU and self._input.batch == 1:
            self.max_batch = 1  # there a batch takes as long as its pictures one by one

    def process_batch(self, frames: Sequence[Frame]) -> list[dict[str, Any]]:
        """The objects in each of these frames, the surest first."""
        size = next(size for size in self.sizes if size >= len(frames))
        given, fitted = self._input.take_all([frame.image for frame in frames], size)
        (output,) = self._session.run([self._head.output], {self._input.name: given})
        self._tell_rubbish(output)
        return [
            self._objects(rows_of(output, self._head, picture), frame, fit)
            for picture, (frame, fit) in enumerate(zip(frames, fitted, strict=True))
        ]

    def _objects(self, rows: Rows, frame: Frame, fitted: Letterbox) -> dict[str, Any]:
        found = read_rows(rows, self._head, self._options["confidence"], self._size)
        if self._head.layout != "end2end":
            found = without_overlaps(found, self._options["iou"])
        height, width = frame.image.shape[:2]
        boxes = fitted.undo(found.boxes, width, height)
        inside = np.flatnonzero((boxes[:, 2:] > 0).all(axis=1))[:MAX_DETECTIONS]
        found = found.take(inside)
        detections = [
            Detection(x=x, y=y, width=w, height=h, confidence=float(score), kind=self._label(int(number)))
            for (x, y, w, h), score, number in zip(boxes[inside].tolist(), found.scores, found.classes, strict=True)
        ]
        return {"detections": [detection.as_json() for detection in detections]}

    def _sizes_of_batches(self) -> Sequence[int]:
        """The numbers of pictures that the model can be run on, in increasing order.

        A GPU tunes itself for each, which takes long: there are few, and each is run once before the first frame.
        """
        (given,) = self._session.get_inputs()
        if not takes_any_number(given):
            return [self._input.batch]
        if not self._takes(2):
            return [1]
        if self._context.device == CPU:
            return range(1, MOST_AT_ONCE + 1)
        return [size for size in (1, 2, 4, MOST_AT_ONCE) if self._takes(size)]

    def _takes(self, number: int) -> bool:
        """Whether the model gives something for each of so many pictures: some say so and take one only."""
        grey = np.full((*self._size, 3), GREY, np.uint8)
        pictures, _ = self._input.take_all([grey] * number, number)
        try:
            (output,) = self._session.run([self._head.output], {self._input.name: pictures})
        except Exception:  # noqa: BLE001 - of onnxruntime's own kinds
            return False
        return output.ndim == LIST_DIMENSIONS or len(output) == number

    def _run(self, image: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """All outputs of the model for a picture, by name."""
        given, _ = self._input.take(image)
        outputs = [output.name for output in self._session.get_outputs()]
        return dict(zip(outputs, self._session.run(outputs, {self._input.name: given}), strict=True))

    def _tell_rubbish(self, output: NDArray[Any]) -> None:
        if not self._rubbish_told and not np.isfinite(output).all():
            self._rubbish_told = True
            self._context.warn(
                "this model gives boxes with numbers that are none (NaN or infinity), and they are left out; a model "
                "in half precision may do so where the same in full precision does not",
                "medium",
            )

    def _label(self, number: int) -> str:
        return self._labels.get(number, f"class {number}")


def model_file(folder: Path, name: str) -> Path:
    """The path of a model's file, with all links resolved.

    Raises:
        ValueError: it lies outside the folder.
        FileNotFoundError: it does not exist.
    """
    root = folder.resolve()
    path = (root / name).resolve()
    if not path.is_relative_to(root):
        raise ValueError(f"{name!r} lies outside the models folder {root}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no model {name!r} in {root}: put it there, or set KINORA_MODELS_DIR")
    return path
