"""Paths in a user's home folder: those that people write with ``~``, and the folder for what can be made anew."""

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


def cache_folder() -> Path:
    """``~/.cache/kinora``, or ``$XDG_CACHE_HOME/kinora`` where that is an absolute path. It may not exist.

    Raises:
        RuntimeError: this user has no home folder.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (named if named.is_absolute() else Path.home() / ".cache") / "kinora"
