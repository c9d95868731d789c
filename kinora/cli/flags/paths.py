"""Paths that people write on the command line."""

from __future__ import annotations

import errno
from pathlib import Path

from kinora.cli.exits import Misuse
from kinora.runtime.files.home_paths import in_home


def real_path(written: str | Path) -> Path:
    """The absolute path, without links. A leading ``~`` that names no user belongs to a file's name.

    Raises:
        Misuse: links lead in a circle.
    """
    path = in_home(written)
    try:
        return path.resolve(strict=True)
    except (RuntimeError, OSError) as error:  # before Python 3.13 a RuntimeError tells of the circle
        if isinstance(error, RuntimeError) or error.errno == errno.ELOOP:
            raise Misuse(f"{written} leads nowhere: its links go round in a circle") from error
    return path.resolve()
