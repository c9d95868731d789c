"""Text, read by RapidOCR with the models that its package carries. Nothing is ever downloaded."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kinora.plugins.api import Frame, Plugin, PluginContext, PluginMetadata
from kinora.plugins.builtin.onnx_sessions import open_session, require_extra
from kinora.plugins.builtin.schema import boolean, integer, number, options_schema
from kinora.plugins.detections import Detection, as_boxes, clip_boxes

require_extra("ocr", "rapidocr", "onnxruntime")

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
                960, 64, 2000, "Longer side in pixels at which text is looked for; larger finds smaller text, slower."
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
        read = self._engine(frame.image)
        if read.boxes is None or read.txts is None:
            return {"detections": []}
        height, width = frame.image.shape[:2]
        lines = zip(read.boxes, read.txts, read.scores, strict=True)
        return {"detections": [_line(polygon, text, score, width, height) for polygon, text, score in lines]}


def _model(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        raise FileNotFoundError(f"there is no {pattern} in {folder}: install rapidocr 3.10 again")
    return found[0]


def _line(polygon: NDArray[Any], text: str, score: float, width: int, height: int) -> dict[str, Any]:
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    x, y, w, h = clip_boxes(as_boxes([[*low, *(high - low)]]), width, height)[0].tolist()
    detection = Detection(x=x, y=y, width=w, height=h, confidence=float(score), kind="text")
    return {**detection.as_json(), "text": text, "polygon": np.round(polygon.astype(float), 1).tolist()}
