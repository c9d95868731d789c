"""Exports of frames that tests make up, as files, and what libraries read of them that are not in the environment."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import msgspec
import numpy as np
from PIL import Image

from kinora.plugins.forms.rle import mask_of
from kinora.results.exporter import ExportedJob
from kinora.results.formats import FORMATS
from kinora.results.zip_stream import ZipStream

WIDTH, HEIGHT = 100, 60
BOX = {"x": 10, "y": 20, "width": 30, "height": 20, "confidence": 0.9, "class": "person"}
ROUND = np.array([[(x - 25) ** 2 + (y - 30) ** 2 < 90 for x in range(WIDTH)] for y in range(HEIGHT)], np.bool_)
READERS = Path(sys.prefix) / "readers"
"""Where ``make`` puts those libraries."""
Found = Sequence[Mapping[str, Any]]
"""The detections of a frame."""


def job_of(**facts: Any) -> ExportedJob:
    """A job of which one plugin's detections are exported."""
    usual = {"job_id": "j", "source": "a.mp4", "created_at": "2026-11-26T12:00:00Z", "plugins": ("finder",)}
    return ExportedJob(**{**usual, **facts})


def masked(pixels: Any, left: int = 0, top: int = 0) -> dict[str, Any]:
    """A detection with a mask."""
    mask = mask_of(pixels, left, top)
    assert mask is not None
    return BOX | {"mask": msgspec.structs.asdict(mask)}


def frames(found: Mapping[int, Found], **facts: Any) -> list[bytes]:
    """Frames by their indexes, as they are stored; another plugin has found the same."""
    return [
        msgspec.json.encode(
            {
                "frame_id": f"frame-{index:06d}",
                "index": index,
                "timestamp_ms": index * 33.367,
                "width": WIDTH,
                "height": HEIGHT,
                "results": {
                    name: {"detections": each, "metrics": {"found": len(each)}} for name in ("other", "finder")
                },
                **facts,
            }
        )
        for index, each in found.items()
    ]


def exported(form: str, lines: Sequence[bytes], job: ExportedJob | None = None) -> dict[str, bytes]:
    """The files of an export, as they come out of an archive; the first of the frames comes before the others."""
    exporter = FORMATS[form].make(job or job_of())
    archive = ZipStream()
    made = (exporter.frames(lines[:1]), exporter.frames(lines[1:]), exporter.end())
    packed = b"".join(part for pieces in made for part in archive.add(pieces)) + archive.end()
    with ZipFile(io.BytesIO(packed)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write files into a folder, and return it."""
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def add_pictures(folder: Path, indexes: Iterable[int]) -> None:
    """Put an empty picture into a folder for each frame."""
    folder.mkdir(parents=True)
    for index in indexes:
        Image.new("L", (WIDTH, HEIGHT)).save(folder / f"frame-{index:06d}.jpg")


def read_by_others(wanted: Sequence[tuple[str, str, Path]]) -> list[dict[int, list[list[Any]]]]:
    """What these libraries read of these formats in these folders."""
    assert READERS.is_dir(), f"{READERS} is missing: make .venv/readers/.installed"
    read = subprocess.run(
        [sys.executable, Path(__file__).parent / "readers.py", *(f"{lib} {form} {at}" for lib, form, at in wanted)],
        env=os.environ | {"PYTHONPATH": str(READERS)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return [{int(index): found for index, found in each.items()} for each in json.loads(read.stdout)]
