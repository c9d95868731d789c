"""The states of the built-in plugins: a second instance that takes one up goes on exactly as the first would have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import attrs
import cv2
import numpy as np
import pytest

from kinora.plugins.api import Frame, Plugin
from kinora.plugins.builtin.background import REPLAYED_FRAMES
from kinora.plugins.builtin.motion import Motion
from kinora.plugins.builtin.scenes import Scenes
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.builtin.zones import Zones
from kinora.plugins.options import check_options

FRAMES = REPLAYED_FRAMES + 12
CUT = 20
"""The frame at which another scene begins, so that motion starts anew as well."""


@attrs.frozen
class Context:
    """What a plugin gets in ``prepare``."""

    options: Mapping[str, Any]
    device: str = "cpu"
    models_dir: Path = Path()

    def warn(self, message: str, severity: str = "low") -> None:
        """Say nothing."""

    def partial(self, result: Mapping[str, Any]) -> None:
        """Say nothing."""

    def event(self, kind: str, message: str = "", data: object = None) -> None:
        """Say nothing."""


ZONES = {
    "zones": [{"name": "middle", "polygon": [[60, 0], [100, 0], [100, 90], [60, 90]]}],
    "lines": [{"name": "gate", "line": [[80, 0], [80, 90]]}],
}


def pictures() -> Iterator[Frame]:
    """Two things that cross each other before a restless background, and a cut."""
    noise = np.random.default_rng(1)
    for index in range(FRAMES):
        image = np.full((90, 160, 3), 30 if index < CUT else 200, np.uint8)
        image += noise.integers(0, 6, image.shape, dtype=np.uint8)
        cv2.rectangle(image, (3 * index, 20), (3 * index + 24, 44), (40, 220, 90), -1)
        cv2.rectangle(image, (140 - 3 * index, 30), (160 - 3 * index, 70), (220, 30, 120), -1)
        boxes: list[dict[str, Any]] = [
            {"x": 3 * index, "y": 20, "width": 24, "height": 24, "confidence": 0.9, "class": "car"},
            {"x": 140 - 3 * index, "y": 30, "width": 20, "height": 40, "confidence": 0.45, "class": "truck"},
        ]
        seen = {"detections": [] if index % 7 == 3 else boxes}
        followed = {"detections": [{**box, "track_id": number} for number, box in enumerate(seen["detections"])]}
        yield Frame(image=image, index=index, timestamp_ms=index * 40.0, results={"people": seen, "followed": followed})


def prepared(plugin: type[Plugin], **options: object) -> Plugin:
    """A fresh instance."""
    instance = plugin()
    instance.prepare(Context(check_options(plugin.metadata, options)))
    return instance


def state_of(plugin: Plugin) -> bytes:
    """Its state, in one piece."""
    state = plugin.save_state()
    return state if isinstance(state, bytes) else b"".join(state)


def results(plugin: type[Plugin], *, moving: bool, **options: object) -> list[object]:
    """All results over the pictures, the last one too; with a new instance for each frame, or one for all."""
    instance = prepared(plugin, **options)
    found: list[object] = []
    for frame in pictures():
        if moving:
            state, instance = state_of(instance), prepared(plugin, **options)
            instance.load_state(state)
        found.append(instance.process_frame(frame))
    return [*found, instance.finalize()]


@pytest.mark.parametrize(
    ("plugin", "options"),
    [
        (Tracker, {}),
        (Scenes, {"max_scenes": 1, "min_scene_ms": 0, "threshold": 0.01}),
        (Scenes, {"min_scene_ms": 0, "threshold": 0.01}),
        (Motion, {}),
        (Motion, {"history": 1, "shadows": False}),
        (Motion, {"history": 12}),
        (Zones, ZONES),
    ],
)
def test_who_takes_up_a_state_at_each_frame_finds_the_same(plugin: type[Plugin], options: Mapping[str, Any]) -> None:
    """So it does if the very first state is that of a plugin that has seen nothing."""
    undisturbed = results(plugin, moving=False, **options)
    assert results(plugin, moving=True, **options) == undisturbed
    assert len(set(map(repr, undisturbed))) > 3


@pytest.mark.parametrize("plugin", [Motion, Scenes, Tracker, Zones])
def test_a_state_of_another_version_is_refused(plugin: type[Plugin]) -> None:
    """So is rubbish."""
    state = state_of(prepared(plugin))
    for wrong in (b"\xff" + state[1:], b"", state[:9]):
        with pytest.raises(ValueError, match="state"):
            prepared(plugin).load_state(wrong)


def test_motion_refuses_half_a_state() -> None:
    """Whichever part is missing."""
    motion = prepared(Motion)
    for frame in pictures():
        motion.process_frame(frame)
    state = state_of(motion)
    for length in (len(state) - 1, 5000, 200):
        with pytest.raises(ValueError, match="complete"):
            prepared(Motion).load_state(state[:length])


def test_motion_copies_its_model_seldom() -> None:
    """Two states in a row share all their parts but for the first and the newest, with one exception."""
    motion = prepared(Motion, size=64)
    states = []
    for frame in pictures():
        motion.process_frame(frame)
        states.append([id(part) for part in motion.save_state()[1:]])
        kept = motion.save_state()  # so that no part's place is taken by another
        assert all(isinstance(part, bytes) for part in kept)
    anew = [number for number, (before, after) in enumerate(pairwise(states)) if after[: len(before)] != before]
    assert len(anew) <= 2


def test_states_are_small() -> None:
    """A scene or a track costs some 100 bytes."""
    for plugin in (Scenes, Tracker, Zones):
        instance = prepared(plugin)
        for frame in pictures():
            instance.process_frame(frame)
        assert len(state_of(instance)) < 3000
