"""The folders that ``kinora run --export FORMAT=DIR`` fills."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Self

import attrs

from kinora.cli.exits import Failed, Misuse
from kinora.results import parquet
from kinora.results.endings import FOR_OTHERS
from kinora.results.exporter import ExportedJob, Exporter, Piece


@attrs.frozen
class ExportWish:
    """A format, and the folder for its files."""

    form: str
    folder: Path

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``FORMAT=DIR``.

        Raises:
            Misuse: it is not of this form, or there is no such format.
        """
        form, equals, folder = text.partition("=")
        if not (equals and folder) or form not in FOR_OTHERS:
            raise Misuse(
                f"--export {text}: write FORMAT=DIR, with one of {', '.join(FOR_OTHERS)}, as --export coco=out"
            )
        if form == "parquet" and not parquet.is_there():
            raise Misuse(f"--export {text}: {parquet.MISSING}")
        return cls(form, Path(folder))


class ExportFolder:
    """Writes the files of one format as frames come. A file of an earlier run is replaced."""

    def __init__(self, wish: ExportWish, exporter: Exporter, closing: ExitStack) -> None:
        self._folder = wish.folder
        self._exporter = exporter
        self._closing = closing
        self._name: str | None = None
        self._file: BinaryIO | None = None

    @classmethod
    @contextmanager
    def open(cls, wish: ExportWish, job: ExportedJob) -> Iterator[Self]:
        """Write during the block; the files are complete however it ends, as long as they can be written.

        Raises:
            Failed: a file cannot be written; so do ``add`` and the end of the block.
        """
        from kinora.results.formats import FORMATS  # noqa: PLC0415 - numpy takes long, and few runs export

        with ExitStack() as closing:
            folder = cls(wish, FORMATS[wish.form].make(job), closing)
            try:
                yield folder
            finally:
                folder._write(folder._exporter.end())

    def add(self, lines: Sequence[bytes]) -> None:
        """Write the next frames, each a FrameData as JSON."""
        self._write(self._exporter.frames(lines))

    def _write(self, pieces: Iterable[Piece]) -> None:
        try:
            for name, data in pieces:
                if name != self._name or self._file is None:
                    self._closing.close()
                    path = self._folder / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    self._name, self._file = name, self._closing.enter_context(path.open("wb"))
                self._file.write(data)
        except OSError as error:
            raise Failed(f"{self._folder} cannot be written: {error.strerror or error}") from error
