"""The ``zones`` plugin: what comes in, stays, leaves and crosses is counted once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kinora.plugins.api import Frame, Plugin
from kinora.plugins.builtin.people import People
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.builtin.zone_counts import MAX_CLASSES
from kinora.plugins.builtin.zone_geometry import Line, Polygon
from kinora.plugins.builtin.zones import MAX_SHOWN, Zones
from kinora.plugins.option_errors import OptionsError
from kinora.plugins.options import check_options
from kinora.plugins.testing import PluginRun, run_plugin
from tests.clips import PEOPLE
from tests.plugins.drawn import footage, plain

IMAGE = plain()
DOOR = {"name": "door", "polygon": [[100, 100], [200, 100], [200, 200], [100, 200]]}
GATE = {"name": "gate", "line": [[100, 0], [100, 200]]}
"""Down the picture: its right is where x is smaller."""
OPTIONS = {"zones": [DOOR], "lines": [GATE]}


def at(x: float, y: float, track_id: int | None = 1, kind: str = "person") -> dict[str, Any]:
    """Something 20 pixels wide and 40 high that stands there."""
    box = {"x": x - 10, "y": y - 40, "width": 20.0, "height": 40.0, "confidence": 0.9, "class": kind}
    return box if track_id is None else {**box, "track_id": track_id}


def watch(*seen: Sequence[Mapping[str, Any]], options: Mapping[str, Any] = OPTIONS, step_ms: float = 100) -> PluginRun:
    """Run it behind a tracker that says this of each frame."""
    frames = [
        Frame(image=IMAGE, index=i, timestamp_ms=i * step_ms, results={"tracker": {"detections": [*found]}})
        for i, found in enumerate(seen)
    ]
    return run_plugin(Zones, frames, options)


def told(run: PluginRun) -> list[tuple[str, ...]]:
    """What happened, in few words."""
    return [
        (event["kind"], event["data"].get("zone") or event["data"]["direction"], event["data"]["class"])
        for event in run.events
    ]


def test_who_walks_through_a_zone_enters_and_leaves_it() -> None:
    """Once, with the time in between; while it is there it is counted, by name and by class."""
    walk = [[at(x, 150)] for x in range(60, 300, 20)]
    run = watch(*walk, options={"zones": [DOOR], "away_ms": 0})
    assert told(run) == [("entered", "door", "person"), ("left", "door", "person")]
    left = run.events[1]
    assert left["data"] == {"zone": "door", "dwell_ms": 400.0, "class": "person", "track_id": 1}
    assert left["message"] == "person 1 left door after 0.4 s"
    inside = [(result or {})["metrics"]["door"] for result in run.results]
    assert inside == [0, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0]
    last = run.results[-1] or {}
    assert last["metrics"] == {"door": 0, "door: person": 0}
    assert (run.results[4] or {})["polygons"] == [{"points": DOOR["polygon"], "label": "door: 1"}]
    assert run.final == {
        "zones": {
            "door": {
                "entered": {"person": 1},
                "left": {"person": 1},
                "inside": {},
                "dwell": {"person": {"count": 1, "mean_ms": 400.0, "max_ms": 400.0}},
            }
        },
        "lines": {},
    }


def test_who_crosses_a_line_goes_in_or_out() -> None:
    """To its right is in, to its left out; beside its ends is neither."""
    there = [[at(x, 150), at(300 - x, 100, 2, "car"), at(x, 350, 3)] for x in range(40, 280, 20)]
    run = watch(*there, options={"lines": [GATE]})
    assert told(run) == [("crossed", "out", "person"), ("crossed", "in", "car")]
    assert run.events[0]["data"] == {"line": "gate", "direction": "out", "class": "person", "track_id": 1}
    last = run.results[-1] or {}
    assert last["metrics"] == {"gate: in": 1, "gate: out": 1}
    assert last["lines"] == [{"points": GATE["line"], "label": "gate: 1 in, 1 out"}]
    assert run.final == {"zones": {}, "lines": {"gate": {"in": {"car": 1}, "out": {"person": 1}}}}


def test_who_trembles_on_a_border_passes_it_once() -> None:
    """A box is never still: it has crossed a line when it is clearly beyond, and left when it was away for a while."""
    trembling = [[at(100 + dx, 150)] for dx in (-20, -1, 1, -1, 1, -2, 2, -1)]
    run = watch(*trembling)
    assert told(run) == [("entered", "door", "person")]
    run = watch(*trembling, [at(120, 150)], *trembling[1:], *[[at(60, 150)]] * 12)
    assert told(run) == [
        ("entered", "door", "person"),
        ("crossed", "out", "person"),
        ("crossed", "in", "person"),
        ("left", "door", "person"),
    ]
    assert run.events[-1]["data"]["dwell_ms"] == 1200.0


def test_who_is_not_seen_any_more_has_left() -> None:
    """After a while, at the time when it was seen last; one that is hidden for a moment stays."""
    run = watch(*[[at(150, 150)]] * 5, *[[]] * 9, [at(150, 150)], *[[]] * 15)
    assert told(run) == [("entered", "door", "person"), ("left", "door", "person")]
    assert run.events[1]["data"]["dwell_ms"] == 1400.0
    assert (run.final or {})["zones"]["door"]["inside"] == {}
    stays = watch(*[[at(150, 150)]] * 5)
    assert (stays.final or {})["zones"]["door"]["inside"] == {"person": 1}


def test_a_thing_is_where_its_anchor_is() -> None:
    """At its feet, or in its middle; and only some classes count, if any are named."""
    feet_inside = [[at(150, 110), at(150, 150, 2, "dog")]]
    assert told(watch(*feet_inside)) == [("entered", "door", "person"), ("entered", "door", "dog")]
    assert [kind for _, _, kind in told(watch(*feet_inside, options={**OPTIONS, "anchor": "center"}))] == ["dog"]
    assert [kind for _, _, kind in told(watch(*feet_inside, options={**OPTIONS, "classes": ["dog"]}))] == ["dog"]


def test_it_says_what_is_missing() -> None:
    """A tracker before it, and something to watch: once each."""
    frames = [
        Frame(image=IMAGE, index=i, timestamp_ms=i * 40.0, results={"people": {"detections": [at(150, 150, None)]}})
        for i in range(3)
    ]
    run = run_plugin(Zones, frames, {})
    assert [warning.split(":")[0] for warning in run.warnings] == [
        "has neither zones nor lines in its options",
        "none of the detections before it has a track_id",
    ]
    assert watch([], []).warnings == []


@pytest.mark.parametrize(("plugin", "options"), [(Tracker, None), (Zones, OPTIONS)])
def test_a_plugin_before_its_detector_says_so(plugin: type[Plugin], options: Mapping[str, Any] | None) -> None:
    """Once, and not where a detector stands before it that works on every tenth frame only."""
    alone = [Frame(image=IMAGE, index=i, timestamp_ms=i * 40.0, results={}) for i in range(30)]
    (warning,) = run_plugin(plugin, alone, options).warnings
    assert warning.startswith("no plugin before it has a result: put ")
    tenth = [Frame(image=IMAGE, index=0, timestamp_ms=0.0, results={"people": {"detections": []}}), *alone[1:]]
    assert run_plugin(plugin, tenth, options).warnings == []


def test_what_it_counts_is_bounded() -> None:
    """Classes beyond a number count together, and only some have metrics of their own."""
    crowd = [[at(150, 150, n, f"kind {n}") for n in range(MAX_CLASSES + 20)]]
    run = watch(*crowd, options={"zones": [DOOR]})
    assert len((run.results[0] or {})["metrics"]) == 1 + MAX_SHOWN
    entered = (run.final or {})["zones"]["door"]["entered"]
    assert (len(entered), entered["other"]) == (MAX_CLASSES + 1, 20)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zones": [{"name": "door", "polygon": [[0, 0], [1, 1]]}]},
        {"zones": [{"polygon": DOOR["polygon"]}]},
        {"zones": [{"name": "", "polygon": DOOR["polygon"]}]},
        {"zones": [{"name": "door: person", "polygon": DOOR["polygon"]}]},
        {"lines": [{"name": "gate", "line": [[0, 0], [1, 1], [2, 2]]}]},
        {"lines": [{"name": "gate", "line": [[0, 0], [1, "1"]]}]},
        {"anchor": "top"},
    ],
)
def test_options_that_are_no_places_are_refused(wrong: dict[str, Any]) -> None:
    """Before the job starts."""
    with pytest.raises(OptionsError):
        check_options(Zones.metadata, wrong)


@pytest.mark.parametrize("twice", [{"zones": [DOOR, DOOR]}, {"zones": [DOOR], "lines": [{**GATE, "name": "door"}]}])
def test_two_places_of_one_name_are_refused(twice: dict[str, Any]) -> None:
    """Nobody could tell their counts apart: those of a line from those of a zone of a class that is called "in"."""
    with pytest.raises(OptionsError, match=r"(zones\[1\]|lines\[0\])\.name: must differ from zones\[0\]\.name"):
        check_options(Zones.metadata, twice)


def test_no_two_counts_have_one_name() -> None:
    """Whatever the zones, the lines and the classes are called."""
    shapes = {
        "zones": [DOOR, {**DOOR, "name": "door person"}, {**DOOR, "name": "gate in"}],
        "lines": [GATE],
    }
    metrics = (watch([at(150, 150), at(150, 150, 2, "in")], options=shapes).results[0] or {})["metrics"]
    assert len(metrics) == 3 * (1 + 2) + 2


def test_a_form_finds_what_is_drawn_by_hand() -> None:
    """By the format of a property."""
    schema = Zones.metadata.config_schema
    assert schema is not None
    properties = schema["properties"]
    assert properties["zones"]["items"]["properties"]["polygon"]["format"] == "polygon"
    assert properties["lines"]["items"]["properties"]["line"]["format"] == "line"


# Geometry

PLACES = st.floats(-50, 150, allow_nan=False)


@given(PLACES, PLACES)
def test_a_point_is_inside_a_square_or_not(x: float, y: float) -> None:
    """Near the border it may be either."""
    square = Polygon([[0, 0], [100, 0], [100, 100], [0, 100]])
    point = np.array([[x, y]])
    far = min(abs(x), abs(x - 100), abs(y), abs(y - 100))
    if far > 1e-6:
        assert bool(square.contains(point)[0]) is (0 < x < 100 and 0 < y < 100)


def test_a_polygon_may_be_of_any_shape() -> None:
    """With a bay, turned the other way, with corners that lie on each other."""
    bay = [[0, 0], [100, 0], [100, 100], [50, 20], [0, 100], [0, 100]]
    points = np.array([[50.0, 10.0], [50.0, 60.0], [10.0, 50.0], [90.0, 50.0]])
    for corners in (bay, bay[::-1]):
        assert Polygon(corners).contains(points).tolist() == [True, False, True, True]
    assert not Polygon([[5, 5]] * 3).contains(points).any()


@given(PLACES, PLACES, PLACES, PLACES)
def test_a_way_crosses_a_line_between_its_ends(x: float, y: float, to_x: float, to_y: float) -> None:
    """The line goes to the right, so below is its right side."""
    line = Line([[0, 0], [100, 0]])
    first, last = line.offsets(np.array([[x, y], [to_x, to_y]]))
    assert (first, last) == (pytest.approx(y), pytest.approx(to_y))
    if y * to_y < 0 and abs(y - to_y) > 1e-3:
        crossing = x + (to_x - x) * y / (y - to_y)
        if min(abs(crossing), abs(crossing - 100)) > 1e-3:
            assert line.is_crossed((x, y), (to_x, to_y)) is (0 < crossing < 100)


if PEOPLE.exists():

    def test_somebody_of_real_footage_is_counted() -> None:
        """Who comes to the table and leaves to the right."""
        frames = list(footage(60, 200, 2))
        for plugin, name in ((People, "people"), (Tracker, "tracker")):
            found = run_plugin(plugin, frames).results
            frames = [attrs.evolve(f, results={**f.results, name: r}) for f, r in zip(frames, found, strict=True)]
        table = {"name": "table", "polygon": [[340, 330], [560, 330], [560, 440], [340, 440]]}
        run = run_plugin(
            Zones, frames, {"zones": [table], "lines": [{"name": "exit", "line": [[580, 150], [580, 432]]}]}
        )
        assert [kind for kind, _, _ in told(run)] == ["entered", "crossed", "left"]
        assert (run.final or {})["lines"]["exit"] == {"in": {}, "out": {"person": 1}}
        assert 8_000 < run.events[2]["data"]["dwell_ms"] < 12_000
