"""The ``tracker`` plugin."""

from __future__ import annotations

from typing import Any

import attrs
from hypothesis import given
from hypothesis import strategies as st

from kinora.plugins.api import Frame
from kinora.plugins.builtin.people import People
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.testing import PluginRun, run_plugin
from tests.clips import PEOPLE
from tests.plugins.drawn import footage, plain

IMAGE = plain()


def found(x: float, kind: str = "person", y: float = 50.0, confidence: float = 0.9) -> dict[str, Any]:
    """A detection of 40x100 pixels."""
    return {"x": x, "y": y, "width": 40.0, "height": 100.0, "confidence": confidence, "class": kind}


def track(results: list[dict[str, Any]], options: dict[str, Any] | None = None, step_ms: float = 40.0) -> PluginRun:
    """Run it over frames that have these results of the plugins before it."""
    frames = [Frame(image=IMAGE, index=i, timestamp_ms=i * step_ms, results=r) for i, r in enumerate(results)]
    return run_plugin(Tracker, frames, options)


def people(*detections: dict[str, Any]) -> dict[str, Any]:
    """A result of the ``people`` plugin."""
    return {"people": {"detections": list(detections)}}


def ids(run: PluginRun) -> list[list[int]]:
    """The track ids of each frame."""
    return [[d["track_id"] for d in result["detections"]] for result in run.results if result]


def test_who_walks_keeps_the_id() -> None:
    """A person in view has one id from the second sighting on, and the box as it was found."""
    run = track([people(found(10 * i)) for i in range(20)])
    assert ids(run) == [[]] + [[1]] * 19
    assert (run.results[5] or {})["detections"] == [{**found(50), "track_id": 1}]
    assert run.final == {"tracks": {"person": 1}}


def test_who_is_hidden_for_a_while_is_found_again_where_the_walk_leads() -> None:
    """A gap shorter than ``max_age_ms`` does not end a track; a longer one does."""
    walk = [people(found(10 * i)) for i in range(30)]
    hidden = walk[:10] + [people()] * 5 + walk[15:]
    assert ids(track(hidden))[-1] == [1]
    assert ids(track(hidden, {"max_age_ms": 100}))[-1] == [2]


def test_people_who_cross_keep_their_ids() -> None:
    """Two who walk past each other are told apart by where they were going."""
    run = track([people(found(10 * i), found(300 - 10 * i, y=60)) for i in range(30)])
    first, last = run.results[1], run.results[-1]
    assert first is not None
    assert last is not None
    left = next(d["track_id"] for d in first["detections"] if d["x"] < 150)
    right = next(d["track_id"] for d in last["detections"] if d["x"] > 150)
    assert left == right
    assert run.final == {"tracks": {"person": 2}}


def test_motion_does_not_make_a_second_track_of_a_person() -> None:
    """As soon as a plugin says what things are, boxes of mere motion are not followed."""
    both = [{**people(found(10 * i)), "motion": {"detections": [found(10 * i + 3, "motion")]}} for i in range(10)]
    assert track(both).final == {"tracks": {"person": 1}}


def test_motion_alone_is_followed() -> None:
    """With only ``motion`` before it, it follows that."""
    alone = [{"motion": {"detections": [found(10 * i, "motion")]}} for i in range(10)]
    assert track(alone).final == {"tracks": {"motion": 1}}


def test_a_frame_on_which_a_plugin_failed_is_no_reason_to_follow_motion() -> None:
    """Motion stays out once a better source was there, though its result is missing on some frames."""
    frames = [{**people(found(5 * i)), "motion": {"detections": [found(200, "motion")]}} for i in range(20)]
    for index in range(5, 9):
        del frames[index]["people"]
    assert track(frames).final == {"tracks": {"person": 1}}


