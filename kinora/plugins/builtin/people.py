"""People standing or walking, by histograms of oriented gradients (Dalal and Triggs, 2005).

OpenCV's detector slides a window of 64x128 pixels over the picture at several scales. Three things make it find
people who fill most of the picture: the picture is searched at a small size, in grey, and with its edges extended,
so that the window can reach over them. A person sets off many neighbouring windows and a false alarm few, so windows
vote.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.scaling import scale_down
from kinora.plugins.builtin.schema import integer, number, options_schema
from kinora.plugins.forms.detections import Boxes, Detection, as_boxes, clip_boxes, iou, nesting
from kinora.plugins.opencv import require_opencv

require_opencv("HOGDescriptor")  # OpenCV 5 has it only in its contrib packages

WINDOW = (128, 64)  # rows and columns; OpenCV crashes on a picture smaller than that
WINDOW_STRIDE = 4  # pixels; at 8, half of the people are missed
SCALE_STEP = 1.1
EDGE = 16  # pixels by which the picture is extended; the detector was trained with this margin round people
WINDOW_MARGIN = (0.12, 0.07)  # shares of the window's width and height, on each side, that show no person
SAME_PERSON_IOU = 0.5
PART = 0.6  # a box that lies inside another by more than this share is only a trunk or legs
TOUCHING = 0.25  # one that lies inside another by more than this share counts as a person only
COMPANION = 0.7  # if its support is at least this share of the other's
MAX_WINDOWS = 1000  # the surest are kept: a low threshold gives tens of thousands, and they are compared in pairs


class People(Plugin):
    """Gives a box for each person who is seen from head to about the knees."""

    metadata = PluginMetadata(
        name="people",
        stateless=True,
        version="1.0.0",
        description="Finds people who stand or walk, seen more or less whole (HOG and a linear classifier)",
        author="Kinora",
        tags=("detection", "people"),
        outputs=("detections",),
        capabilities=("detections",),
        config_schema=options_schema(
            size=integer(
                288,
                128,
                1920,
                "Longer side in pixels at which the picture is searched. People less than about 100 pixels tall at "
                "this size are not seen: raise it for people who are small in the picture. Larger is slower, and "
                "has more false alarms.",
                unit="pixels",
            ),
            threshold=number(-0.6, -2.0, 2.0, "Margin a window must reach; higher finds fewer people, more surely."),
            votes=integer(
                3, 1, 50, "Neighbouring windows that must agree; higher gives fewer false alarms.", unit="windows"
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Set up the detector."""
        self._size: int = context.options["size"]
        self._threshold: float = context.options["threshold"]
        self._votes: int = context.options["votes"]
        self._hog = cv2.HOGDescriptor()
        self._hog.setSVMDetector(np.array(cv2.HOGDescriptor.getDefaultPeopleDetector()))

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The people in this frame, those with the most support first."""
        height, width = frame.image.shape[:2]
        windows, margins = self._windows(frame.image)
        people = vote(clip_boxes(_without_margin(windows), width, height), margins, self._votes, self._threshold)
        return {"detections": [person.as_json() for person in people]}

    def _windows(self, image: NDArray[np.uint8]) -> tuple[Boxes, NDArray[np.float64]]:
        """The surest windows above the threshold, in pixels of the source, and their margins above zero."""
        small, scale = scale_down(image, self._size)
        grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
        below, right = (max(EDGE, least - EDGE - side) for least, side in zip(WINDOW, grey.shape, strict=True))
        wide = cv2.copyMakeBorder(grey, EDGE, below, EDGE, right, cv2.BORDER_REPLICATE)
        windows, margins = self._hog.detectMultiScale(
            wide,
            hitThreshold=self._threshold,
            winStride=(WINDOW_STRIDE, WINDOW_STRIDE),
            padding=(0, 0),
            scale=SCALE_STEP,
            groupThreshold=0,
        )
        sureness = np.asarray(margins, dtype=np.float64).ravel()
        surest = np.argsort(-sureness, kind="stable")[:MAX_WINDOWS]
        boxes = as_boxes(windows)[surest]
        boxes[:, :2] -= EDGE
        return boxes / scale, sureness[surest]


def vote(boxes: Boxes, margins: NDArray[np.float64], least: int, threshold: float) -> list[Detection]:
    """Join windows on the same person into one detection, if there are at least ``least`` of them.

    The box is their mean, weighted by their margins. The sum of these weights is a person's support; people with the
    most support come first.
    """
    weights = margins - threshold + 0.1
    same = iou(boxes, boxes) > SAME_PERSON_IOU
    left = np.ones(len(boxes), dtype=bool)
    people: list[Detection] = []
    supports: list[float] = []
    while left.any():
        support = np.where(left, (same & left) @ weights, -np.inf)
        voters = same[int(support.argmax())] & left
        voters[int(support.argmax())] = True
        left &= ~voters
        box = np.average(boxes[voters], axis=0, weights=weights[voters])
        if voters.sum() < least or _is_part(box, support.max(), people, supports):
            continue
        x, y, width, height = box
        sure = 1 / (1 + np.exp(-2 * margins[voters].max()))
        people.append(Detection(x=x, y=y, width=width, height=height, confidence=sure, kind="person"))
        supports.append(support.max())
    return people


def _is_part(box: NDArray[np.float64], support: float, people: list[Detection], supports: list[float]) -> bool:
    """True if a box is a part or an echo of a person found before, not somebody close by."""
    nested = nesting(box[None], as_boxes([person.box for person in people]))[0]
    weak = support < COMPANION * np.array(supports)
    return bool(((nested > PART) | ((nested > TOUCHING) & weak)).any())


def _without_margin(windows: Boxes) -> Boxes:
    margin = windows[:, 2:] * WINDOW_MARGIN
    return np.hstack([windows[:, :2] + margin, windows[:, 2:] - 2 * margin])
