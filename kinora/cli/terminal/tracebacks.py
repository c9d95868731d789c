"""The tracebacks of plugins, cut to what their authors have written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)(?P<comma>,?)(?: in (?P<function>.+))?')
"""A frame as Python writes it; without the comma as ``faulthandler`` writes it, the newest frame first."""
_OURS = re.compile(r"<frozen .*|<string>|(.*/)?kinora/(plugins/(worker|api)|runtime/(\w+/)?\w+)\.py")
"""The files of the frames below a plugin's own."""
_SKIPPED = re.compile(r"|Traceback \(most recent call last\):|Current thread .*|Extension modules: .*")
"""Lines that tell an author nothing."""


class _Frame(NamedTuple):
    file: str
    line: str
    newest_first: bool
    text: str


def own_lines(traceback: str) -> list[str]:
    """The lines of a traceback, or of a plugin's last output, without Kinora's frames; a place is ``file:line``."""
    lines: list[str] = []
    ours = False
    for line in traceback.rstrip().splitlines():
        if frame := _frame(line):
            ours = _is_ours(frame)
            if not ours:
                lines.append(frame.text)
        elif not line.startswith("    "):
            ours = False
            if not _SKIPPED.fullmatch(line):
                lines.append(line)
        elif not ours:
            lines.append(line)
    return lines


def own_place(traceback: str) -> str | None:
    """The place in the plugin's own code from which an error came, as ``file:line``; None if no frame is its own."""
    frames = [frame for frame in _frames(traceback) if not _is_ours(frame)]
    if not frames:
        return None
    first = frames[0]
    if first.newest_first:
        return _place(first.file, first.line)
    folder = Path(first.file).parent
    last = [frame for frame in frames if Path(frame.file).parent == folder][-1]
    return _place(last.file, last.line)


def _frames(traceback: str) -> Iterator[_Frame]:
    return (frame for line in traceback.splitlines() if (frame := _frame(line)))


def _frame(line: str) -> _Frame | None:
    found = _FRAME.fullmatch(line)
    if found is None:
        return None
    function = f", in {found['function']}" if found["function"] else ""
    return _Frame(
        found["file"],
        found["line"],
        not found["comma"] and bool(function),
        _place(found["file"], found["line"]) + function,
    )


def _is_ours(frame: _Frame) -> bool:
    return _OURS.fullmatch(frame.file) is not None


def _place(file: str, line: str) -> str:
    """``file:line``, the file relative to the working folder if it is in it."""
    return f"{file.removeprefix(f'{Path.cwd()}/')}:{line}"
