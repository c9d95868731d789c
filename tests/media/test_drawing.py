"""Drawing of results."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.media.drawing import draw
from kinora.media.drawing.colors import COLORS, PLAIN, color_of
from kinora.media.drawing.labels import label
from kinora.media.drawing.lettering import UNKNOWN, lettering, take_undrawn
from kinora.media.drawing.lettering import visible as visible_character
from kinora.media.drawing.overlay import visible
from kinora.media.messages import Skeletons
from kinora.plugins.forms.detections import Detection
from kinora.plugins.forms.rle import mask_of
from tests.plugins.drawn import plain


def box(x: float = 100, kind: str = "person", track_id: int | None = None) -> dict[str, Any]:
    """A detection of 60x80 pixels."""
    return Detection(x=x, y=100, width=60, height=80, confidence=0.875, kind=kind, track_id=track_id).as_json()


def test_a_box_is_drawn_round_the_thing() -> None:
    """The outline of a detection is drawn, and neither its inside nor the rest of the picture is touched."""
    image = plain()
    draw(image, {"people": {"detections": [box()]}})
    changed = (image != plain()).any(axis=2)
    assert changed[100, 100:160].all()
    assert changed[179, 100:160].all()
    assert changed[100:180, 100].all()
    assert not changed[110:170, 110:150].any()
    assert not changed[190:, :].any()


def test_a_track_replaces_what_it_tracks() -> None:
    """Where a class has tracks, its untracked boxes are left out; other classes stay."""
    results = {
        "people": {"detections": [box()]},
        "faces": {"detections": [box(kind="face")]},
        "tracker": {"detections": [box(track_id=3)]},
    }
    assert [(seen.found.kind, seen.found.track_id) for seen in visible(results)] == [("face", None), ("person", 3)]


def test_a_track_keeps_its_colour() -> None:
    """Two pictures show a track in the same colour, and two tracks in different ones."""
    images = [plain() for _ in range(3)]
    for image, track_id in zip(images, (1, 1, 2), strict=True):
        draw(image, {"tracker": {"detections": [box(track_id=track_id)]}})
    colors = [image[179, 130].tolist() for image in images]
    assert colors[0] == colors[1] != colors[2]


def test_labels_say_what_who_and_how_sure() -> None:
    """Class, number and confidence; a long class is cut."""
    found = Detection(x=0, y=0, width=1, height=1, confidence=0.871, kind="person", track_id=3)
    assert label(found) == "person #3 87%"
    assert label(Detection(x=0, y=0, width=1, height=1, confidence=2, kind="Ä" * 99)) == "Ä" * 40 + " 100%"


def test_labels_are_drawn_in_any_script() -> None:
    """Letters beyond ASCII are drawn as themselves, each unlike the others and unlike what no font has."""
    pictures = {text: lettering(text, 24).tobytes() for text in "ßöЖαאع€"}
    assert len(set(pictures.values())) == len(pictures)
    assert all(visible_character(text) == text for text in pictures)
    for text in ("\n", "\x1b", "\u202e", "\U000f0000", "\ud800"):
        assert visible_character(text) == UNKNOWN
    assert lettering("", 24).shape[0] == lettering("Größe", 24).shape[0]


def test_letters_that_no_font_has_are_told() -> None:
    """Once each; what is never visible is not told."""
    take_undrawn()
    for text in ("\U000f0000 a\n", "\U00012345x", "\U00012345y"):
        lettering(text, 24)
    assert take_undrawn() == "\U00012345"
    assert take_undrawn() == ""


def test_a_label_of_odd_text_is_drawn() -> None:
    """Line ends, other control characters and an empty class do no harm."""
    for kind in ("", "a\nb\tc", "\x00", "\U0001f600" * 30, "é" * 500):
        image = plain()
        draw(image, {"any": {"detections": [box(kind=kind)]}})
        assert (image != plain()).any()


@pytest.mark.parametrize(
    "result",
    [
        {"lines": [[20, 220, 220, 220]]},
        {"lines": [[[20, 220], [120, 220], [220, 220]]]},
        {"lines": [{"x1": 20, "y1": 220, "x2": 220, "y2": 220}]},
        {"lines": [{"points": [{"x": 20, "y": 220}, {"x": 220, "y": 220}]}]},
    ],
)
def test_lines_are_drawn(result: dict[str, Any]) -> None:
    """In each form that the web UI draws."""
    image = plain()
    draw(image, {"pitch": result})
    changed = (image != plain()).any(axis=2)
    assert changed[220, 20:221].all()
    assert not changed[:210].any()


def test_points_and_polygons_are_drawn() -> None:
    """Key points of results and detections, points, and polygons, whose last side ends where the first begins."""
    places = [(50, 220), (90, 220), (130, 220), (20, 20)]
    skeleton = box() | {"keypoints": [[50, 220, 0.9]]}
    polygon = [[10, 10], [30, 10], [30, 30], [10, 30]]
    image = plain()
    results = {"a": {"detections": [skeleton], "keypoints": [{"x": 90, "y": 220}], "points": [[130, 220]]}}
    draw(image, results | {"b": {"polygons": [{"points": polygon, "label": "zone"}]}})
    changed = (image != plain()).any(axis=2)
    assert all(changed[y, x] for x, y in places[:3])
    assert changed[20, 10]
    assert changed[20, 20]  # a polygon is filled lightly
    assert not changed[40, 20]


@pytest.mark.parametrize(("kind", "number"), [("person", 4), ("car", 5), ("Größe 文字 😀", 5)])
def test_colours_are_those_of_the_web_ui(kind: str, number: int) -> None:
    """The numbers are what ``colorOf`` in draw/colors.ts gives."""
    assert color_of(Detection(x=0, y=0, width=1, height=1, confidence=1, kind=kind)) == COLORS[number]


COLOR = COLORS[4]
"""Of the class ``person``."""


def mixed(share: float) -> list[int]:
    """A pixel of the plain picture with so much of the colour in it."""
    before = plain()[0, 0].tolist()
    return [round(old * (1 - share) + new * share) for old, new in zip(before, COLOR, strict=True)]


def drawn(further: dict[str, Any], skeletons: Skeletons | None = None) -> Any:
    """A picture with one person, who has this as well."""
    image = plain()
    draw(image, {"people": {"detections": [box() | further]}}, skeletons)
    return image


def test_a_mask_is_filled_lightly() -> None:
    """Its pixels alone, also where it goes beyond the picture; the box stays."""
    pixels = np.zeros((80, 60), np.bool_)
    pixels[20:40, 10:30] = True
    mask = mask_of(pixels, left=100, top=100)
    assert mask is not None
    image = drawn({"mask": msgspec.structs.asdict(mask)})
    assert image[130, 120].tolist() == pytest.approx(mixed(0.4), abs=1)
    assert (image[145:175, 104:156] == plain()[0, 0]).all()
    assert image[179, 130].tolist() == list(COLOR)
    beyond = msgspec.structs.replace(mask, x=-5, y=-7)
    assert drawn({"mask": msgspec.structs.asdict(beyond)})[0, 0].tolist() == pytest.approx(mixed(0.4), abs=1)
    assert (drawn({"mask": {"x": 100, "y": 100, "width": 60, "height": 80, "counts": "oops"}}) == drawn({})).all()


def test_an_outline_stands_in_place_of_the_box() -> None:
    """A polygon, or the box turned clockwise about its centre: filled lightly, and without the plain box."""
    for further, edge in (
        ({"polygon": [[100, 100], [160, 140], [100, 180]]}, (140, 100)),
        ({"angle": 90}, (140, 90)),
    ):
        image = drawn(further)
        assert image[140, 120].tolist() == pytest.approx(mixed(0.2), abs=1)
        assert image[edge].tolist() == pytest.approx(list(COLOR), abs=2)
        assert (image[176, 150] == plain()[0, 0]).all()


def test_a_pose_is_drawn_by_its_skeleton() -> None:
    """Points that are seen, and lines between these; the skeleton may be another plugin's, which a tracker follows."""
    points = {"keypoints": [[110, 120, 0.9], [150, 120, 0.8], [150, 170, 0.1]]}
    bare = drawn(points)
    assert bare[120, 110].tolist() == bare[120, 150].tolist() == list(COLOR)
    assert (bare[170, 150] == plain()[0, 0]).all()
    assert (bare[120, 130] == plain()[0, 0]).all()
    joined = drawn(points, {"poses": [(5, 6)], "people": [(0, 1), (1, 2), (2, 99)]})
    assert joined[120, 130].tolist() == list(COLOR)
    assert (joined[145, 150] == plain()[0, 0]).all()
    image = plain()
    followed = {"people": {"detections": []}, "tracker": {"detections": [box() | points]}}
    draw(image, followed, {"people": [(0, 1)]})
    assert (image == joined).all()


