"""The ``scenes`` plugin."""

from __future__ import annotations

from kinora.plugins.api import Frame
from kinora.plugins.builtin.scenes import Scenes
from kinora.plugins.testing import run_plugin
from tests.clips import PEOPLE
from tests.plugins.drawn import footage, noisy, plain, walk, walker

RED, BLUE = plain((30, 30, 200)), plain((200, 60, 30))


def test_a_cut_is_published_and_listed() -> None:
    """Each cut comes as a partial result with its frame and time; the list of scenes comes at the end."""
    run = run_plugin(Scenes, [RED] * 20 + [BLUE] * 20 + [RED] * 5)
    assert run.partials == [
        {"cut": {"index": 20, "timestamp_ms": 800.0}},
        {"cut": {"index": 40, "timestamp_ms": 1600.0}},
    ]
    assert run.final == {
        "scenes": [
            {"start": 0, "start_ms": 0.0, "end": 19, "end_ms": 760.0},
            {"start": 20, "start_ms": 800.0, "end": 39, "end_ms": 1560.0},
            {"start": 40, "start_ms": 1600.0, "end": 44, "end_ms": 1760.0},
        ]
    }
    assert [result["cut"] for result in run.results if result].count(True) == 2


def test_frames_keep_their_own_numbers() -> None:
    """With a stride, a cut is told by the source's frame number and time."""
    frames = [
        Frame(image=RED if index < 30 else BLUE, index=index, timestamp_ms=index * 100.0) for index in range(0, 60, 3)
    ]
    assert run_plugin(Scenes, frames).partials == [{"cut": {"index": 30, "timestamp_ms": 3000.0}}]


def test_movement_and_noise_are_no_cuts() -> None:
    """Somebody who walks through a noisy picture starts no scene."""
    pictures = [noisy(image, 5, seed) for seed, image in enumerate(walk([walker(speed=900)], frames=30))]
    run = run_plugin(Scenes, pictures)
    assert run.partials == []
    assert len((run.final or {})["scenes"]) == 1


def test_cuts_in_quick_succession_count_once() -> None:
    """Within ``min_scene_ms`` of a cut no other counts."""
    assert len(run_plugin(Scenes, [RED] * 20 + [BLUE, RED] * 5).partials) == 1
    assert len(run_plugin(Scenes, [RED] * 20 + [BLUE, RED] * 5, {"min_scene_ms": 0}).partials) == 10


def test_without_frames_there_are_no_scenes() -> None:
    """A source that gave nothing has an empty list."""
    assert run_plugin(Scenes, []).final == {"scenes": []}


def test_the_list_is_bounded() -> None:
    """Beyond ``max_scenes`` the oldest go, and counting goes on."""
    run = run_plugin(Scenes, [RED, BLUE] * 10, {"min_scene_ms": 0, "max_scenes": 3})
    assert [scene["start"] for scene in (run.final or {})["scenes"]] == [17, 18, 19]
    assert (run.results[-1] or {})["metrics"]["scene"] == 20


if PEOPLE.exists():

    def test_one_shot_is_one_scene() -> None:
        """Real footage in which people come and go without a cut has none."""
        assert run_plugin(Scenes, footage(0, 700, 2)).partials == []
