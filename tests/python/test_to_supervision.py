"""``frame.to_supervision()``: what the package supervision is given."""

from __future__ import annotations

import sys
from types import ModuleType

import attrs
import numpy as np
import pytest
from numpy.typing import NDArray

import kinora
from kinora.plugins.forms.rle import mask_of
from kinora.python.to_supervision import to_supervision

SIZE = (16, 9)
"""Width and height."""


@attrs.frozen
class StandIn:
    """The fields of ``supervision.Detections`` 0.31, a dataclass that checks their shapes and no more."""

    xyxy: NDArray[np.float32]
    mask: NDArray[np.bool_] | None = None
    confidence: NDArray[np.float32] | None = None
    class_id: NDArray[np.int64] | None = None
    tracker_id: NDArray[np.int64] | None = None
    data: dict[str, NDArray[np.str_]] = attrs.field(factory=dict)


@pytest.fixture
def supervision(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package, or a stand-in where it is not installed: it brings an OpenCV that replaces ours."""
    module = ModuleType("supervision")
    module.Detections = StandIn  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "supervision", module)


def found(*, masks: bool) -> kinora.Detections:
    """A dog and a cat, of which only the dog may lack a mask."""
    pixels = np.zeros(SIZE[::-1], np.bool_)
    pixels[2:5, 3:8] = True
    mask = mask_of(pixels)
    assert mask is not None
    told = {"x": mask.x, "y": mask.y, "width": mask.width, "height": mask.height, "counts": mask.counts}
    box = {"x": 3, "y": 2, "width": 5, "height": 3, "confidence": 0.5}
    dog = {**box, "class": "dog", "track_id": 4} | ({"mask": told} if masks else {})
    return kinora.Detections.of({"own": {"detections": [dog, {**box, "class": "cat", "track_id": 5, "mask": told}]}})


@pytest.mark.usefixtures("supervision")
def test_boxes_classes_tracks_and_masks_are_handed_over() -> None:
    """Masks are of the whole frame; a class's number is its place in the alphabet."""
    given = to_supervision(found(masks=True), *SIZE)
    assert given.xyxy.tolist() == [[3, 2, 8, 5]] * 2
    assert (given.class_id.tolist(), given.data["class_name"].tolist()) == ([1, 0], ["dog", "cat"])
    assert (given.tracker_id.tolist(), given.confidence.tolist()) == ([4, 5], [0.5, 0.5])
    assert given.mask.shape == (2, *SIZE[::-1])
    assert [mask.sum() for mask in given.mask] == [15, 15]
    assert given.mask[0, 2:5, 3:8].all()


@pytest.mark.usefixtures("supervision")
def test_what_some_detections_lack_is_left_out() -> None:
    """Supervision knows no array of which some have nothing."""
    assert to_supervision(found(masks=False), *SIZE).mask is None
    assert to_supervision(kinora.Detections.of({}), *SIZE).tracker_id is None


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the way to get it."""
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(kinora.RunError, match="pip install supervision"):
        to_supervision(found(masks=True), *SIZE)
