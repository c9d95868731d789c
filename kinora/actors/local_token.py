"""The file in the data folder that has the local token's secret; only the server's own user may read it."""

from __future__ import annotations

import os
from pathlib import Path

import trio

from kinora.runtime.private_files import private_opener

FILE = "token"
"""Its name in the data folder."""
MAX_BYTES = 1024
"""No more is read of the file."""


async def read_local_token(file: Path) -> str | None:
    """Return the secret in the file; None if there is no file, or nothing in it.

    Raises:
        OSError: it cannot be read.
    """
    return await trio.to_thread.run_sync(_read, file)


async def write_local_token(file: Path, secret: str) -> None:
    """Put the secret into the file, all or nothing.

    Raises:
        OSError: it cannot be written.
    """
    await trio.to_thread.run_sync(_write, file, secret)


def _read(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            return opened.read(MAX_BYTES).decode("ascii", "replace").strip() or None
    except FileNotFoundError:
        return None


def _write(file: Path, secret: str) -> None:
    part = file.with_name(f".{file.name}.part")
    with open(part, "w", opener=private_opener) as opened:
        opened.write(f"{secret}\n")
        opened.flush()
        os.fsync(opened.fileno())
    part.replace(file)
