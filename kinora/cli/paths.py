"""Paths that people write on the command line."""

from __future__ import annotations

from pathlib import Path

from kinora.cli.exits import Misuse
from kinora.runtime.home_paths import in_home


def real_path(written: str | Path) -> Path:
    """The absolute path, without links. A leading ``~`` that names no user belongs to a file's name.

    Raises:
        Misuse: links lead in a circle.
    """
    try:
        return in_home(written).resolve()
    except RuntimeError as error:
        raise Misuse(f"{written} leads nowhere: its links go round in a circle") from error
