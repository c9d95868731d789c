"""Faces seen from the front, by a cascade of Haar-like features (Viola and Jones, 2001)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from cv2.data import haarcascades

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.scaling import scale_down
from kinora.plugins.builtin.schema import integer, number, options_schema
from kinora.plugins.forms.detections import Detection, as_boxes, clip_boxes
from kinora.plugins.opencv import require_opencv

require_opencv("CascadeClassifier")  # OpenCV 5 has it, and the cascades, only in its contrib packages

CASCADE = "haarcascade_frontalface_default.xml"
SMALLEST = 24  # pixels: the cascade's own window


class Faces(Plugin):
    """Gives a box for each face that looks at the camera, upright or nearly so."""

    metadata = PluginMetadata(
        name="faces",
        stateless=True,
        version="1.0.0",
        description="Finds upright faces seen from the front (Haar cascade)",
        author="Kinora",
        tags=("detection", "faces"),
        outputs=("detections",),
        capabilities=("detections",),
        config_schema=options_schema(
            size=integer(
                384,
                64,
                3840,
                "Longer side in pixels at which the picture is searched. Faces of less than 24 pixels at this size "
                "are not seen; larger is slower.",
                unit="pixels",
            ),
            min_size=integer(40, 1, 4000, "Smallest face, in pixels of the source.", unit="pixels"),
            scale_step=number(1.2, 1.01, 2.0, "Ratio of one searched face size to the next; smaller is slower."),
            neighbours=integer(
                6, 0, 100, "Neighbouring hits that must agree; higher gives fewer false alarms.", unit="hits"
            ),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Load the cascade.

        Raises:
            RuntimeError: this OpenCV comes without cascades, as OpenCV 5 wheels do.
        """
        self._options = context.options
        path = Path(haarcascades) / CASCADE
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise RuntimeError(f"{path} cannot be loaded; install opencv-python-headless 4.x")

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The faces in this frame."""
        small, scale = scale_down(frame.image, self._options["size"])
        least = max(SMALLEST, round(self._options["min_size"] * scale))
        boxes, _, weights = self._cascade.detectMultiScale3(
            cv2.equalizeHist(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)),
            scaleFactor=self._options["scale_step"],
            minNeighbors=self._options["neighbours"],
            minSize=(least, least),
            outputRejectLevels=True,
        )
        height, width = frame.image.shape[:2]
        inside = clip_boxes(as_boxes(boxes) / scale, width, height)
        found = [_face(box, float(weight)) for box, weight in zip(inside.tolist(), weights, strict=True)]
        return {"detections": [face.as_json() for face in found]}


def _face(box: Sequence[float], weight: float) -> Detection:
    """``weight`` is the last stage's sum: about 1 for a doubtful face, 5 and more for a clear one."""
    x, y, width, height = box
    confidence = 1 - math.exp(-max(weight, 0.0) / 3)
    return Detection(x=x, y=y, width=width, height=height, confidence=confidence, kind="face")
