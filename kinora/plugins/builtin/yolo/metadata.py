"""A model's own metadata: what Ultralytics' exports, and those of YOLOv5, say of the model in the file."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

SIDES = 2  # height and width
STRIDE = 32
"""Pixels: the step of the coarsest grid of most models; the sides of a picture are multiples of it."""


@attrs.frozen(kw_only=True)
class Facts:
    """What a model says of itself; None, or nothing, where it does not."""

    task: str | None = None
    """``detect``, ``segment``, ``pose``, ``obb``, ``classify``."""
    names: Mapping[int, str] = attrs.field(factory=dict)
    """The names of the classes by number."""
    end2end: bool = False
    """True if the model removes overlaps itself."""
    keypoints: int | None = None
    """Numbers of a box that tell its keypoints: 51 for 17 keypoints with x, y and visibility."""
    size: tuple[int, int] | None = None
    """Height and width in pixels for which it was exported."""
    channels: int | None = None
    stride: int = STRIDE

    @property
    def classes(self) -> int | None:
        """The number of classes, if they have names."""
        return max(self.names) + 1 if self.names else None


def read_facts(metadata: Mapping[str, str]) -> Facts:
    """Read the metadata of an ONNX file: texts in JSON or as Python literals. What cannot be read is left out."""
    said = {key: _value(text) for key, text in metadata.items()}
    args = said.get("args")
    task = said.get("task")
    return Facts(
        task=task if isinstance(task, str) else None,
        names=_names(said.get("names")),
        end2end=_is_true(said.get("end2end")) or (isinstance(args, Mapping) and _is_true(args.get("nms"))),
        keypoints=_product(said.get("kpt_shape")),
        size=_size(said.get("imgsz")),
        channels=_positive(said.get("channels")),
        stride=_positive(said.get("stride")) or STRIDE,
    )


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text


def _is_true(value: object) -> bool:
    return value is True or str(value).lower() in ("true", "1")


def _positive(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _numbers(value: object) -> Sequence[int] | None:
    """A list of positive whole numbers, or None."""
    if not isinstance(value, list | tuple):
        return None
    found = [number for item in value if (number := _positive(item)) is not None]
    return found if len(found) == len(value) else None


def _size(value: object) -> tuple[int, int] | None:
    sides = _numbers(value if isinstance(value, list | tuple) else [value] * SIDES)
    return None if sides is None or len(sides) != SIDES else (sides[0], sides[1])


def _product(value: object) -> int | None:
    shape = _numbers(value)
    return shape[0] * shape[1] if shape is not None and len(shape) == SIDES else None


def _names(value: object) -> dict[int, str]:
    """Names by number; the keys of JSON are texts, and numbers as texts are no longer in order."""
    if isinstance(value, list | tuple):
        return {number: str(name) for number, name in enumerate(value)}
    if not isinstance(value, Mapping):
        return {}
    try:
        return {int(number): str(name) for number, name in value.items() if int(number) >= 0}
    except (ValueError, TypeError):  # names → something else
        return {}
