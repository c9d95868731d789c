"""The ``faces`` plugin."""

from __future__ import annotations

import pytest

from kinora.plugins.builtin.faces import Faces
from kinora.plugins.testing import run_plugin
from tests.clips import PEOPLE
from tests.plugins.drawn import face, footage, plain


@pytest.mark.parametrize("size", [100, 160, 240])
def test_a_face_is_found_where_it_is(size: int) -> None:
    """A face in the middle of the picture gets one box, centred on it and about as wide."""
    (result,) = run_plugin(Faces, [face(size)]).results
    assert result is not None
    (box,) = result["detections"]
    assert box["class"] == "face"
    assert abs(box["x"] + box["width"] / 2 - 320) < size / 8
    assert abs(box["y"] + box["height"] / 2 - 240) < size / 8
    assert size * 0.7 < box["width"] < size * 1.3
    assert 0.5 < box["confidence"] < 1


def test_faces_below_the_smallest_size_are_left_out() -> None:
    """``min_size`` counts in pixels of the source."""
    (result,) = run_plugin(Faces, [face(100)], {"min_size": 200}).results
    assert result == {"detections": []}


def test_no_face_no_box() -> None:
    """A wall has no face."""
    assert run_plugin(Faces, [plain()]).results == [{"detections": []}]


if PEOPLE.exists():

    def test_backs_of_heads_are_no_faces() -> None:
        """In real footage of people seen from behind there is next to no false alarm."""
        results = run_plugin(Faces, footage(0, 1300, 50)).results
        assert sum(len((result or {})["detections"]) for result in results) <= 1
