"""Scenes for trackers: what truly moves, and what a detector that misses, errs and shakes would say of it.

A scene is a list of moments. All chance comes from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.forms.detections import Boxes, as_boxes, intersections

WIDTH, HEIGHT = 1280, 720
HIDDEN = 0.7
"""A thing covered by nearer ones by more than this share is not there, neither in truth nor for the detector."""
LEAST_CONFIDENCE = 0.25
"""Detectors leave out less, as the ``onnx`` plugin does."""
Path = Callable[[float], tuple[float, float]]
"""Seconds → x and y of a box's top left corner."""


@attrs.frozen(kw_only=True)
class Thing:
    """Something that moves through the scene."""

    path: Path
    size: tuple[float, float]
    kind: str = "person"
    seconds: tuple[float, float] = (0.0, 1e9)
    """When it is there."""
    mistaken_for: str | None = None
    """The class that the detector takes it for now and then."""


@attrs.frozen(kw_only=True)
class Detector:
    """How a detector errs."""

    jitter: float = 0.02
    """Standard deviation of each edge, as a share of the box's size."""
    missed: float = 0.02
    false: float = 0.0
    """Mean number of boxes a frame where there is nothing."""
    mistaken: float = 0.2
    """Share of the sightings with the wrong class, of things that have one."""


@attrs.frozen(kw_only=True, eq=False)
class Moment:
    """A frame of a scene."""

    ms: float
    ids: list[int]
    boxes: Boxes
    """Of the true things, in the order of ``ids``."""
    kinds: list[str]
    detections: list[dict[str, Any]]


@attrs.frozen(kw_only=True)
class Scene:
    """A scene, to be played with any seed."""

    name: str
    things: Callable[[np.random.Generator], list[Thing]]
    detector: Detector = Detector()
    fps: float = 25.0
    seconds: float = 12.0
    walls: Boxes = attrs.field(factory=lambda: as_boxes([]))
    """What hides the things behind it."""

    def play(self, seed: int) -> Iterator[Moment]:
        """Its frames."""
        random = np.random.default_rng(seed)
        things = self.things(random)
        for index in range(round(self.seconds * self.fps)):
            now = index / self.fps
            there = [n for n, thing in enumerate(things) if thing.seconds[0] <= now < thing.seconds[1]]
            boxes = as_boxes([(*things[n].path(now), *things[n].size) for n in there])
            shown = _shown(boxes, self.walls)
            seen = [i for i, share in enumerate(shown) if share > 1 - HIDDEN]
            kinds = [things[there[i]].kind for i in seen]
            yield Moment(
                ms=now * 1000,
                ids=[there[i] + 1 for i in seen],
                boxes=boxes[seen],
                kinds=kinds,
                detections=[
                    *_detected(self.detector, random, [things[there[i]] for i in seen], boxes[seen], shown[seen]),
                    *_false(self.detector, random),
                ],
            )


def _shown(boxes: Boxes, walls: Boxes) -> NDArray[np.float64]:
    """The share of each box that is in the picture and not covered by one that stands lower, or by a wall."""
    inside = intersections(boxes, as_boxes([(0, 0, WIDTH, HEIGHT)])).sum(axis=1)
    area = np.maximum(boxes[:, 2] * boxes[:, 3], 1e-9)
    feet = boxes[:, 1] + boxes[:, 3]
    nearer = feet[None, :] > feet[:, None]
    same_size = boxes[None, :, 2] * boxes[None, :, 3] < 3 * boxes[:, None, 2] * boxes[:, None, 3]
    covered = np.where(nearer & same_size, intersections(boxes, boxes), 0).max(axis=1, initial=0)
    by_walls = intersections(boxes, walls).sum(axis=1) if len(walls) else 0
    shown: NDArray[np.float64] = np.clip((inside - covered - by_walls) / area, 0, 1)
    return shown


def _detected(
    detector: Detector, random: np.random.Generator, things: list[Thing], boxes: Boxes, shown: NDArray[np.float64]
) -> Iterator[dict[str, Any]]:
    for thing, (x, y, width, height), share in zip(things, boxes.tolist(), shown.tolist(), strict=True):
        confidence = random.uniform(0.6, 0.95) * min(1.0, 0.25 + 0.9 * share)
        errors = random.normal(0, detector.jitter, 4) * (width, height, width, height)
        mistaken = thing.mistaken_for is not None and random.random() < detector.mistaken
        if random.random() < detector.missed or confidence < LEAST_CONFIDENCE:
            continue
        yield {
            "x": x + errors[0],
            "y": y + errors[1],
            "width": max(4.0, width + errors[2]),
            "height": max(4.0, height + errors[3]),
            "confidence": confidence,
            "class": thing.mistaken_for if mistaken else thing.kind,
        }


