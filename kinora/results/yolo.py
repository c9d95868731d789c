"""YOLO: a text file of boxes for each frame, https://docs.ultralytics.com/datasets/detect/#ultralytics-yolo-format.

Each line has the number of a class, and a box's centre and size in shares of the picture. Frames without a detection
have an empty file. The pictures are not among the files: ``data.yaml`` says where they go, and how they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath

import msgspec
import numpy as np

from kinora.plugins.detections import clip_boxes
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import FoundFrame, found_in
from kinora.results.numbering import Numbering

HOW_TO_GET_PICTURES = (
    "# Put the pictures beside this file: images/train/frame-000012.jpg is the frame with the index 12.\n"
    "# Of a video: ffmpeg -i VIDEO -fps_mode passthrough -start_number 0 images/train/frame-%06d.jpg\n"
)


class Yolo:
    """The labels in ``labels/train``, and ``data.yaml`` with the names of the classes."""

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._classes = Numbering(first=0)

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        for frame in found_in(lines, self._job.plugins):
            yield f"labels/train/{PurePath(frame.name).with_suffix('.txt').as_posix()}", self._labels(frame)

    def end(self) -> Iterator[Piece]:
        """The description of the data set."""
        names = "".join(f"  {number}: {msgspec.json.encode(name).decode()}\n" for name, number in self._classes.items())
        text = f"{HOW_TO_GET_PICTURES}path: .\ntrain: images/train\nval: images/train\nnames:\n{names or '  {}'}"
        yield "data.yaml", text.encode()

    def _labels(self, frame: FoundFrame) -> bytes:
        if not frame.detections:
            return b""
        size = np.array([frame.width, frame.height], dtype=np.float64)
        boxes = clip_boxes(np.array([found.box for found in frame.detections]), frame.width, frame.height)
        centres = (boxes[:, :2] + boxes[:, 2:] / 2) / size
        rows = zip(frame.detections, np.hstack([centres, boxes[:, 2:] / size]).tolist(), strict=True)
        return "".join(
            f"{self._classes.number_of(found.kind)} {x:.6f} {y:.6f} {width:.6f} {height:.6f}\n"
            for found, (x, y, width, height) in rows
            if width > 0 and height > 0
        ).encode()
