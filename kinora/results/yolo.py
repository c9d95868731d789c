"""YOLO: a text file of labels for each frame, https://docs.ultralytics.com/datasets/.

Each line has the number of a class, and places in shares of the picture: a box's centre and size, or, where all
detections of the job have it, an outline, key points or the corners of a turned box. Frames without a detection have an
empty file. The pictures are not among the files: ``data.yaml`` says where they go, and how they are made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import IO

import msgspec

from kinora.plugins.forms.catalogue import Detection
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import FoundFrame, found_in
from kinora.results.numbering import Numbering
from kinora.results.spool import open_spool
from kinora.results.yolo_rows import TASKS, box_row, tasks_of

DETECT = "detect"
HOW_TO_GET_PICTURES = (
    "# Put the pictures beside this file: images/train/frame-000012.jpg is the frame with the index 12.\n"
    "# Of a video: ffmpeg -i VIDEO -fps_mode passthrough -start_number 0 images/train/frame-%06d.jpg\n"
    "# Where names differ in their suffix only, as of a.jpg and a.png, the second picture is images/train/a.png.png.\n"
)
_Labels = dict[str, str]
"""The text of a frame's file, by the task."""


class Yolo:
    """The labels in ``labels/train``, and ``data.yaml`` with the names of the classes.

    While all detections may yet be of another task than ``detect``, the labels wait in a file in all forms.
    """

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._classes = Numbering(first=0)
        self._waiting: IO[bytes] = open_spool()
        self._tasks = list(TASKS)
        """The tasks that each detection so far fits."""
        self._points: int | None = None
        """The number of key points of a detection."""
        self._any = False
        self._files: set[str] = set()
        """The names of the files of labels so far, of a source whose pictures have names."""

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        for frame in found_in(lines, self._job.plugins):
            self._judge(frame.detections)
            file, labels = self._file(frame), self._labels(frame)
            if self._tasks:
                self._waiting.write(msgspec.json.encode((file, labels)) + b"\n")
            else:
                yield from self._waited(DETECT)
                yield file, labels[DETECT].encode()

    def end(self) -> Iterator[Piece]:
        """The labels that have waited, and the description of the data set."""
        task = self._tasks[0] if self._tasks and self._any else DETECT
        yield from self._waited(task)
        self._waiting.close()
        names = "".join(f"  {number}: {msgspec.json.encode(name).decode()}\n" for name, number in self._classes.items())
        shape = f"kpt_shape: [{self._points}, 3]\n" if task == "pose" else ""
        text = f"{HOW_TO_GET_PICTURES}path: .\ntrain: images/train\nval: images/train\n{shape}names:\n{names or '  {}'}"
        yield "data.yaml", text.encode()

    def _judge(self, detections: Sequence[Detection]) -> None:
        """Drop the tasks that one of these does not fit."""
        for found in detections:
            self._any = True
            self._points = len(found.keypoints or ()) if self._points is None else self._points
            can = tasks_of(found) if len(found.keypoints or ()) == self._points else tasks_of(found) - {"pose"}
            self._tasks = [task for task in self._tasks if task in can]

    def _file(self, frame: FoundFrame) -> str:
        """The file of a frame's labels; of a folder, whose names may differ in their suffix only, each has its own."""
        picture = PurePath(frame.name)
        if frame.is_named:
            while _labels_of(picture) in self._files:
                picture = picture.with_name(f"{picture.name}{picture.suffix or '.jpg'}")
            self._files.add(_labels_of(picture))
        return _labels_of(picture)

    def _labels(self, frame: FoundFrame) -> _Labels:
        numbers = [self._classes.number_of(found.kind) for found in frame.detections]
        forms = {DETECT: box_row} | {task: TASKS[task] for task in self._tasks}
        rows = {
            task: [(number, form(found, frame)) for number, found in zip(numbers, frame.detections, strict=True)]
            for task, form in forms.items()
        }
        return {task: "".join(f"{number} {row}\n" for number, row in told if row) for task, told in rows.items()}

    def _waited(self, task: str) -> Iterator[Piece]:
        """What has waited; afterwards nothing waits."""
        self._waiting.seek(0)
        for line in self._waiting:
            file, labels = msgspec.json.decode(line, type=tuple[str, _Labels])
            yield file, labels[task].encode()
        self._waiting.seek(0)
        self._waiting.truncate()


def _labels_of(picture: PurePath) -> str:
    """The file of the labels of a picture: readers look for its name with another suffix."""
    return f"labels/train/{picture.with_suffix('.txt').as_posix()}"
