"""What earlier runs into the same folder have done, so that a run goes on where another one stopped."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import msgspec

from kinora.cli.batch.sources import Source
from kinora.cli.exits import Failed

FILE = "kinora-run.jsonl"
"""In the folder of the results: a line for each source that was done, the newest one of a source counts."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A source that was done."""

    source: str
    """Its key."""
    version: str
    """What it looked like, see :func:`version_of`."""
    asked: str
    """What was asked for, see :func:`hash_of`."""
    name: str
    """The name of its results."""
    forms: tuple[str, ...]
    """The formats in which they are there."""
    summary: dict[str, Any]
    """What was told at its end."""


class Record:
    """The record in a folder."""

    def __init__(self, folder: Path) -> None:
        """Read it. Lines that cannot be read, such as one that was cut by a power failure, are passed over."""
        self._file = folder / FILE
        self._entries: dict[str, Entry] = {}
        text = self._file.read_bytes() if self._file.exists() else b""
        self._torn = bool(text) and not text.endswith(b"\n")
        for line in text.splitlines():
            try:
                entry = msgspec.json.decode(line, type=Entry)
            except msgspec.MsgspecError:
                continue
            if entry.name == Path(entry.name).name:
                self._entries[entry.source] = entry

    @property
    def names(self) -> Mapping[str, str]:
        """Source's key → name of its results."""
        return {key: entry.name for key, entry in self._entries.items()}

    def done(self, source: Source, version: str, asked: str, forms: Collection[str]) -> Entry | None:
        """What is known of a source that was done as it is now, as asked for and in these formats; else None."""
        entry = self._entries.get(source.key)
        if entry is None or (entry.version, entry.asked) != (version, asked) or not set(forms) <= set(entry.forms):
            return None
        return entry

    def add(self, entry: Entry) -> None:
        """Write that a source is done; it is on the disk when this returns.

        Raises:
            Failed: it cannot be written.
        """
        self._entries[entry.source] = entry
        try:
            with self._file.open("ab") as file:
                file.write(b"\n" * self._torn + msgspec.json.encode(entry) + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise Failed(f"{self._file} cannot be written: {error.strerror or error}") from error
        self._torn = False


def version_of(source: Source) -> str:
    """A text that changes with the source's file, or with the files in its folder; empty for other sources."""
    if source.path is None or not source.path.exists():
        return ""
    files = sorted(source.path.iterdir()) if source.path.is_dir() else [source.path]
    return hash_of([(file.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files if file.exists()])


def hash_of(value: Any) -> str:
    """A short text that differs for different values, all of which JSON can express."""
    return hashlib.sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:32]
