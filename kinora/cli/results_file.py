"""The file in which ``kinora run`` keeps the frames' results: one FrameData per line, in order."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import msgspec

from kinora.cli.errors import Misuse
from kinora.cli.report import Tally
from kinora.printable import printable_json


class ResultsFile:
    """Writes frames as they come, and counts their detections."""

    def __init__(self, path: Path, files: Sequence[BinaryIO]) -> None:
        self.path = path
        """The file with all lines."""
        self._files = files
        self.tally = Tally()
        self.last_index: int | None = None
        """The index of the newest frame in it."""

    @classmethod
    @contextmanager
    def open(cls, out: Path | None, *, folder: Path) -> Iterator[Self]:
        """Write to ``out``, ``-`` for stdout; None writes to a file in ``folder`` only.

        Raises:
            Misuse: the file cannot be written.
        """
        to_stdout = out == Path("-")
        path = folder / "results.jsonl" if out is None or to_stdout else out
        try:
            file = path.open("wb")
        except OSError as error:
            raise Misuse(f"{path} cannot be written: {error.strerror}") from error
        with file:
            yield cls(path, [file, sys.stdout.buffer] if to_stdout else [file])

    def add(self, frames: Sequence[tuple[int, bytes]]) -> None:
        """Write the next frames, each an index and its JSON text; they are on their way to the disk afterwards."""
        for index, line in frames:
            self.last_index = index
            results: dict[str, Any] = msgspec.json.decode(line)["results"]
            for plugin, result in results.items():
                self.tally.add(plugin, result)
        text = b"".join(line + b"\n" for _, line in frames)
        for file in self._files:
            file.write(printable_json(text.decode()).encode() if file.isatty() else text)
            file.flush()
