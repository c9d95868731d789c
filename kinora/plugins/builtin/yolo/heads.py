"""How the numbers that a model gives are laid out, told by its metadata first and then by their shape."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Literal

import attrs

from kinora.plugins.builtin.yolo.metadata import Facts

Layout = Literal["yolov5", "yolov8", "end2end"]
Shape = tuple[int, ...]

HEAD_NUMBERS: Mapping[Layout, int] = {"yolov8": 4, "yolov5": 5, "end2end": 6}
"""The numbers of a box that every model of the layout gives; in a grid (the first two) the classes' scores follow.

- ``yolov8`` (and 9, 11, 12): centre and size. The usual shape is (1, 84, N).
- ``yolov5`` (and 6, 7): the same and objectness. The usual shape is (1, N, 85).
- ``end2end`` (10, 26, and ``nms=True``): two corners, confidence and class, overlaps removed. The usual shape is
  (1, N, 6), or that of YOLOv7, (N, 7): the picture's number, two corners, class and confidence.

Masks, keypoints or an angle may follow.
"""
READ = (
    "Kinora reads (1, 84, N) as of YOLOv8, 9, 11 and 12, (1, N, 85) as of YOLOv5, 6 and 7, and (1, N, 6) or (N, 7) as "
    "of models that remove overlaps, also with masks, keypoints or an angle behind; a classifier that does not say so "
    "needs the option layout classify"
)
YOLOV7_NUMBERS = 7
MASKS = 32
"""The usual number of a mask's coefficients."""
GRID_STEPS = tuple(product((4, 8), (32, 64, 128)))
"""The finest and the coarsest grid of a model, in pixels from one place to the next; each grid doubles the step."""
ANCHORS = (1, 3)
"""Boxes that a model gives for each place."""
TABLE, MAPS = 3, 4
"""Dimensions of a list of boxes and of maps of the picture, such as masks."""
TASKS = (None, "detect", "segment", "pose", "obb")
LEFT_OUT = {
    "segment": "the masks of this model lack their maps or are laid out in an unknown way: only its boxes are read",
    "pose": "this model does not say how its keypoints are laid out (kpt_shape): only its boxes are read",
}
"""Tasks of models with boxes and more → what a user must know if the rest cannot be read."""


@attrs.frozen(kw_only=True)
class Head:
    """The layout of a model's output."""

    output: str
    """The name of the output that has the boxes."""
    layout: Layout
    columns_first: bool = False
    """True if the numbers of a box are the first dimension, as in (1, 84, N)."""
    classes: int | None = None
    """The number of classes; None if ``end2end`` and the model does not name them."""
    further: int = 0
    """How many numbers follow those of the layout and of the classes, such as the coefficients of a mask."""
    maps: str | None = None
    """The name of the output with the maps that a mask is a sum of; the further numbers are its coefficients."""
    keypoints: tuple[int, int] | None = None
    """How many keypoints the further numbers are, and how many numbers each has (2, or 3 with visibility)."""
    turned: bool = False
    """True if the last number of a box is its angle; its box is then centre and size in every layout."""
    of_one: bool = False
    """True if the boxes are in shares of the picture's sides instead of pixels."""
    centred: bool = False
    """True if the boxes of ``end2end`` are centre and size after all, as those of RT-DETR."""
    remarks: tuple[str, ...] = ()
    """What a user must know: what was guessed, and what is left out."""

    @property
    def numbers(self) -> int:
        """How many numbers a box and its classes have."""
        return HEAD_NUMBERS[self.layout] + (0 if self.layout == "end2end" else self.classes or 0)

    @property
    def corners(self) -> bool:
        """True if a box is two corners instead of centre and size."""
        return self.layout == "end2end" and not self.turned and not self.centred


@attrs.frozen(kw_only=True)
class _Table:
    """An output that may be a list of boxes, seen as rows of ``columns`` numbers."""

    output: str
    rows: int
    columns: int
    first: bool
    """True if the columns are the first dimension."""


@attrs.frozen(kw_only=True)
class _Clues:
    """What tells the layout."""

    outputs: Mapping[str, Shape]
    facts: Facts
    layouts: Sequence[Layout]
    """Those in question, the likeliest first."""
    grids: Sequence[int]
    """The numbers of boxes with which a model is none that removes overlaps."""
    further: Sequence[int]
    """How many numbers of a box may follow those of its layout and its classes, the likeliest first."""

    def tables(self, layout: Layout, *, usual: bool) -> Iterator[_Table]:
        """The outputs that may have this layout, in its usual order of dimensions or in the other one."""
        first = usual is (layout == "yolov8")
        for name, shape in self.outputs.items():
            if len(shape) == TABLE:
                rows, columns = (shape[2], shape[1]) if first else (shape[1], shape[2])
                if layout != "end2end" or rows not in self.grids:
                    yield _Table(output=name, rows=rows, columns=columns, first=first)


