"""The names of all formats of exports, and how their files' names end; light to import."""

from __future__ import annotations

from collections.abc import Mapping

OF_DETECTIONS: Mapping[str, str] = {"coco": "coco.json", "yolo": "yolo.zip", "mot": "mot.zip", "cvat": "cvat.xml"}
"""Those that have the detections of chosen plugins, and nothing else."""
FOR_OTHERS: Mapping[str, str] = {"parquet": "parquet", **OF_DETECTIONS}
"""Those for other programs."""
ENDINGS: Mapping[str, str] = {"json": "json", "ndjson": "ndjson", "csv": "csv", **FOR_OTHERS}
"""Format → the ending of its file, without the first dot."""
