"""Models that tell what a whole picture shows: a score for each class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.builtin.yolo.heads import YOLOV7_NUMBERS, Shape
from kinora.plugins.builtin.yolo.masks import Size
from kinora.plugins.builtin.yolo.metadata import Facts
from kinora.plugins.builtin.yolo.pictures import Input, Letterbox

MAX_CLASSES = 5
"""The most classes of a picture; the surest are told."""
SUM_SLACK = 0.01
"""How far probabilities may be from 1 in all."""
UNTOLD_TRAINING = (
    "this model does not say how pictures must be prepared for it: it gets them with the mean and the spread of "
    "ImageNet's colours, as YOLOv5's, torchvision's and most other classifiers were trained; if it takes pictures of "
    "any size, set the option size to that of its training, such as 224"
)


@attrs.frozen(kw_only=True)
class Classifier:
    """A model's output with a score for each class."""

    output: str
    """The name of the output."""
    normalized: bool
    """True if its pictures are to have colours that are 0 on average."""
    remarks: tuple[str, ...] = ()
    """What a user must know."""


def classifier_of(outputs: Mapping[str, Shape], facts: Facts, layout: str | None) -> Classifier | None:
    """The classifier with outputs of these shapes; None if it is another kind of model.

    It is told by its task, by the user's word (``layout``), or by an output with as many numbers as classes are named.

    Raises:
        ValueError: it should be one, and gives something else.
    """
    if layout not in (None, "classify"):
        return None
    found = next((name for name, shape in outputs.items() if _has_scores(shape)), None)
    if layout == "classify" or facts.task == "classify":
        if found is None:
            given = ", ".join(map(str, outputs.values()))
            raise ValueError(f"this model should classify pictures, but gives {given}, not (1, number of classes)")
    elif facts.task is not None or found is None or not _named_only(outputs[found], facts):
        return None
    told = facts.task == "classify"  # as Ultralytics' exports say, whose pictures are not normalized
    return Classifier(output=found, normalized=not told, remarks=() if told else (UNTOLD_TRAINING,))


@attrs.frozen(kw_only=True, eq=False)
class ClassReader:
    """Makes a result of what a classifier gives."""

    classifier: Classifier
    confidence: float
    """What a class must have at least."""
    label: Callable[[int], str]
    """The name of a class by its number."""

    @property
    def outputs(self) -> Sequence[str]:
        """The name of the output that is read."""
        return [self.classifier.output]

    @property
    def remarks(self) -> Sequence[str]:
        """What a user must know."""
        return self.classifier.remarks

    def prepared(self, given: Input) -> Input:
        """The input with the middle of each picture, in the colours that the model was trained with."""
        return attrs.evolve(given, middle=True, normalized=self.classifier.normalized)

    def is_of(self, output: NDArray[Any], number: int) -> bool:
        """Whether the scores are those of so many pictures."""
        return len(output) == number

    def read(self, outputs: Sequence[NDArray[Any]], picture: int, fitted: Letterbox, size: Size) -> Mapping[str, Any]:  # noqa: ARG002 - boxes need them
        """The classes of one picture of the batch, the surest first."""
        found = surest(outputs[0][picture], self.confidence)
        return {"classes": [{"class": self.label(number), "confidence": round(sure, 3)} for number, sure in found]}


def _has_scores(shape: Shape) -> bool:
    return len(shape) >= 2 and all(side == 1 for side in shape[2:])  # noqa: PLR2004 - pictures and classes


def _named_only(shape: Shape, facts: Facts) -> bool:
    return shape[1] == facts.classes and shape[1] != YOLOV7_NUMBERS


def surest(scores: NDArray[Any], confidence: float) -> Sequence[tuple[int, float]]:
    """Numbers and probabilities of the classes that are at least that sure, the surest first."""
    found = probabilities(np.asarray(scores, np.float64).reshape(-1))
    order = np.argsort(-found, kind="stable")[:MAX_CLASSES]
    return [(int(number), float(found[number])) for number in order if found[number] >= confidence]


def probabilities(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """The scores if they are probabilities already, else their softmax; a score that is not a number becomes 0."""
    given = np.nan_to_num(scores, nan=-np.inf, posinf=np.inf, neginf=-np.inf)
    finite = given[np.isfinite(given)]
    if len(finite) and finite.min() >= 0 and abs(finite.sum() - 1) <= SUM_SLACK:
        return np.where(np.isfinite(given), np.minimum(given, 1.0), 0.0)
    powers = np.where(np.isfinite(given), np.exp(given - (finite.max() if len(finite) else 0)), 0.0)
    total: float = powers.sum()
    return powers / total if total else powers