def head_of(outputs: Mapping[str, Shape], facts: Facts, size: tuple[int, int], layout: Layout | None = None) -> Head:
    """The layout of a model with outputs of these shapes, for an input of this height and width.

    ``layout`` is the user's word, which counts more than the metadata and the shape.

    Raises:
        ValueError: the model does not detect, or the shapes are of no layout that is known here.
    """
    if facts.task not in TASKS:
        raise ValueError(
            f"this model is made for the task {facts.task!r}: onnx takes models that give boxes or classes"
        )
    maps = _maps(outputs)
    masks = outputs[maps][1] if maps else 0
    clues = _Clues(
        outputs=outputs,
        facts=facts,
        layouts=[layout] if layout else _layouts(facts),
        grids=() if layout or facts.end2end else _grid_rows(size),
        further=_further_numbers(facts, masks),
    )
    found = _yolov7(clues) or _exact(clues) or _by_shape(clues)
    if found is None:
        raise ValueError(_unknown(outputs))
    task = facts.task or ("segment" if masks else None)
    found = attrs.evolve(
        found,
        turned=task == "obb",
        maps=maps if task == "segment" and found.further == masks else None,
        keypoints=facts.keypoint_shape if task == "pose" and found.further == facts.keypoints else None,
        remarks=() if layout else found.remarks,
    )
    if task in LEFT_OUT and not (found.maps or found.keypoints):
        return attrs.evolve(found, remarks=(LEFT_OUT[task], *found.remarks))
    return found


def _unknown(outputs: Mapping[str, Shape]) -> str:
    given = ", ".join(map(str, outputs.values()))
    named = "output of this model is" if len(outputs) == 1 else "outputs of this model are"
    return f"the {named} {given}; {READ}"


def _layouts(facts: Facts) -> list[Layout]:
    return ["end2end", "yolov8", "yolov5"] if facts.end2end else ["yolov8", "end2end", "yolov5"]


def _grid_rows(size: tuple[int, int]) -> Sequence[int]:
    """The numbers of boxes that a model with grids gives; one that removes overlaps gives another, such as 300."""
    rows = []
    for (finest, coarsest), anchors in product(GRID_STEPS, ANCHORS):
        steps = [finest << power for power in range((coarsest // finest).bit_length())]
        rows.append(anchors * sum(-(-size[0] // step) * -(-size[1] // step) for step in steps))
    return rows


def _maps(outputs: Mapping[str, Shape]) -> str | None:
    """The output with the maps of masks: as many maps as a mask has coefficients."""
    return next((name for name, shape in outputs.items() if len(shape) == MAPS), None)


def _further_numbers(facts: Facts, masks: int) -> list[int]:
    known = {"detect": [0], "segment": [masks or MASKS], "obb": [1], "pose": [facts.keypoints or 0]}
    return known.get(facts.task or "", [masks, 0] if masks else [0])


def _yolov7(clues: _Clues) -> Head | None:
    """The head of a YOLOv7 that removes overlaps: a single list for all pictures."""
    for name, shape in clues.outputs.items():
        if shape[1:] == (YOLOV7_NUMBERS,):
            return Head(output=name, layout="end2end", classes=clues.facts.classes)
    return None


def _exact(clues: _Clues) -> Head | None:
    """The head whose numbers are just those that the metadata lead to expect."""
    classes = clues.facts.classes
    for usual, layout, more in product((True, False), clues.layouts, clues.further):
        if classes is None and (layout != "end2end" or not usual):
            continue
        wanted = HEAD_NUMBERS[layout] + more + (0 if layout == "end2end" else classes or 0)
        for table in clues.tables(layout, usual=usual):
            if table.columns == wanted:
                return Head(
                    output=table.output, layout=layout, columns_first=table.first, classes=classes, further=more
                )
    return None


def _by_shape(clues: _Clues) -> Head | None:
    """The head that is likeliest by its shape alone: there are more boxes than numbers of a box."""
    known = clues.facts.end2end or clues.facts.classes is not None
    for layout in clues.layouts:
        least = HEAD_NUMBERS[layout] + clues.further[0] + (layout != "end2end")
        for table in clues.tables(layout, usual=True):
            if least <= table.columns <= table.rows and (known or layout != "end2end"):
                return _guess(clues, layout, table)
    return None


def _guess(clues: _Clues, layout: Layout, table: _Table) -> Head:
    classes, shape = clues.facts.classes, clues.outputs[table.output]
    further = clues.further[0]
    room = table.columns - HEAD_NUMBERS[layout] - further
    if layout == "end2end":
        remark = f"its output {shape} is read as end2end, and what follows the first 6 numbers of a box is left out"
        further = 0
    elif classes is None or classes > room:
        named = "does not name its classes" if classes is None else f"names {classes} classes"
        remark, classes = f"it {named}: its output {shape} is read as {layout} with {room} classes", room
    else:
        remark = f"its output {shape} is read as {layout} with {classes} classes, and what follows them is left out"
        further = 0
    return Head(
        output=table.output,
        layout=layout,
        columns_first=table.first,
        classes=classes,
        further=further,
        remarks=(f"the layout of this model is a guess; {remark}. If that is wrong, set the option layout",),
    )
