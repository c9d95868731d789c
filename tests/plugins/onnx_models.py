"""Detection models in ONNX, made on the spot: small, but real ones that find red and light squares in a picture.

Their input is 128x128. A window of 40x40 slides over it in steps of 8; where it is full of red or of light the score is
near 1, so a square of 40 pixels gets a box of its own size at its own place.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

SIDE = 128
WINDOW = 40
STEP = 8
CELLS = SIDE // STEP
SLANT = 0.5
"""The angle of the turned boxes, in radians."""
NAMES = "{0: 'red', 1: 'light'}"


def save_model(
    path: Path,
    layout: str,
    *,
    names: str | None = NAMES,
    kind: int = TensorProto.FLOAT,
    any_size: bool = False,
    channels_last: bool = False,
    batch: int | str = 1,
    metadata: Mapping[str, object] | None = None,
) -> Path:
    """A model whose output is that of a ``yolov5``, a ``yolov8`` or an ``end2end`` model, or of one for a task.

    ``batch`` is the number of pictures that it says it takes; only the layout ``batched``, a ``yolov8``, takes several.
    ``kind`` is the type of its input; whole numbers go from 0 to 255.
    """
    white = np.array(255 if kind == TensorProto.UINT8 else 1, np.float32)
    nodes = [
        _node("Cast", ["images"], "given", to=TensorProto.FLOAT),
        _node("Transpose", ["given"], "ordered", perm=[0, 3, 1, 2] if channels_last else [0, 1, 2, 3]),
        _node("Div", ["ordered", "white"], "pixels"),
        _node(
            "AveragePool",
            ["pixels"],
            "means",
            kernel_shape=[WINDOW] * 2,
            strides=[STEP] * 2,
            pads=[16] * 4,
            count_include_pad=1,
        ),
        _node("Conv", ["means", "weights", "bias"], "raw"),
        _node("Clip", ["raw", "zero", "one"], "map"),
        _node("Reshape", ["map", "flat"], "scores"),
        *_OUTPUTS[layout],
    ]
    side: Any = "side" if any_size else SIDE
    shape = [batch, side, side, 3] if channels_last else [batch, 3, side, side]
    graph = helper.make_graph(
        nodes,
        layout,
        [helper.make_tensor_value_info("images", kind, shape)],
        _outputs(layout),
        [numpy_helper.from_array(value, name) for name, value in {**_constants(), "white": white}.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    said = {**({} if names is None else {"names": names}), **(metadata or {})}
    helper.set_model_props(model, {key: str(value) for key, value in said.items()})
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def _outputs(layout: str) -> list[onnx.ValueInfoProto]:
    first = None if layout == "batched" else 1
    shapes = {"output0": [first, None] if layout == "classify" else [first, None, None]}
    if layout == "segment":
        shapes["output1"] = [1, None, None, None]
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def save_constant(
    path: Path,
    outputs: dict[str, np.ndarray],
    metadata: dict[str, object] | None = None,
    inputs: dict[str, list[int | str]] | None = None,
) -> Path:
    """A model that gives these numbers whatever it sees; its input is 240 high and 320 wide if ``inputs`` is None."""
    nodes = [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(a)) for name, a in outputs.items()]
    given = {"images": [1, 3, 240, 320]} if inputs is None else inputs
    graph = helper.make_graph(
        nodes,
        "constant",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in given.items()],
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for name, a in outputs.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {key: str(value) for key, value in (metadata or {}).items()})
    onnx.save(model, str(path))
    return path


def save_classifier(path: Path) -> Path:
    """A model that takes a row of numbers, so it is not a YOLO."""
    graph = helper.make_graph(
        [_node("Identity", ["row"], "same")],
        "classifier",
        [helper.make_tensor_value_info("row", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("same", TensorProto.FLOAT, [1, 4])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path


def _node(kind: str, inputs: list[str], output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(kind, inputs, [output], **attributes)


def _constants() -> dict[str, np.ndarray]:
    """Means of red, green and blue → scores of red and of light; and where the cells are."""
    weights = np.array([[3, -1.5, -1.5], [2.4, 2.4, 2.4]], np.float32).reshape(2, 3, 1, 1)
    y, x = np.mgrid[0:CELLS, 0:CELLS].reshape(2, -1) * STEP + STEP / 2
    half = WINDOW / 2
    return {
        "weights": weights,
        "bias": np.array([-2, -5.2], np.float32),
        "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32),
        "flat": np.array([-1, 2, CELLS * CELLS]),
        "cells": np.stack([x, y, x * 0 + WINDOW, y * 0 + WINDOW]).astype(np.float32)[None],
        "corners": np.stack([x - half, y - half, x + half, y + half], axis=1).astype(np.float32),
        "slant": np.full((1, 1, CELLS * CELLS), SLANT, np.float32),
        "top_left": np.stack([x - half, y - half], axis=0).astype(np.float32)[None],
        "ten": np.array([10]),
        "first": np.array([0]),
        "two": np.array([2]),
        "classes_axis": np.array([1]),
        "last_axis": np.array([2]),
    }


_OUTPUTS = {
    "yolov8": [_node("Concat", ["cells", "scores"], "output0", axis=1)],
    "batched": [
        _node("ReduceMax", ["scores"], "best_score", axes=[1]),
        _node("Sub", ["best_score", "best_score"], "nothing"),
        _node("Add", ["cells", "nothing"], "all_cells"),
        _node("Concat", ["all_cells", "scores"], "output0", axis=1),
    ],
    "yolov5": [
        _node("ReduceMax", ["scores"], "anything", axes=[1]),
        _node("Concat", ["cells", "anything", "scores"], "rows", axis=1),
        _node("Transpose", ["rows"], "output0", perm=[0, 2, 1]),
    ],
    "segment": [  # a map of red and one of light, in steps of 4 pixels; the scores say which of them is the thing's
        _node("AveragePool", ["pixels"], "fine", kernel_shape=[4, 4], strides=[4, 4]),
        _node("Conv", ["fine", "weights", "bias"], "output1"),
        _node("Concat", ["cells", "scores", "scores"], "output0", axis=1),
    ],
    "pose": [  # the top left corner, as sure as the box, and the middle
        _node("ReduceMax", ["scores"], "best_score", axes=[1]),
        _node("Slice", ["cells", "first", "two", "classes_axis"], "middle"),
        _node("Concat", ["cells", "scores", "top_left", "best_score", "middle", "best_score"], "output0", axis=1),
    ],
    "obb": [_node("Concat", ["cells", "scores", "slant"], "output0", axis=1)],
    "classify": [
        _node("ReduceMax", ["raw"], "most", axes=[2, 3], keepdims=0),
        _node("Softmax", ["most"], "output0", axis=1),
    ],
    "end2end": [  # of neighbours the best is kept, then the ten best of all
        _node("ReduceMax", ["map"], "peaks", axes=[1]),
        _node("MaxPool", ["peaks"], "highest", kernel_shape=[9, 9], pads=[4] * 4),
        _node("Equal", ["peaks", "highest"], "alone"),
        _node("Cast", ["alone"], "mask", to=TensorProto.FLOAT),
        _node("Mul", ["peaks", "mask"], "kept"),
        _node("Flatten", ["kept"], "row"),
        helper.make_node("TopK", ["row", "ten"], ["best", "where"]),
        _node("Squeeze", ["where", "first"], "places"),
        _node("Gather", ["corners", "places"], "box"),
        _node("Unsqueeze", ["box", "first"], "boxes"),
        _node("ArgMax", ["scores"], "class", axis=1, keepdims=0),
        _node("Squeeze", ["class", "first"], "all_classes"),
        _node("Gather", ["all_classes", "places"], "their_class"),
        _node("Cast", ["their_class"], "number", to=TensorProto.FLOAT),
        _node("Unsqueeze", ["number", "first"], "numbers"),
        _node("Unsqueeze", ["numbers", "last_axis"], "column"),
        _node("Unsqueeze", ["best", "last_axis"], "confidence"),
        _node("Concat", ["boxes", "confidence", "column"], "output0", axis=2),
    ],
}
