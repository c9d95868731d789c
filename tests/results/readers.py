"""Prints what libraries of others read of exports, as JSON. They lie in a folder of their own, see the Makefile.

Each argument is ``LIBRARY FORMAT FOLDER``; what is read is told by the number in the name of each frame: a detection's
class, the kind of its shape, its places, and its track if the library reads that. A mask is the hexadecimal digits of
its bits.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv
from datumaro import Annotation, AnnotationType, Bbox, Dataset, Mask, Points

Shown = tuple[str, Any]
"""The kind of a shape, and its places."""


def by_datumaro(form: str, folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """The annotations; a thing that is not seen any more is ``outside``."""
    read = Dataset.import_from(str(folder), form)
    labels = read.categories()[AnnotationType.label]
    for item in read:
        found = [(labels[each.label].name, *_shape(each), each.attributes.get("track_id")) for each in item.annotations]
        yield str(item.id), found


def _shape(each: Annotation) -> Shown:
    if each.attributes.get("outside"):
        return "outside", None
    if isinstance(each, Mask):
        return "mask", _bits(each.image)
    if isinstance(each, Points):
        return "points", [*each.points, *map(int, each.visibility)]
    return each.type.name, _rounded(each.get_bbox() if isinstance(each, Bbox) else each.points)


def by_supervision(form: str, folder: Path) -> Iterator[tuple[str, list[Any]]]:
    """Masks and the corners of turned boxes where there are such, else boxes."""
    if form == "coco":
        (labels,) = (folder / "annotations").iterdir()
        read = sv.DetectionDataset.from_coco(str(folder / "images"), str(labels), force_masks=True)
    else:
        parts = [str(folder / part) for part in ("images/train", "labels/train", "data.yaml")]
        read = sv.DetectionDataset.from_yolo(*parts, is_obb=form == "yolo-obb")
    for path, found in read.annotations.items():
        yield Path(path).stem, [(read.classes[each[3]], *_best(each), None) for each in found]


def _best(each: Any) -> Shown:
    (left, top, right, bottom), mask, *_others, data = each
    if "xyxyxyxy" in data:
        return "corners", _rounded(data["xyxyxyxy"].ravel())
    if mask is not None and mask.any():
        return "mask", _bits(mask)
    return "bbox", _rounded([left, top, right - left, bottom - top])


def _bits(pixels: Any) -> str:
    return np.packbits(pixels).tobytes().hex()


def _rounded(places: Any) -> list[float]:
    return [round(float(place), 2) for place in places]


def main(wanted: list[str]) -> None:
    """Read all of it."""
    told = []
    for library, form, folder in (each.split(" ", 2) for each in wanted):
        read = (by_datumaro if library == "datumaro" else by_supervision)(form, Path(folder))
        told.append({int(re.sub(r"\D", "", name)): found for name, found in read})
    json.dump(told, sys.stdout)


main(sys.argv[1:])