def test_texts_and_labels_are_drawn() -> None:
    """What is written in a box, beside a line, a polygon and a point, and the classes of the picture."""
    found = Detection(x=0, y=0, width=1, height=1, confidence=0.5, kind="sign", text="EXIT")
    assert label(found) == "sign “EXIT” 50%"
    line, area = {"points": [[60, 200], [200, 200]]}, {"points": [[60, 100], [200, 100], [200, 150]]}
    for result, corner in (
        ({"lines": [line | {"label": "gate"}]}, (190, 62)),
        ({"polygons": [area | {"label": "door"}]}, (90, 62)),
        ({"points": [{"x": 60, "y": 200, "label": "ball"}]}, (190, 62)),
    ):
        image = plain()
        draw(image, {"pitch": result})
        assert image[corner].tolist() == list(PLAIN)
    image = plain()
    draw(image, {"scene": {"classes": [{"class": "person", "confidence": 0.9}, {"class": "car"}, "?"]}})
    assert [image[12, 10].tolist(), image[32, 10].tolist()] == [list(COLOR), list(COLORS[5])]
    assert (image[48:] == plain()[0, 0]).all()


SHAPE = st.recursive(
    st.none() | st.floats() | st.integers() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.sampled_from(["x", "y", "x1", "y1", "x2", "y2", "points", "label", "class"]), inner)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["lines", "polygons", "points", "keypoints", "classes"]), SHAPE))
