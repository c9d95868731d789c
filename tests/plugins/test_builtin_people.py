"""The ``people`` plugin."""

from __future__ import annotations

import numpy as np

from kinora.plugins.builtin.people import People, vote
from kinora.plugins.forms.detections import as_boxes, iou, read_detections
from kinora.plugins.testing import run_plugin
from tests.clips import PEOPLE
from tests.plugins.drawn import footage, plain, walk, walker

STANDING = {  # frame of the real footage: left, top, right, bottom of its one person, marked by eye
    101: (385, 13, 519, 392),
    271: (382, 3, 541, 382),
    441: (542, 13, 757, 392),
    611: (419, 0, 568, 388),
    815: (364, 33, 496, 379),
    951: (387, 7, 523, 377),
    1257: (368, 0, 547, 403),
}
EMPTY = (33, 203, 475, 917, 1223)


def test_two_people_are_two_boxes() -> None:
    """Each of two people who walk apart gets one box, around where that person is."""
    pictures = walk([walker(start_x=300, speed=100), walker(start_x=900, speed=-100)], frames=10)
    for index, result in enumerate(run_plugin(People, pictures).results):
        found = sorted(read_detections(result), key=lambda d: d.x)
        assert len(found) == 2
        for detection, x in zip(found, (150 + 2 * index, 450 - 2 * index), strict=True):
            assert abs(detection.x + detection.width / 2 - x) < 25
            assert detection.kind == "person"


def test_an_empty_room_has_nobody_in_it() -> None:
    """A wall gives an empty list, not nothing."""
    assert run_plugin(People, [plain()]).results == [{"detections": []}]


def test_a_lone_window_is_no_person() -> None:
    """Fewer neighbouring windows than asked for are a false alarm."""
    boxes, margins = as_boxes([(10, 10, 60, 160), (12, 11, 60, 160)]), np.array([0.5, 0.4])
    assert vote(boxes, margins, least=3, threshold=-0.6) == []
    assert len(vote(boxes, margins, least=2, threshold=-0.6)) == 1


def test_a_trunk_inside_a_person_is_not_a_second_one() -> None:
    """If a box lies within another, only the one with more support stays."""
    whole, trunk = [(100, 0, 100, 300)] * 5, [(110, 50, 50, 120)] * 3
    found = vote(as_boxes(whole + trunk), np.full(8, 0.3), least=3, threshold=-0.6)
    assert [d.box for d in found] == [(100, 0, 100, 300)]


def test_people_close_together_stay_two() -> None:
    """Boxes that overlap a little and have equal support are two people."""
    boxes = as_boxes([(100, 0, 100, 300)] * 4 + [(165, 0, 100, 300)] * 4)
    assert len(vote(boxes, np.full(8, 0.3), least=3, threshold=-0.6)) == 2


if PEOPLE.exists():

    def test_people_in_real_footage_are_found() -> None:
        """On real footage nearly all are found, and rooms without people stay empty."""
        wanted = STANDING.keys() | set(EMPTY)
        frames = [frame for frame in footage(0, max(wanted) + 1) if frame.index in wanted]
        results = {f.index: r for f, r in zip(frames, run_plugin(People, frames).results, strict=True)}
        hits = 0
        for index, (left, top, right, bottom) in STANDING.items():
            boxes = as_boxes([d.box for d in read_detections(results[index])])
            assert len(boxes) <= 1
            hits += bool((iou(as_boxes([(left, top, right - left, bottom - top)]), boxes) >= 0.5).any())
        assert hits >= len(STANDING) - 1
        assert all(results[index] == {"detections": []} for index in EMPTY)