def test_frames_that_no_plugin_has_looked_at_are_not_held_against_a_thing() -> None:
    """A thing that is found on every fifth frame, as with ``every: 5``, gets its id at the second sighting."""
    frames = [people(found(10 * i)) if i % 5 == 0 else {} for i in range(30)]
    for options in ({}, {"sources": ["people"]}):
        run = track(frames, options)
        assert ids(run)[5:] == [[1] if i % 5 == 0 else [] for i in range(5, 30)]
        assert run.final == {"tracks": {"person": 1}}


def test_sources_and_classes_are_chosen_by_options() -> None:
    """``sources`` names the plugins, ``classes`` the kinds of thing."""
    frames = [
        {
            **people(found(10), found(200, "dog")),
            "motion": {"detections": [found(100, "motion")]},
        }
    ] * 3
    assert track(frames, {"sources": ["motion"]}).final == {"tracks": {"motion": 1}}
    assert track(frames, {"classes": ["dog"]}).final == {"tracks": {"dog": 1}}


def test_two_plugins_that_see_the_same_thing_make_one_track() -> None:
    """Overlapping boxes of one class are one thing; of different classes they are two."""
    same = [{"people": {"detections": [found(50)]}, "other": {"detections": [found(53)]}}] * 3
    assert track(same).final == {"tracks": {"person": 1}}
    different = [{"people": {"detections": [found(50)]}, "other": {"detections": [found(53, "face")]}}] * 3
    assert track(different).final == {"tracks": {"person": 1, "face": 1}}


def test_a_thing_whose_class_flickers_is_one_track() -> None:
    """A car that is called truck now and then keeps its id, and is told and counted as what it is called mostly."""
    kinds = ["truck" if index % 5 == 2 else "car" for index in range(40)]
    run = track([people(found(4 * index, kind)) for index, kind in enumerate(kinds)])
    assert ids(run) == [[]] + [[1]] * 39
    told = [d["class"] for result in run.results for d in (result or {})["detections"]]
    assert told == ["car"] * 39
    assert run.final == {"tracks": {"car": 1}}


def test_what_a_track_is_called_in_the_end_is_what_counts() -> None:
    """A thing whose class is mistaken at first is counted as what it turned out to be; ties go to the newest."""
    run = track([people(found(50, kind)) for kind in ("dog", "dog", "cat", "cat", "cat")])
    told = [d["class"] for result in run.results for d in (result or {})["detections"]]
    assert told == ["dog", "dog", "cat", "cat"]
    assert run.final == {"tracks": {"cat": 1}}


def test_a_person_on_a_bicycle_is_two_tracks() -> None:
    """Boxes of two classes that overlap and move as one keep their ids, though now one and now the other is missed."""
    frames = []
    for index in range(60):
        person = {**found(6 * index + 20), "class": "person"}
        bicycle = {**found(6 * index, "bicycle", y=95), "width": 80.0, "height": 70.0}
        missed = {7: person, 20: bicycle, 21: bicycle, 33: person, 34: person, 35: person}.get(index)
        frames.append(people(*(thing for thing in (person, bicycle) if thing is not missed)))
    run = track(frames)
    kinds = {(d["track_id"], d["class"]) for result in run.results for d in (result or {})["detections"]}
    assert len(kinds) == 2
    assert run.final == {"tracks": {"person": 1, "bicycle": 1}}


def test_an_unsure_thing_gets_its_id_later() -> None:
    """Few sightings that are hardly more than noise are a false alarm; a thing that stays gets its id in the end."""
    assert ids(track([people(found(50, confidence=0.3))] * 6)) == [[], [], [], [1], [1], [1]]
    assert ids(track([people(found(50, confidence=0.0))] * 9))[-1] == [1]
    alarms = [people(found(50, confidence=0.3)) if index % 3 == 0 else people() for index in range(30)]
    assert track(alarms).final == {"tracks": {}}


