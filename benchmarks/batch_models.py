"""A detection model of the size of YOLOv8s, with random weights: its time counts, not its boxes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

SIDE = 640
BLOCKS = ((32, 1), (64, 3), (128, 6), (256, 6), (512, 3))
"""Channels, and convolutions at each resolution; some 29 GFLOPs a picture, as YOLOv8s has."""
CLASSES = 80
CELLS = (SIDE // 32) ** 2


def save_yolo_sized(path: Path) -> Path:
    """Write it: any number of pictures in, a table in the layout of YOLOv8 for each out."""
    random = np.random.default_rng(1)
    nodes: list[NodeProto] = []
    weights: list[TensorProto] = []

    def convolve(source: str, shape: tuple[int, int, int], stride: int) -> str:
        outputs, inputs, side = shape
        name = f"layer{len(weights)}"
        kernel = random.standard_normal((outputs, inputs, side, side)) / np.sqrt(inputs * side * side)
        weights.append(numpy_helper.from_array(kernel.astype(np.float32), f"{name}.weight"))
        pads = [side // 2] * 4
        nodes.extend(
            [
                helper.make_node("Conv", [source, f"{name}.weight"], [f"{name}.raw"], strides=[stride] * 2, pads=pads),
                helper.make_node("Sigmoid", [f"{name}.raw"], [f"{name}.gate"]),
                helper.make_node("Mul", [f"{name}.raw", f"{name}.gate"], [name]),
            ]
        )
        return name

    last, channels = "images", 3
    for wide, count in BLOCKS:
        last = convolve(last, (wide, channels, 3), 2)
        for _ in range(count - 1):
            last = convolve(last, (wide, wide, 3), 1)
        channels = wide
    last = convolve(last, (4 + CLASSES, channels, 1), 1)
    weights.append(numpy_helper.from_array(np.array([-1, 4 + CLASSES, CELLS]), "table"))
    nodes.append(helper.make_node("Sigmoid", [last], ["small"]))
    nodes.append(helper.make_node("Reshape", ["small", "table"], ["output0"]))
    pictures = helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, SIDE, SIDE])
    found = helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 4 + CLASSES, CELLS])
    graph = helper.make_graph(nodes, "yolo-sized", [pictures], [found], weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    return path
