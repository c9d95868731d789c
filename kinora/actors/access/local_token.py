"""The file in the data folder that has the local token's secret; only the server's own user may read it."""

from __future__ import annotations

import os
from pathlib import Path

from kinora.runtime.files.private_files import private_opener

FILE = "token"
"""Its name in the data folder."""
MAX_BYTES = 1024
"""No more is read of the file."""


def read_secret(file: Path) -> str | None:
    """Return the secret in the file; None if there is no file, or nothing in it. Blocks.

    Raises:
        OSError: it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES).decode("ascii", "replace").strip() or None
    except FileNotFoundError:
        return None


def write_secret(file: Path, secret: str) -> None:
    """Put the secret into the file, all or nothing, and into no file that was there before. Blocks.

    Raises:
        OSError: it cannot be written.
    """
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    with open(part, "x", opener=private_opener) as opened:
        opened.write(f"{secret}\n")
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)
