"""Chooses how what a model gives is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.checks import checked
from kinora.plugins.builtin.yolo.classifying import ClassReader, classifier_of
from kinora.plugins.builtin.yolo.decoding import rows_of
from kinora.plugins.builtin.yolo.heads import head_of
from kinora.plugins.builtin.yolo.masks import Size
from kinora.plugins.builtin.yolo.metadata import Facts
from kinora.plugins.builtin.yolo.objects import ObjectReader
from kinora.plugins.builtin.yolo.pictures import Input, Letterbox


class Reader(Protocol):
    """Makes results of a model's outputs."""

    @property
    def outputs(self) -> Sequence[str]:
        """The names of the outputs that are read, the main one first."""

    @property
    def remarks(self) -> Sequence[str]:
        """What a user must know: what was guessed, and what is left out."""

    def prepared(self, given: Input) -> Input:
        """The input with pictures as the model was trained with."""

    def is_of(self, output: NDArray[Any], number: int) -> bool:
        """Whether the main output can be that of so many pictures."""

    def read(self, outputs: Sequence[NDArray[Any]], picture: int, fitted: Letterbox, size: Size) -> Mapping[str, Any]:
        """The result of one picture of the batch; ``size`` is that of the picture."""


def reader_of(
    outputs: Mapping[str, NDArray[Any]],
    facts: Facts,
    size: Size,
    options: Mapping[str, Any],
    label: Callable[[int], str],
) -> Reader:
    """How to read a model that gives these numbers for a grey picture; ``size`` is that of its input.

    ``options`` are the plugin's, ``label`` names a class by its number.

    Raises:
        ValueError: it gives nothing that is known here.
    """
    shapes = {name: output.shape for name, output in outputs.items()}
    layout = None if options["layout"] == "auto" else options["layout"]
    classifier = classifier_of(shapes, facts, layout)
    if classifier is not None:
        return ClassReader(classifier=classifier, confidence=options["confidence"], label=label)
    head = head_of(shapes, facts, size, layout)
    return ObjectReader(
        head=checked(rows_of(outputs[head.output], head), head, size),
        size=size,
        confidence=options["confidence"],
        iou=options["iou"],
        label=label,
    )
