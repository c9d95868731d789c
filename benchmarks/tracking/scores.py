"""MOTA (Bernardin and Stiefelhagen, 2008) and IDF1 (Ristani et al., 2016) of trackers, worked out by py-motmetrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs
import motmetrics
import numpy as np

from benchmarks.tracking.scenes import Moment, Scene
from kinora.plugins.api import Frame
from kinora.plugins.builtin.tracker import Tracker
from kinora.plugins.forms.detections import as_boxes, iou
from kinora.plugins.testing import run_plugin

SAME_IOU = 0.5
"""A tracker's box counts as that of a thing from here on."""
SEEDS = range(5)
Tracked = list[tuple[int, tuple[float, ...]]]
"""Ids and boxes of a frame."""
Run = Callable[[Sequence[Moment]], Iterable[Tracked]]
"""A tracker over a scene."""


@attrs.frozen
class Score:
    """How well a tracker did over all seeds of a scene."""

    mota: float
    idf1: float
    switches: int


def stepwise(make: Callable[[], Callable[[float, Sequence[dict[str, Any]]], Tracked]]) -> Run:
    """A tracker that is called once a frame."""

    def run(moments: Sequence[Moment]) -> Iterable[Tracked]:
        tracker = make()
        return [tracker(moment.ms, moment.detections) for moment in moments]

    return run


def kinora(moments: Sequence[Moment]) -> Iterable[Tracked]:
    """The ``tracker`` plugin with its default options."""
    image = np.zeros((720, 1280, 3), np.uint8)
    frames = [
        Frame(image=image, index=i, timestamp_ms=m.ms, results={"detector": {"detections": m.detections}})
        for i, m in enumerate(moments)
    ]
    for result in run_plugin(Tracker, frames).results:
        found = (result or {})["detections"]
        yield [(d["track_id"], (d["x"], d["y"], d["width"], d["height"])) for d in found]


def score(scene: Scene, run: Run, seeds: Iterable[int] = SEEDS) -> Score:
    """Play the scene with each seed and count over all of them."""
    counts = [_counted(scene, run, seed) for seed in seeds]
    metrics = motmetrics.metrics.create()
    told = metrics.compute_many(
        counts,
        names=[str(n) for n in range(len(counts))],
        metrics=["mota", "idf1", "num_switches"],
        generate_overall=True,
    ).loc["OVERALL"]
    return Score(float(told["mota"]), float(told["idf1"]), int(told["num_switches"]))


def _counted(scene: Scene, run: Run, seed: int) -> Any:
    counted = motmetrics.MOTAccumulator(auto_id=True)
    moments = list(scene.play(seed))
    for moment, tracked in zip(moments, run(moments), strict=True):
        alike = iou(moment.boxes, as_boxes([box for _, box in tracked]))
        counted.update(moment.ids, [number for number, _ in tracked], np.where(alike >= SAME_IOU, 1 - alike, np.nan))
    return counted
