"""The formats of the file in which ``kinora run`` keeps the results."""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import msgspec

from kinora.actors.models import JobState
from kinora.cli.exits import Misuse
from kinora.results.csv_rows import csv_head, csv_rows

STDOUT = Path("-")


class Format(Protocol):
    """The parts of a file, in order: a head, any number of frames, an end."""

    head: bytes

    def frames(self, lines: Sequence[bytes]) -> bytes:
        """The next frames, each a FrameData as JSON."""

    def events(self, lines: Sequence[bytes]) -> bytes:
        """The next events, each an EventPayload as JSON."""

    def end(self, state: JobState) -> bytes:
        """The end, with the job's last state."""


class FrameLines:
    """A line for each frame, and nothing else."""

    head = b""

    def frames(self, lines: Sequence[bytes]) -> bytes:
        """As :class:`Format` says; so does ``end``."""
        return b"".join(line + b"\n" for line in lines)

    def events(self, lines: Sequence[bytes]) -> bytes:  # noqa: ARG002 - a Format
        """Nothing."""
        return b""

    def end(self, state: JobState) -> bytes:  # noqa: ARG002 - a Format
        """Nothing."""
        return b""


class JsonLines(FrameLines):
    """A line for each frame, and ``{"event": …}`` for each event, about when it happens.

    Behind them stands ``{"finalize": {plugin: result}}`` if any plugin's ``finalize`` gave a result.
    """

    def events(self, lines: Sequence[bytes]) -> bytes:
        """A line for each."""
        return b"".join(b'{"event":%b}\n' % line for line in lines)

    def end(self, state: JobState) -> bytes:
        """The last line, if there is anything to tell."""
        final = _final_results(state)
        return msgspec.json.encode({"finalize": final}) + b"\n" if final else b""


class JsonDocument:
    """One object: all that is known of the job, with its ``frames``, as ``show --json`` prints it; and ``events``."""

    head = b'{"frames":['

    def __init__(self) -> None:
        self._begun = False
        self._events: list[bytes] = []
        """At most as many as a job keeps."""

    def frames(self, lines: Sequence[bytes]) -> bytes:
        """As :class:`Format` says; so does ``end``."""
        text = b",\n".join(lines)
        if not text:
            return b""
        between, self._begun = b",\n" if self._begun else b"\n", True
        return between + text

    def events(self, lines: Sequence[bytes]) -> bytes:
        """Nothing: they come in the end."""
        self._events += lines
        return b""

    def end(self, state: JobState) -> bytes:
        """The events, and all that is known of the job."""
        return (
            b'\n],"events":['
            + b",\n".join(self._events)
            + b"],"
            + msgspec.json.encode(state).removeprefix(b"{")
            + b"\n"
        )


class CsvTable:
    """A row for each detection, metric and text, with the columns of a server's CSV."""

    head = csv_head()

    def frames(self, lines: Sequence[bytes]) -> bytes:
        """As :class:`Format` says."""
        return csv_rows(lines)

    def events(self, lines: Sequence[bytes]) -> bytes:  # noqa: ARG002 - a Format
        """Nothing: they have no columns."""
        return b""

    def end(self, state: JobState) -> bytes:  # noqa: ARG002 - a Format
        """Nothing."""
        return b""


FORMATS: Mapping[str, Callable[[], Format]] = {
    ".jsonl": JsonLines,
    ".ndjson": JsonLines,
    ".json": JsonDocument,
    ".csv": CsvTable,
}
"""Suffix → format."""


def format_of(out: Path) -> Format:
    """The format that a file's name asks for; stdout, pipes and devices get JSON lines.

    Raises:
        Misuse: the suffix is none of those in ``FORMATS``.
    """
    if out == STDOUT or _is_special(out):
        return JsonLines()
    make = FORMATS.get(out.suffix.lower())
    if make is None:
        raise Misuse(f"--out {out}: the suffix says the format, so write one of {', '.join(FORMATS)}")
    return make()


def _final_results(state: JobState) -> dict[str, msgspec.Raw]:
    """Plugin → what its ``finalize`` returned, of those that returned something."""
    return {name: stage.finalize for name, stage in state.plugins.items() if bytes(stage.finalize) != b"null"}


def _is_special(path: Path) -> bool:
    with suppress(OSError):
        mode = path.stat().st_mode
        return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISSOCK(mode)
    return False
