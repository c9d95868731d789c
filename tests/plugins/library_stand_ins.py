"""Classes with the names, modules and fields of those of supervision and ultralytics, which the tests do without."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

_Array = NDArray[Any]


@attrs.define
class Detections:
    """As in supervision/detection/core.py."""

    xyxy: _Array
    mask: _Array | None = None
    confidence: _Array | None = None
    class_id: _Array | None = None
    tracker_id: _Array | None = None
    data: dict[str, Any] = attrs.field(factory=dict)
    metadata: dict[str, Any] = attrs.field(factory=dict)


Detections.__module__ = "supervision.detection.core"


class Tensor:
    """A tensor on a GPU: it gives its rows and plain numbers, and cannot become an array."""

    def __init__(self, values: Any) -> None:
        self._values = np.asarray(values)

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, place: int) -> Tensor:
        return Tensor(self._values[place])

    def tolist(self) -> Any:
        """The plain numbers."""
        return self._values.tolist()

    def cpu(self) -> _Array:
        """The same where numpy can read it."""
        return self._values

    def __array__(self, *_: object) -> _Array:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@attrs.define
class Columns:
    """Boxes, turned boxes, masks, key points or probabilities: only the fields that each has are asked for."""

    xyxy: Tensor | None = None
    xywhr: Tensor | None = None
    conf: Tensor | None = None
    cls: Tensor | None = None
    id: Tensor | None = None
    xy: Any = None
    top5: list[int] | None = None
    top5conf: Tensor | None = None


@attrs.define
class Results:
    """As in ultralytics/engine/results.py."""

    names: dict[int, str]
    boxes: Columns | None = None
    masks: Columns | None = None
    probs: Columns | None = None
    keypoints: Columns | None = None
    obb: Columns | None = None


Results.__module__ = "ultralytics.engine.results"
