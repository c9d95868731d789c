"""What an author needs to see of a failed import: the place in the plugin's own code, and the traceback from there."""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from pathlib import Path

from kinora.plugins.failures import home_of, is_own
from kinora.plugins.protocol import Origin

_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+)', re.MULTILINE)
_PLACED = re.compile(r"\(.+, line \d+\)$")
"""The end of a message that says its place itself, as a SyntaxError's does."""
_IMPORTERS = (
    *(str(Path(__file__).with_name(name)) for name in ("worker.py", "loading.py", "api.py")),
    str(Path(importlib.__file__)),
    "<",
)
"""The beginnings of the names of files that are only on the way to a plugin's code."""


def with_place(message: str, traceback: str, origin: Origin) -> str:
    """The message with the file and line behind it: the plugin's own last ones, else the last ones.

    Not of a built-in plugin, whose lines are not the user's.
    """
    frames = [(found["file"], found["line"]) for found in _frames(traceback)]
    home = home_of(origin) if origin.kind == "file" else None
    own = [frame for frame in frames if home and is_own(frame[0], home)]
    if origin.kind == "builtin" or _PLACED.search(message) or not (own or frames):
        return message
    file, line = (own or frames)[-1]
    return f"{message} ({file}, line {line})"


def from_plugin_on(traceback: str) -> str:
    """The traceback without the frames that lead to the plugin's code."""
    first, own = _FRAME.search(traceback), next(_frames(traceback), None)
    return traceback if first is None or own is None else traceback[: first.start()] + traceback[own.start() :]


def _frames(traceback: str) -> Iterator[re.Match[str]]:
    return (found for found in _FRAME.finditer(traceback) if not found["file"].startswith(_IMPORTERS))
