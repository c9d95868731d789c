"""Draws all that plugins say of a frame into its picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import numpy as np

from kinora.media.drawing.colors import PLAIN, color_of
from kinora.media.drawing.labels import draw_classes, draw_label, draw_shape_label, label
from kinora.media.drawing.shapes import all_classes, all_shapes, all_spots
from kinora.media.drawing.strokes import Picture, dot, fill, stroke
from kinora.media.drawing.things import corners_of, draw_outline, draw_pose
from kinora.media.messages import Skeleton, Skeletons
from kinora.plugins.forms.detections import Detection, as_boxes, clip_boxes, read_detections

ZONE_SHARE = 0.1
"""How much of the colour is mixed into the pixels within a result's polygon."""


@attrs.frozen
class Seen:
    """A detection, and the plugin that has found it."""

    plugin: str
    found: Detection


@attrs.frozen
class _Placed:
    """A detection that is in the picture, with the part of its box that is."""

    plugin: str
    found: Detection
    box: list[int]


def draw(image: Picture, results: Mapping[str, Any], skeletons: Skeletons | None = None) -> None:
    """Draw each plugin's results into ``image``, which is BGR and writable, as the web UI does.

    ``results`` is plugin name → result. A track or a class has the same colour in all frames, and in the UI. Where a
    class has tracked detections, its untracked ones are left out: they show the same things.
    """
    height, width = image.shape[:2]
    unit = max(1, round(max(height, width) / 640))
    placed = [
        _Placed(seen.plugin, seen.found, box)
        for seen in visible(results)
        if (box := _inside(seen.found, width, height))
    ]
    for one in placed:
        draw_outline(image, one.found, one.box, color_of(one.found), unit)
    _draw_shapes(image, results, unit)
    for one in placed:
        draw_pose(image, one.found, skeleton_for(one.plugin, results, skeletons or {}), color_of(one.found), unit)
    _draw_labels(image, placed, results, unit)


def visible(results: Mapping[str, Any]) -> list[Seen]:
    """The detections to draw, tracked ones last and so on top."""
    seen = [Seen(plugin, found) for plugin, result in results.items() for found in read_detections(result)]
    tracked = [one for one in seen if one.found.track_id is not None]
    classes = {one.found.kind for one in tracked}
    return [one for one in seen if one.found.track_id is None and one.found.kind not in classes] + tracked


def skeleton_for(plugin: str, results: Mapping[str, Any], skeletons: Skeletons) -> Skeleton:
    """The skeleton of a plugin, or of another one with results on the frame: a tracker passes poses on."""
    named = (skeletons[name] for name in (plugin, *results) if name in skeletons)
    return next(named, ())


def _inside(detection: Detection, width: int, height: int) -> list[int] | None:
    """The part of a box, or of the one round its corners, that is in the picture; None if there is none."""
    box = detection.box
    if corners := corners_of(detection):
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        box = (*low, *(high - low))
    clipped = clip_boxes(as_boxes([box]), width, height)[0]
    return np.rint(clipped).astype(int).tolist() if clipped[2] > 0 and clipped[3] > 0 else None


def _draw_shapes(image: Picture, results: Mapping[str, Any], unit: int) -> None:
    for shape in all_shapes(results):
        if shape.closed:
            fill(image, shape.points, PLAIN, ZONE_SHARE)
        stroke(image, shape.points, PLAIN, unit, closed=shape.closed)
    for spot in all_spots(results):
        dot(image, spot.place, PLAIN, unit)


def _draw_labels(image: Picture, placed: list[_Placed], results: Mapping[str, Any], unit: int) -> None:
    for shape in all_shapes(results):
        if shape.label:
            draw_shape_label(image, shape.label, shape.points, PLAIN, unit)
    for spot in all_spots(results):
        if spot.label:
            draw_shape_label(image, spot.label, [spot.place], PLAIN, unit)
    for one in placed:
        x, y, _width, _height = one.box
        draw_label(image, label(one.found), (x, y), color_of(one.found), unit)
    draw_classes(image, all_classes(results), unit)
