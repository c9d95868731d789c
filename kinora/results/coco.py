"""COCO: one JSON file of images, annotations and categories, https://cocodataset.org/#format-data.

Beyond the format's own keys, images have ``frame_index`` and ``timestamp_ms``, annotations ``score``, as in COCO's
results, ``track_id``, and ``attributes``. ``segmentation`` is the run-length code of a mask, or a polygon.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import IO, Any

import msgspec

from kinora.plugins.forms.detections import Detection
from kinora.results.coco_shapes import shapes_of
from kinora.results.exporter import ExportedJob, Piece
from kinora.results.found import FoundFrame, found_in
from kinora.results.numbering import Numbering
from kinora.results.spool import in_parts, open_spool

FILE = "annotations.json"


class Coco:
    """The annotations come first, as they are known first; of the images a file keeps what follows them."""

    def __init__(self, job: ExportedJob) -> None:
        self._job = job
        self._classes = Numbering(first=1)
        self._images: IO[bytes] = open_spool()
        self._points: dict[str, int] = {}
        """The most key points of a detection, by class."""
        self._begun = False
        self._image_count = self._annotation_count = 0

    def frames(self, lines: Sequence[bytes]) -> Iterator[Piece]:
        """As :class:`~kinora.results.exporter.Exporter` says; so does ``end``."""
        yield from self._head()
        parts = []
        for frame in found_in(lines, self._job.plugins):
            self._add_image(frame)
            parts += [self._annotation(found, frame) for found in frame.detections]
        if parts:
            between = b"," if self._annotation_count > len(parts) else b""
            yield FILE, between + b",\n".join(parts)

    def end(self) -> Iterator[Piece]:
        """The images and the categories."""
        yield from self._head()
        yield FILE, b'],\n"images":['
        with self._images:
            for part in in_parts(self._images):
                yield FILE, part
        categories = [self._category(name, number) for name, number in self._classes.items()]
        yield FILE, b'],\n"categories":%s}\n' % msgspec.json.encode(categories)

    def _head(self) -> Iterator[Piece]:
        """The beginning of the file, once."""
        if not self._begun:
            self._begun = True
            yield FILE, b'{"info":%s,"licenses":[],"annotations":[' % msgspec.json.encode(self._info())

    def _info(self) -> dict[str, Any]:
        return {
            "description": f"{self._job.source}: what {', '.join(self._job.plugins)} found, by Kinora",
            "version": self._job.job_id,
            "date_created": self._job.created_at,
        }

    def _add_image(self, frame: FoundFrame) -> None:
        self._image_count += 1
        image = {
            "id": self._image_count,
            "file_name": frame.name,
            "width": frame.width,
            "height": frame.height,
            "frame_index": frame.index,
            "timestamp_ms": frame.timestamp_ms,
        }
        self._images.write((b",\n" if self._image_count > 1 else b"") + msgspec.json.encode(image))

    def _annotation(self, found: Detection, frame: FoundFrame) -> bytes:
        self._annotation_count += 1
        annotation = {
            "id": self._annotation_count,
            "image_id": self._image_count,
            "category_id": self._classes.number_of(found.kind),
            "bbox": found.box,
            "area": found.width * found.height,
            "segmentation": [],
            "iscrowd": 0,
            "score": found.confidence,
        }
        tracked = {} if found.track_id is None else {"track_id": found.track_id}
        shapes = shapes_of(found, frame)
        points = len(found.keypoints or ())
        self._points[found.kind] = max(points, self._points.get(found.kind, 0))
        return msgspec.json.encode(annotation | tracked | shapes)

    def _category(self, name: str, number: int) -> dict[str, Any]:
        """A class, with its key points, which have numbers as names; the skeleton's numbers count from 1."""
        category = {"id": number, "name": name, "supercategory": ""}
        if not (points := self._points.get(name, 0)):
            return category
        skeleton = [[a + 1, b + 1] for a, b in self._job.skeleton if max(a, b) < points]
        return category | {"keypoints": [str(point) for point in range(points)], "skeleton": skeleton}
