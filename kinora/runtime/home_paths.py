"""Paths that people write, with ``~`` for a home folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def in_home(written: str | os.PathLike[str]) -> Path:
    """The path, with ``~`` replaced. A leading ``~`` that names no user belongs to a file's name."""
    path = Path(written)
    with suppress(RuntimeError):
        path = path.expanduser()
    return path
