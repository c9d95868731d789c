"""Writes what a run has found into files: for other programs, and as a video."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from kinora.media.network.url_access import is_rtsp
from kinora.media.source_names import is_watched
from kinora.media.source_types import SourceError
from kinora.media.videos.video_kinds import KINDS, kind_of
from kinora.python.annotating import annotate_source
from kinora.python.errors import RunError
from kinora.python.kept import KeptFrames
from kinora.python.local_settings import settings_for
from kinora.python.report import Report
from kinora.results import parquet
from kinora.results.csv_rows import csv_head, csv_rows
from kinora.results.endings import ENDINGS
from kinora.results.exporter import Exporter, Piece
from kinora.results.formats import FORMATS
from kinora.runtime.files.temporary import temporary_folder
from kinora.settings import Settings


def export(kept: KeptFrames, report: Report, form: str, folder: Path) -> list[Path]:
    """Write the files of one form; see :meth:`Run.export <kinora.python.run.Run.export>`."""
    if form not in ENDINGS:
        raise RunError(f"There is no form {form!r}: use one of {', '.join(ENDINGS)}")
    if report.exported is None:
        raise RunError("The run has no job: nothing was found")
    if form == "parquet" and not parquet.is_there():
        raise RunError(parquet.MISSING)
    if form in FORMATS:
        return _write(_pieces(kept, FORMATS[form].make(report.exported)), folder)
    return _write(((f"results.{form}", part) for part in _parts(kept, report, form)), folder)


def _pieces(kept: KeptFrames, exporter: Exporter) -> Iterator[Piece]:
    for page in kept.pages():
        yield from exporter.frames(page)
    yield from exporter.end()


def _parts(kept: KeptFrames, report: Report, form: str) -> Iterator[bytes]:
    """The parts of the file of one of Kinora's own forms."""
    if form == "csv":
        return _table(kept)
    return _lines(kept) if form == "ndjson" else _document(kept, report.state)


def _table(kept: KeptFrames) -> Iterator[bytes]:
    yield csv_head()
    yield from map(csv_rows, kept.pages())


def _lines(kept: KeptFrames) -> Iterator[bytes]:
    yield b""  # a run without frames has a file too
    yield from (b"".join(line + b"\n" for line in page) for page in kept.pages())


def _document(kept: KeptFrames, state: Mapping[str, Any]) -> Iterator[bytes]:
    """All that is known of the job, with its frames."""
    yield msgspec.json.encode({key: value for key, value in state.items() if key != "frames"}).removesuffix(b"}")
    yield b',"frames":['
    for number, page in enumerate(kept.pages()):
        yield (b",\n" if number else b"\n") + b",\n".join(page)
    yield b"]}\n"


def _write(pieces: Iterable[Piece], folder: Path) -> list[Path]:
    written: list[Path] = []
    file: BinaryIO | None = None
    try:
        with ExitStack() as files:
            for name, data in pieces:
                if file is None or folder / name != written[-1]:
                    files.close()
                    written.append(folder / name)
                    written[-1].parent.mkdir(parents=True, exist_ok=True)
                    file = files.enter_context(written[-1].open("wb"))
                file.write(data)
    except OSError as error:
        raise RunError(f"{folder} cannot be written: {error.strerror or error}") from error
    return written


def annotate_kept(source: str, settings: Settings, report: Report, kept: KeptFrames, out: Path) -> None:
    """Write a video of a source of this machine, or of a URL; see :meth:`Run.annotate`."""
    if kind_of(out) is None:
        raise RunError(
            f"annotate writes a video, and none that ends in {out.suffix}: give a name in {', '.join(KINDS)}"
        )
    if is_watched(source) or is_rtsp(source):
        raise RunError("A video cannot be made of a camera, whose pictures are gone: write frame.plot() in the loop")
    with temporary_folder() as folder:
        settings, name = settings_for(settings, source, [], folder)
        try:
            frames = map(msgspec.json.decode, kept.lines())
            written = annotate_source(name, settings, frames, out, skeletons=report.skeletons)
        except SourceError as error:
            raise RunError(f"{out} cannot be made: {error}") from error
        except OSError as error:
            raise RunError(f"{out} cannot be written: {error.strerror or error}") from error
    if not written:
        raise RunError(f"{out} was not made: there are no frames to draw in")
