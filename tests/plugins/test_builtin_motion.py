"""The ``motion`` plugin."""

from __future__ import annotations

from typing import Any

import numpy as np

from kinora.plugins.builtin.motion import Motion, merge_near
from kinora.plugins.forms.detections import as_boxes
from kinora.plugins.testing import run_plugin
from tests.plugins.drawn import noisy, plain, square


def _last(images: list[Any], **options: Any) -> dict[str, Any]:
    last = run_plugin(Motion, images, options).results[-1]
    assert last is not None
    return last


def test_what_moves_gets_a_box() -> None:
    """A square that slides over a still ground gets one box, and its share of the picture is given."""
    result = _last([noisy(plain(), 2, seed) for seed in range(30)] + [noisy(square(100), 2)])
    (box,) = result["detections"]
    assert box["class"] == "motion"
    assert abs(box["x"] - 100) <= 3
    assert abs(box["y"] - 90) <= 3
    assert abs(box["width"] - 60) <= 5
    assert abs(box["height"] - 60) <= 5
    assert abs(result["metrics"]["motion"] - 60 * 60 / (320 * 240)) < 0.01


def test_noise_and_specks_are_no_motion() -> None:
    """Neither a camera's noise nor a thing below ``min_area`` gets a box."""
    still = [noisy(plain(), 4, seed) for seed in range(30)]
    assert _last(still)["detections"] == []
    assert _last([*still, noisy(square(100, side=10), 4)])["detections"] == []
    assert len(_last([*still, noisy(square(100, side=10), 4)], min_area=0.0005)["detections"]) == 1


def test_a_change_of_exposure_is_no_motion() -> None:
    """When the camera brightens the whole picture, only things that move in it get a box."""
    brighter = np.clip(square(100).astype(int) + 25, 0, 255).astype(np.uint8)
    (box,) = _last([plain()] * 30 + [brighter])["detections"]
    assert abs(box["x"] - 100) <= 3
    assert box["width"] <= 65


def test_what_stops_becomes_background() -> None:
    """After ``history`` frames without moving, a thing is part of the scene."""
    came = [plain()] * 20 + [square(100)] * 2
    assert _last(came, history=20)["detections"]
    assert _last(came + [square(100)] * 60, history=20)["detections"] == []


def test_a_cut_is_no_motion() -> None:
    """A wholly different picture gives no box, and motion in the new scene is seen from the next frame on."""
    checks = np.kron(np.indices((6, 8)).sum(axis=0) % 2, np.ones((40, 40)))[..., None] * (200, 90, 30)
    scene = checks.astype(np.uint8)
    moved = scene.copy()
    moved[90:150, 100:160] = (0, 255, 255)
    run = run_plugin(Motion, [plain()] * 20 + [scene, scene, moved])
    assert [len((result or {})["detections"]) for result in run.results[-3:]] == [0, 0, 1]


def test_parts_close_together_are_one_thing() -> None:
    """Boxes within the distance belong together, also by way of a third; others do not."""
    boxes = as_boxes([(0, 0, 10, 10), (35, 0, 10, 10), (18, 0, 10, 10), (90, 0, 10, 10)])
    assert sorted(map(sorted, merge_near(boxes, 9))) == [[0, 1, 2], [3]]
    assert len(merge_near(boxes, 5)) == 4


def test_a_new_size_begins_a_new_background() -> None:
    """Each size has a background of its own, learnt anew; that it begins is said once."""
    still, moved = [plain()] * 20, square(100)
    upright = [np.ascontiguousarray(image.transpose(1, 0, 2)) for image in (*still, moved)]
    run = run_plugin(Motion, [*still, moved, *upright, moved])
    assert [len((result or {})["detections"]) for result in run.results] == [0] * 20 + [1] + [0] * 20 + [1, 0]
    (warning,) = run.warnings
    assert "from 320x240 to 240x320" in warning
