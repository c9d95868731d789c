"""Text, read by RapidOCR with the models that its package carries. Nothing is ever downloaded."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.onnx_sessions import open_session, require_extra
from kinora.plugins.builtin.schema import boolean, integer, number, options_schema
from kinora.plugins.forms.detections import Detection

require_extra("ocr", "rapidocr", "onnxruntime")

LONGEST = 2_000
"""Pixels: RapidOCR reads no picture whose longer side is larger, but a smaller copy of it."""
NARROWEST_COPY = 17
"""Pixels: a side of that copy is rounded to steps of 32, and a smaller one to nothing."""
NARROWEST = 8
"""Pixels: it enlarges a picture until its shorter side has 30."""
MODELS = {"Det": "*_det_*.onnx", "Cls": "*_cls_*.onnx", "Rec": "*_rec_*.onnx"}
"""RapidOCR's names of the three steps (find lines, see which are upside down, read) → the files of their models."""


class Ocr(Plugin):
    """Gives a box for each line of text, and the text: Latin letters, Chinese, digits."""

    metadata = PluginMetadata(
        name="ocr",
        stateless=True,
        version="1.0.0",
        description="Reads text (PP-OCR models, run by RapidOCR)",
        author="Kinora",
        tags=("text", "neural"),
        outputs=("detections",),
        capabilities=("detections", "text"),
        devices=("cpu", "cuda"),
        config_schema=options_schema(
            size=integer(
                960,
                64,
                2000,
                "Longer side in pixels at which text is looked for; larger finds smaller text, slower.",
                unit="pixels",
            ),
            confidence=number(0.5, 0.0, 1.0, "Lines read with less confidence are left out."),
            turned=boolean(False, "Read upside-down text too; slower."),
        ),
    )

    def prepare(self, context: PluginContext) -> None:
        """Load the models.

        Raises:
            FileNotFoundError: this RapidOCR comes with models that are not known here.
            DeviceError: the device cannot be used.
        """
        options = context.options
        rapidocr: Any = importlib.import_module("rapidocr")
        omegaconf: Any = importlib.import_module("omegaconf")
        self._engine = rapidocr.RapidOCR(
            params={
                "Global.log_level": "error",
                "Global.text_score": options["confidence"],
                "Global.use_cls": options["turned"],
                "Det.limit_type": "max",
                "Det.limit_side_len": options["size"],
            }
        )
        folder = Path(rapidocr.__file__).parent / "models"
        with omegaconf.flag_override(self._engine.cfg, "allow_objects", True):
            for step, pattern in MODELS.items():  # given sessions, it neither opens nor downloads any model itself
                self._engine.cfg[step].session = open_session(_model(folder, pattern), context.device)

    def process_frame(self, frame: Frame) -> dict[str, Any]:
        """The lines in this frame, from top to bottom."""
        read = self._engine(_wide_enough(frame.image))
        if read.boxes is None or read.txts is None:
            return {"detections": []}
        height, width = frame.image.shape[:2]
        inside = [np.clip(np.asarray(polygon, dtype=np.float64), 0, (width, height)) for polygon in read.boxes]
        lines = zip(inside, read.txts, read.scores, strict=True)
        return {"detections": [_line(polygon, text, score) for polygon, text, score in lines if _has_area(polygon)]}


def _model(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"there is no {pattern} in {folder}: install rapidocr 3.10 again")
    return found[0]


def _wide_enough(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The picture, a long strip with its edge repeated below or to the right.

    RapidOCR raises if a side is nothing in the smaller copy, and enlarges a strip of a few pixels to gigabytes.
    """
    height, width = image.shape[:2]
    least = max(NARROWEST, math.ceil(NARROWEST_COPY * max(height, width) / LONGEST))
    below, right = max(0, least - height), max(0, least - width)
    if not below and not right:
        return image
    return np.asarray(cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE), dtype=np.uint8)


def _has_area(polygon: NDArray[np.float64]) -> bool:
    return bool((polygon.max(axis=0) > polygon.min(axis=0)).all())


def _line(polygon: NDArray[np.float64], text: str, score: float) -> dict[str, Any]:
    (x, y), (right, bottom) = polygon.min(axis=0).tolist(), polygon.max(axis=0).tolist()
    detection = Detection(x=x, y=y, width=right - x, height=bottom - y, confidence=float(score), kind="text")
    return {**detection.as_json(), "text": text, "polygon": np.round(polygon, 1).tolist()}
