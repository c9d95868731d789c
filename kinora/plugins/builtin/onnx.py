"""Objects found by a detection model of the operator's choice, run by ONNX Runtime."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.onnx_sessions import open_session, require_extra
from kinora.plugins.builtin.schema import integer, names, number, options_schema
from kinora.plugins.builtin.yolo import MAX_DETECTIONS, layout_of, letterbox, read_output, without_overlaps
from kinora.plugins.detections import Detection

require_extra("onnx", "onnxruntime")

COLOURS = 3
MAX_PATH = 4096  # characters, as of a path on Linux
_DTYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16}
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
        **integer(640, 32, 4096, "Side in pixels of the input, for models that take any; multiples of 32."),
        "multipleOf": 32,
    },
    layout={
        "enum": ["auto", "yolov5", "yolov8", "end2end"],
        "default": "auto",
        "description": "Layout of the output; auto tells it by the shape. A YOLOv5 with a single class needs yolov5.",
    },
)


class Onnx(Plugin):
    """Runs a model of the YOLO kind (v5, v7 to v11, with or without overlaps removed) that was exported to ONNX."""

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
        config_schema={**_SCHEMA, "required": ["model"]},
    )

    def prepare(self, context: PluginContext) -> None:
        """Load the model.

        Raises:
            ValueError: it lies outside the models folder, or its input is not a picture.
            FileNotFoundError: it does not exist.
            DeviceError: the device cannot be used.
        """
        self._options = context.options
        self._session = open_session(model_file(context.models_dir, self._options["model"]), context.device)
        given = self._session.get_inputs()[0]
        self._input, self._dtype = given.name, _DTYPES.get(given.type)
        if self._dtype is None or len(given.shape) != 4 or given.shape[1] != COLOURS:  # noqa: PLR2004 - NCHW
            raise ValueError(f"a YOLO takes pictures as 1x3xHxW numbers; this model takes {given.type} {given.shape}")
        self._height, self._width = (_side(side, self._options["size"]) for side in given.shape[2:])
        self._output = self._session.get_outputs()[0].name
        carried = _carried_labels(self._session.get_modelmeta().custom_metadata_map)
        self._classes = len(carried) or None
        self._labels = self._options["labels"] or carried

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The objects in this frame, the surest first."""
        options = self._options
        blob, fitted = letterbox(frame.image, self._width, self._height)
        (output,) = self._session.run([self._output], {self._input: blob.astype(self._dtype, copy=False)})
        layout = layout_of(output.shape) if options["layout"] == "auto" else options["layout"]
        found = read_output(output, layout, options["confidence"], self._classes)
        if layout != "end2end":
            found = without_overlaps(found, options["iou"])
        found = found.take(slice(MAX_DETECTIONS))
        height, width = frame.image.shape[:2]
        boxes = fitted.undo(found.boxes, width, height)
        detections = [
            Detection(x=x, y=y, width=w, height=h, confidence=float(score), kind=_label(self._labels, int(number)))
            for (x, y, w, h), score, number in zip(boxes.tolist(), found.scores, found.classes, strict=True)
        ]
        return {"detections": [detection.as_json() for detection in detections]}


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


def _side(side: Any, default: int) -> int:
    """A side of the input; ``default`` if the model accepts any size, which it states as a name or None."""
    return side if isinstance(side, int) and side > 0 else default


def _carried_labels(metadata: Mapping[str, str]) -> list[str]:
    """The class names in a model, if any; Ultralytics exports them as the text ``{0: 'person', 1: 'bicycle'}``."""
    try:
        named = ast.literal_eval(metadata.get("names", ""))
    except (ValueError, SyntaxError):
        return []
    if isinstance(named, dict):
        named = [named[number] for number in sorted(named)]
    return [str(name) for name in named] if isinstance(named, list) else []


def _label(labels: Sequence[str], number: int) -> str:
    return labels[number] if 0 <= number < len(labels) else f"class {number}"
