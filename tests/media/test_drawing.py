"""Drawing of results."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kinora.media.drawing import draw, label, visible
from kinora.plugins.detections import Detection
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
    assert [(d.kind, d.track_id) for d in visible(results)] == [("face", None), ("person", 3)]


def test_a_track_keeps_its_colour() -> None:
    """Two pictures show a track in the same colour, and two tracks in different ones."""
    images = [plain() for _ in range(3)]
    for image, track_id in zip(images, (1, 1, 2), strict=True):
        draw(image, {"tracker": {"detections": [box(track_id=track_id)]}})
    colors = [image[179, 130].tolist() for image in images]
    assert colors[0] == colors[1] != colors[2]


def test_labels_say_what_who_and_how_sure() -> None:
    """Class, number and confidence; characters that OpenCV's font lacks become question marks."""
    found = Detection(x=0, y=0, width=1, height=1, confidence=0.871, kind="person", track_id=3)
    assert label(found) == "person #3 87%"
    assert label(Detection(x=0, y=0, width=1, height=1, confidence=2, kind="Ä" * 99)) == "?" * 40 + " 100%"


NUMBER = st.floats() | st.integers() | st.none() | st.text(max_size=3)


@given(
    st.lists(
        st.fixed_dictionaries(
            dict.fromkeys(("x", "y", "width", "height"), NUMBER),
            optional={"confidence": NUMBER, "class": st.text() | NUMBER, "track_id": NUMBER},
        ),
        max_size=4,
    )
)
def test_any_result_can_be_drawn(entries: list[Any]) -> None:
    """Boxes far outside, upside down or malformed do no harm."""
    draw(plain(), {"any": {"detections": entries}, "other": None, "third": {"detections": "many"}})


def test_small_pictures_can_be_drawn_on() -> None:
    """A label larger than the picture is cut off."""
    draw(plain(width=1, height=1), {"people": {"detections": [{"x": 0, "y": 0, "width": 1, "height": 1}]}})
