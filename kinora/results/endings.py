"""The names of all formats of exports, and how their files' names end; light to import."""

from __future__ import annotations

from collections.abc import Mapping

OF_DETECTIONS: Mapping[str, str] = {"coco": "coco.json", "yolo": "yolo.zip", "mot": "mot.zip", "cvat": "cvat.xml"}
"""Those that have the detections of chosen plugins, and nothing else."""
ENDINGS: Mapping[str, str] = {
    "json": "json",
    "ndjson": "ndjson",
    "csv": "csv",
    "parquet": "parquet",
    **OF_DETECTIONS,
}
"""Format → the ending of its file, without the first dot."""
