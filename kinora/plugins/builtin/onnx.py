"""What a model of the operator's choice finds, run by ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.onnx_sessions import open_session, require_extra
from kinora.plugins.builtin.schema import integer, names, number, options_schema
from kinora.plugins.builtin.yolo.metadata import read_facts
from kinora.plugins.builtin.yolo.pictures import DEFAULT_SIDE, GREY, input_of, takes_any_number
from kinora.plugins.builtin.yolo.readers import reader_of
from kinora.plugins.builtin.yolo.skeleton import OTHER_POINTS, PERSON, other_points
from kinora.plugins.devices import CPU

require_extra("onnx", "onnxruntime")

MAX_PATH = 4096  # characters, as of a path on Linux
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
    confidence=number(0.25, 0.0, 1.0, "Boxes and classes of less confidence are left out."),
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
        "enum": ["auto", "yolov5", "yolov8", "end2end", "classify"],
        "default": "auto",
        "description": "Layout of the output; auto tells it by what the model says of itself, then by the shape.",
    },
)


class Onnx(Plugin):
    """Runs a model of the YOLO kind (v5 to v12, v26, RT-DETR, with or without overlaps removed) exported to ONNX.

    It reads boxes, with their masks, keypoints or angles, and the classes of a classifier.
    """

    metadata = PluginMetadata(
        name="onnx",
        stateless=True,
        version="1.0.0",
        description="Runs a YOLO model in ONNX that you provide: boxes, masks, poses, turned boxes or classes",
        author="Kinora",
        tags=("detection", "neural"),
        outputs=("detections", "classes"),
        capabilities=("detections",),
        devices=("cpu", "cuda"),
        max_batch=MOST_AT_ONCE,
        config_schema={**_SCHEMA, "required": ["model"]},
        skeleton=PERSON,
    )

    def prepare(self, context: PluginContext) -> None:
        """Load the model, and run it once on a grey picture to see what it gives.

        Raises:
            ValueError: it lies outside the models folder, or is not a model that is known here.
            FileNotFoundError: it does not exist.
            DeviceError: the device cannot be used.
        """
        self._context, self._options = context, context.options
        self._session = open_session(model_file(context.models_dir, self._options["model"]), context.device)
        facts = read_facts(self._session.get_modelmeta().custom_metadata_map)
        self._input = input_of(self._session.get_inputs(), facts, self._options["size"])
        self._labels = dict(enumerate(self._options["labels"])) or facts.names
        self._rubbish_told = False
        grey = np.full((self._input.height, self._input.width, 3), GREY, np.uint8)
        size = self._input.height, self._input.width
        self._reader = reader_of(self._run(grey), facts, size, self._options, self._label)
        self._input = self._reader.prepared(self._input)
        for remark in self._reader.remarks:
            context.warn(remark)
        if other_points(facts) and self.metadata.skeleton == PERSON:
            context.warn(OTHER_POINTS)
        if self._input.batch > 1:
            context.warn(
                f"this model takes {self._input.batch} pictures at a time, and runs on empty ones where fewer frames "
                "wait: export it for any number of them (dynamic=True), it will be faster"
            )
        self.sizes = self._sizes_of_batches()
        self.max_batch = min(self.sizes[-1], MOST_AT_ONCE)
        if context.device == CPU and self._input.batch == 1:
            self.max_batch = 1  # there a batch takes as long as its pictures one by one

    def process_batch(self, frames: Sequence[Frame]) -> list[Mapping[str, Any]]:
        """What the model finds in each of these frames, the surest first."""
        size = next(size for size in self.sizes if size >= len(frames))
        given, fitted = self._input.take_all([frame.image for frame in frames], size)
        outputs = self._session.run(self._reader.outputs, {self._input.name: given})
        self._tell_rubbish(outputs[0])
        return [
            self._reader.read(outputs, picture, fit, (frame.image.shape[0], frame.image.shape[1]))
            for picture, (frame, fit) in enumerate(zip(frames, fitted, strict=True))
        ]

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
        grey = np.full((self._input.height, self._input.width, 3), GREY, np.uint8)
        pictures, _ = self._input.take_all([grey] * number, number)
        try:
            output, *_ = self._session.run(self._reader.outputs[:1], {self._input.name: pictures})
        except Exception:  # noqa: BLE001 - of onnxruntime's own kinds
            return False
        return self._reader.is_of(output, number)

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
