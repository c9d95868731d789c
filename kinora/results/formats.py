"""The formats for other programs, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import attrs

from kinora.results.coco import Coco
from kinora.results.cvat import Cvat
from kinora.results.exporter import ExportedJob, Exporter
from kinora.results.mot import Mot
from kinora.results.parquet import Parquet
from kinora.results.yolo import Yolo

ZIP = "application/zip"


@attrs.frozen(kw_only=True)
class Format:
    """A format: how its files are made, and what they are when they come as one."""

    make: Callable[[ExportedJob], Exporter]
    media_type: str

    @property
    def zipped(self) -> bool:
        """True if there are several files, which come as an archive."""
        return self.media_type == ZIP


FORMATS: Mapping[str, Format] = {
    "parquet": Format(make=Parquet, media_type="application/vnd.apache.parquet"),
    "coco": Format(make=Coco, media_type="application/json"),
    "yolo": Format(make=Yolo, media_type=ZIP),
    "mot": Format(make=Mot, media_type=ZIP),
    "cvat": Format(make=Cvat, media_type="application/xml"),
}