def test_an_unsure_box_far_off_is_not_a_sighting() -> None:
    """Somebody hidden is not taken for noise at the other side; a half-hidden one near by keeps the id."""
    hidden = [people(found(50))] * 10 + [people(found(95, confidence=0.3))] * 2 + [people(found(50))]
    assert ids(track(hidden))[9:] == [[1], [], [], [1]]
    unsure = [people(found(50))] * 10 + [people(found(58, confidence=0.3))] * 2
    assert ids(track(unsure))[9:] == [[1], [1], [1]]


def test_a_new_picture_size_ends_all_tracks() -> None:
    """The same place in a picture of another size is another place; that ids are new is said once."""
    sizes = [IMAGE] * 3 + [plain(width=640, height=480)] * 3 + [IMAGE] * 3
    frames = [Frame(image=i, index=n, timestamp_ms=n * 40.0, results=people(found(10))) for n, i in enumerate(sizes)]
    run = run_plugin(Tracker, frames)
    assert ids(run) == [[], [1], [1], [], [2], [2], [], [3], [3]]
    (warning,) = run.warnings
    assert "change their size" in warning


def test_a_single_sighting_gets_no_id() -> None:
    """A false alarm of one frame uses up no id."""
    flicker = [people(found(10), found(250))] + [people(found(10))] * 3
    assert ids(track(flicker))[-1] == [1]
    assert ids(track(flicker, {"min_hits": 1}))[0] == [1, 2]


def test_a_cut_ends_all_tracks() -> None:
    """A person in the same place in the next scene is somebody else."""
    frames = [people(found(10)) for _ in range(10)]
    frames[5]["scenes"] = {"cut": True}
    assert track(frames).final == {"tracks": {"person": 2}}


def test_speed_counts_by_the_clock_not_by_frames() -> None:
    """Frames left out of a live stream make a longer step, which is predicted from the timestamps."""
    times = [0, 40, 80, 120, 160, 400, 440]
    frames = [Frame(image=IMAGE, index=i, timestamp_ms=t, results=people(found(t / 2))) for i, t in enumerate(times)]
    assert run_plugin(Tracker, frames).final == {"tracks": {"person": 1}}


def test_a_flood_of_detections_is_cut_short() -> None:
    """Thousands of boxes in a frame do not pile up: the surest are followed."""
    flood = people(*(found(30.0 * i, y=9.0 * (i % 50), confidence=1 - i / 3000) for i in range(3000)))
    named = ids(track([flood] * 3))
    assert [len(frame) for frame in named] == [0, 500, 500]
    assert named[1] == named[2]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["x", "y", "width", "height", "class", "detections", "cut"]), inner)
    ),
    max_leaves=20,
)
ENTRY = st.fixed_dictionaries({k: st.floats() | st.integers() for k in ("x", "y", "width", "height")})


@given(st.lists(st.dictionaries(st.sampled_from(["a", "motion", "scenes"]), JSON), max_size=5))
def test_rubbish_from_other_plugins_is_passed_over(results: list[dict[str, Any]]) -> None:
    """It goes on after any JSON in place of detections."""
    assert len(track(results).results) == len(results)


@given(st.lists(st.lists(ENTRY, max_size=4), max_size=5))
def test_every_frame_names_each_track_once(frames: list[list[dict[str, Any]]]) -> None:
    """No two detections of a frame have the same id, for all boxes."""
    for named in ids(track([people(*entries) for entries in frames], {"min_hits": 1})):
        assert len(named) == len(set(named))


if PEOPLE.exists():

    def test_one_person_of_real_footage_is_one_track() -> None:
        """Somebody who comes, stands still for a while and walks off has one id from end to end."""
        frames = list(footage(235, 450))
        detections = run_plugin(People, frames).results
        seen = [attrs.evolve(f, results={"people": d}) for f, d in zip(frames, detections, strict=True)]
        run = run_plugin(Tracker, seen)
        assert run.final == {"tracks": {"person": 1}}
        assert sum(len(found) for found in ids(run)) > 180
