"""A model's own metadata: what Ultralytics' exports, and those of YOLOv5, say of the model in the file."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

PAIR = 2
KEYPOINT_NUMBERS = (2, 3)
"""What a keypoint may have: x and y, and visibility."""
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
    keypoint_shape: tuple[int, int] | None = None
    """How many keypoints a thing has, and how many numbers each of them: 2 for x and y, 3 with visibility."""
    size: tuple[int, int] | None = None
    """Height and width in pixels for which it was exported."""
    channels: int | None = None
    stride: int = STRIDE

    @property
    def keypoints(self) -> int | None:
        """Numbers of a box that tell its keypoints: 51 for 17 keypoints with x, y and visibility."""
        return None if self.keypoint_shape is None else self.keypoint_shape[0] * self.keypoint_shape[1]

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
        keypoint_shape=_keypoint_shape(said.get("kpt_shape")),
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


def _pair(value: object) -> tuple[int, int] | None:
    numbers = _numbers(value)
    return None if numbers is None or len(numbers) != PAIR else (numbers[0], numbers[1])


def _size(value: object) -> tuple[int, int] | None:
    return _pair(value if isinstance(value, list | tuple) else [value] * PAIR)


def _keypoint_shape(value: object) -> tuple[int, int] | None:
    shape = _pair(value)
    return None if shape is None or shape[1] not in KEYPOINT_NUMBERS else shape


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