def test_any_shape_can_be_drawn(result: dict[str, Any]) -> None:
    """Numbers far outside, and what is no shape at all, do no harm."""
    draw(plain(), {"any": result})


NUMBER = st.floats() | st.integers() | st.none() | st.text(max_size=3)


@given(
    st.lists(
        st.fixed_dictionaries(
            dict.fromkeys(("x", "y", "width", "height"), NUMBER),
            optional={
                "confidence": NUMBER,
                "class": st.text() | NUMBER,
                "track_id": NUMBER,
                "angle": NUMBER,
                "polygon": st.lists(st.tuples(NUMBER, NUMBER).map(list)),
                "keypoints": st.lists(st.tuples(NUMBER, NUMBER, NUMBER).map(list)),
                "mask": st.fixed_dictionaries(
                    {"counts": st.text("0123`onm")} | dict.fromkeys(("x", "y", "width", "height"), st.integers())
                ),
            },
        ),
        max_size=4,
    )
)
def test_any_result_can_be_drawn(entries: list[Any]) -> None:
    """Boxes far outside, upside down or malformed do no harm."""
    draw(plain(), {"any": {"detections": entries}, "other": None, "third": {"detections": "many"}}, {"any": [(0, 1)]})


def test_small_pictures_can_be_drawn_on() -> None:
    """A label larger than the picture is cut off."""
    draw(plain(width=1, height=1), {"people": {"detections": [{"x": 0, "y": 0, "width": 1, "height": 1}]}})