def _false(detector: Detector, random: np.random.Generator) -> Iterator[dict[str, Any]]:
    for _ in range(random.poisson(detector.false)):
        width = random.uniform(30, 120)
        yield {
            "x": random.uniform(0, WIDTH - width),
            "y": random.uniform(0, HEIGHT - 2 * width),
            "width": width,
            "height": width * random.uniform(1, 2.5),
            "confidence": min(0.95, LEAST_CONFIDENCE + random.exponential(0.15)),
            "class": "person",
        }


def _straight(x: float, y: float, speed_x: float, speed_y: float = 0.0) -> Path:
    return lambda now: (x + speed_x * now, y + speed_y * now)


def _swaying(x: float, y: float, speed: float, reach: float, turn: float) -> Path:
    """A walk with a sway, as of somebody who looks round."""
    return lambda now: (x + speed * now + reach * np.sin(now * turn), y + reach / 3 * np.cos(now * turn * 0.7))


def _crossing(random: np.random.Generator) -> list[Thing]:
    things = []
    for _ in range(4):
        y, apart, speed = random.uniform(150, 400), random.uniform(15, 60), random.uniform(90, 160)
        size = (random.uniform(50, 70), random.uniform(140, 170))
        things.append(Thing(path=_straight(20, y, speed), size=size))
        things.append(Thing(path=_straight(WIDTH - 90, y + apart, -speed * random.uniform(0.8, 1.2)), size=size))
    return things


def _walkers(random: np.random.Generator, count: int = 6, speed: float = 120) -> list[Thing]:
    things = []
    for number in range(count):
        to_right = random.random() < 0.5
        pace = speed * random.uniform(0.6, 1.2) * (1 if to_right else -1)
        start = random.uniform(0, 300) if to_right else random.uniform(900, 1200)
        size = (random.uniform(50, 80), random.uniform(130, 190))
        y = 40 + number * 460 / count + random.uniform(0, 30)
        things.append(Thing(path=_swaying(start, y, pace, 12, random.uniform(1, 2)), size=size))
    return things


def _again(random: np.random.Generator) -> list[Thing]:
    """Each leaves the picture, and somebody comes in at the same place 4 s later."""
    things = []
    for number in range(5):
        y, size = 40 + number * 110, (60.0, 150.0)
        out = _straight(WIDTH - 400, y, 160)
        back = random.uniform(7, 8)
        things.append(Thing(path=out, size=size, seconds=(0, 3.4)))
        comes = _straight(WIDTH - 20 + 160 * back, y, -160)
        things.append(Thing(path=comes, size=size, seconds=(back, 99)))
    return things


def _cars(random: np.random.Generator) -> list[Thing]:
    things = []
    for number in range(6):
        y, speed = 60 + number * 100, random.uniform(60, 200)
        size = (random.uniform(110, 180), random.uniform(60, 80))
        things.append(
            Thing(path=_straight(random.uniform(0, 200), y, speed), size=size, kind="car", mistaken_for="truck")
        )
    return things


def _riders(random: np.random.Generator) -> list[Thing]:
    """A person on each bicycle: boxes of two classes that move as one and overlap by half."""
    things = []
    for number in range(4):
        x, y, speed = random.uniform(0, 200), 40 + number * 150, random.uniform(80, 200)
        things.append(Thing(path=_straight(x + 30, y, speed), size=(60, 140)))
        things.append(Thing(path=_straight(x, y + 70, speed), size=(120, 85), kind="bicycle"))
    return things


def _crowd(random: np.random.Generator) -> list[Thing]:
    things = []
    for _ in range(25):
        begins = random.uniform(0, 6)
        speed, size = (
            random.uniform(30, 110) * random.choice([-1, 1]),
            (random.uniform(45, 60), random.uniform(120, 150)),
        )
        x = random.uniform(0, 500) if speed > 0 else random.uniform(700, 1200)
        walk = _swaying(
            x - speed * begins, random.uniform(100, 500), speed, random.uniform(5, 25), random.uniform(0.5, 2)
        )
        things.append(Thing(path=walk, size=size, seconds=(begins if begins > 2 else 0, begins + 9)))
    return things


SCENES = (
    Scene(name="crossing", things=_crossing),
    Scene(name="occlusion", things=_walkers, walls=as_boxes([(420, 0, 130, HEIGHT), (800, 0, 90, HEIGHT)])),
    Scene(name="entering again", things=_again),
    Scene(name="low frame rate", things=_walkers, fps=4.0, seconds=30.0),
    Scene(name="class flicker", things=_cars),
    Scene(name="two classes", things=_riders, detector=Detector(missed=0.15)),
    Scene(name="jitter", things=_walkers, detector=Detector(jitter=0.1)),
    Scene(name="missed", things=_walkers, detector=Detector(missed=0.4)),
    Scene(name="false alarms", things=_walkers, detector=Detector(false=2.0)),
    Scene(name="crowd", things=_crowd, detector=Detector(jitter=0.04, missed=0.1, false=0.5)),
)
