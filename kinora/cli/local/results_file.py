"""The file in which ``kinora run`` keeps the results, and the count of what is in it."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Self

import attrs
import msgspec

from kinora.actors.models import JobState
from kinora.actors.store.job_events import StoredEvent
from kinora.cli.exits import Failed, Misuse
from kinora.cli.local.export_folder import ExportFolder
from kinora.cli.local.results_formats import STDOUT, CsvTable, Format, FrameLines, format_of
from kinora.cli.terminal.report import Tally
from kinora.printable import printable_json
from kinora.results.csv_rows import has_more_than_rows


@attrs.frozen
class _Sink:
    name: str
    file: BinaryIO
    format: Format

    def write(self, text: bytes) -> None:
        if text:
            with _failing(self.name):
                self.file.write(printable_json(text.decode()).encode() if self.file.isatty() else text)
                self.file.flush()


class ResultsFile:
    """Writes frames and events as they come, and counts them."""

    def __init__(self, state: JobState, sinks: Sequence[_Sink]) -> None:
        self.state = state
        """The newest state of the job; the last one is for the end of the file."""
        self._sinks = sinks
        self.tally = Tally()
        self.last_index: int | None = None
        """The index of the newest frame in it."""
        self.last_event = 0
        """The number of the newest event."""
        self.lacking: set[str] = set()
        """The plugins with a result of which a part is not in the file, as its format has no place for it."""
        self.exports: list[ExportFolder] = []
        """What else gets the frames."""
        self._is_table = any(isinstance(sink.format, CsvTable) for sink in sinks)

    @classmethod
    @contextmanager
    def open(cls, out: Path | None, state: JobState, *, frames: Path | None = None) -> Iterator[Self]:
        """Write to ``out``, ``-`` for stdout, in the format that its name asks for; nothing if it is None.

        ``state`` is the job's first state.
        ``frames`` is a further file, which gets one FrameData per line and nothing else. The file is well-formed
        however the block ends, as long as it can be written.

        Raises:
            Misuse: a file cannot be opened.
            Failed: a file cannot be written any further; so do ``add`` and the end of the block.
        """
        with ExitStack() as stack:
            sinks = [] if frames is None else [stack.enter_context(_sink(frames, FrameLines()))]
            if out == STDOUT:
                sinks.append(_Sink("stdout", sys.stdout.buffer, format_of(STDOUT)))
            elif out is not None:
                sinks.append(stack.enter_context(_sink(out, format_of(out))))
            for sink in sinks:
                sink.write(sink.format.head)
            results = cls(state, sinks)
            try:
                yield results
            finally:
                for sink in sinks:
                    sink.write(sink.format.end(results.state))

    def add(self, frames: Sequence[tuple[int, bytes]]) -> None:
        """Write the next frames, each an index and its JSON text; they are on their way to the disk afterwards."""
        for index, line in frames:
            self.last_index = index
            results: dict[str, Any] = msgspec.json.decode(line)["results"]
            for plugin, result in results.items():
                self.tally.add(plugin, result)
                if self._is_table and has_more_than_rows(result):
                    self.lacking.add(plugin)
        lines = [line for _, line in frames]
        for sink in self._sinks:
            sink.write(sink.format.frames(lines))
        for folder in self.exports:
            folder.add(lines)

    def add_events(self, events: Sequence[StoredEvent]) -> list[dict[str, Any]]:
        """Write the next events, and return them."""
        found = [msgspec.json.decode(event.data, type=dict[str, Any]) for event in events]
        for event in found:
            self.last_event = event["number"]
            self.tally.add_event(event)
            if self._is_table:
                self.lacking.add(event["plugin"])
        lines = [event.data for event in events]
        for sink in self._sinks:
            sink.write(sink.format.events(lines))
        return found


@contextmanager
def _sink(path: Path, format_: Format) -> Iterator[_Sink]:
    try:
        file = path.open("wb")
    except OSError as error:
        raise Misuse(f"{path} cannot be written: {error.strerror}") from error
    try:
        yield _Sink(str(path), file, format_)
    finally:
        with _failing(str(path)):
            file.close()


@contextmanager
def _failing(name: str) -> Iterator[None]:
    """Raise an error of writing as Failed, with a sentence; but a reader that has gone as it is."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failed(f"{name} cannot be written: {error.strerror or error}") from error
