"""The errors in a plugin's options, and how their places are written. Light to import: without jsonschema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence

MAX_ERRORS = 50
"""The most errors that are listed; further ones are counted."""
MAX_MESSAGE = 200
"""The most characters of a message: jsonschema quotes the whole value that it refuses."""
MAX_PATH = 500
"""The most characters of a place; a longer one is cut."""
_NAME = re.compile(r"[A-Za-z_][\w-]*", re.ASCII)


class OptionsError(Exception):
    """Options that a plugin does not accept.

    ``errors`` are (path, sentence) pairs, the path within the options; ``total`` is the number of errors that were
    found, which may be more.
    """

    def __init__(self, errors: Sequence[tuple[str, str]], total: int | None = None) -> None:
        super().__init__(tuple(errors), total)
        self.errors = tuple(errors)
        self.total = len(errors) if total is None else total

    def __str__(self) -> str:
        """All listed errors in one line."""
        return "; ".join(f"{path or 'options'}: {message}" for path, message in self.errors)


def dotted(path: Iterable[str | int]) -> str:
    """A path into JSON as people write it: ``plugins[1].options.min_size``, odd keys as ``["a b"]``, pure ASCII."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif _NAME.fullmatch(name := part[:MAX_PATH]):
            text += f".{name}" if text else name
        else:
            text += f"[{json.dumps(part[:MAX_MESSAGE])}]"
    return text[:MAX_PATH]
